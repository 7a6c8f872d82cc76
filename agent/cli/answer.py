"""How a verb ends: an exit code, a result and findings; and what stopped it, as such an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agent.cli.exit_codes import ExitCode, of_code
from agent.errors import AgentError, ConfigError
from agent.finding import Finding, of_error

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a verb ended.

    Attributes:
        code: exit status; the envelope's ``code``, and ``ok`` where it is 0.
        result: what the verb found, for programs: no translation, values with a unit as decimal strings.
        findings: what is the matter.
        told: the findings were shown to people already, in the verb's own words.
    """

    code: ExitCode = ExitCode.DONE
    result: Json = None
    findings: tuple[Finding, ...] = ()
    told: bool = False


def answered(work: Callable[[], Answer | None]) -> Answer | None:
    """Do the work of a verb and give its answer; what stopped it is one too.

    Raises:
        BrokenPipeError: nobody reads the answer.
    """
    try:
        return work()
    except BrokenPipeError:
        raise
    except AgentError as error:
        return refusal(error)
    except OSError as error:
        return failure(error)
    except _driver_error() as error:
        return refusal(error)


def refusal(error: Exception) -> Answer:
    """Give the answer of a verb that an AgentError or DriverError stopped."""
    if isinstance(error, ConfigError):
        found = error.findings or (Finding(code="bad-config", params={"detail": error.what}, where=error.where),)
        return wrong_site(found)
    finding = getattr(error, "finding", None) or of_error(error)
    return Answer(code=of_code(finding.code), findings=(finding,))


def wrong_site(findings: tuple[Finding, ...]) -> Answer:
    """Give the answer where the site file cannot be used: it is wrong, or it cannot even be read."""
    code = findings[0].code
    return Answer(
        code=of_code(code) if code in ("file-denied", "file-failed") else ExitCode.CONFIG, findings=findings
    )


def failure(error: OSError) -> Answer:
    """Give the answer of a verb that the system stopped."""
    path = str(error.filename or "")
    if isinstance(error, FileNotFoundError):
        finding = Finding(code="file-missing", params={"path": path})
    elif isinstance(error, PermissionError):
        finding = Finding(code="file-denied", params={"path": path})
    elif not path:
        finding = Finding(code="output-failed", params={"detail": error.strerror or str(error)})
    else:
        finding = Finding(code="file-failed", params={"path": path, "detail": error.strerror or str(error)})
    return Answer(code=of_code(finding.code), findings=(finding,))


def _driver_error() -> type[Exception]:
    from drivers.errors import DriverError  # noqa: PLC0415 - only where something went wrong

    return DriverError
