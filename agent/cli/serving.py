"""``tidegate run`` without the parser of the command line: what is loaded for one call stays for years."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from agent.cli.answer import Answer, answered, refusal, wrong_site
from agent.cli.exit_codes import ExitCode
from agent.cli.speaking import silence, site_file, speak
from agent.errors import AgentError
from agent.finding import Finding
from agent.language import _

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


def at_once(words: Sequence[str]) -> ExitCode | None:
    """Run the gateway if ``words`` ask for just that, as its unit does; click would keep 1.3 MiB and never be asked.

    Gives how it ended; None, with nothing done, for all other words: they are for ``agent.cli.main``.
    """
    match list(words):
        case ["--site", file, "run"] if file and not file.startswith("-"):
            site = file
        case ["run"]:
            site = site_file(None, os.environ)
        case _:
            return None
    from pathlib import Path  # noqa: PLC0415 - start-up time of other verbs

    try:
        speak(None, site, os.environ)
        answer = answered(lambda: serve_site(Path(site), _show))
        for finding in answer.findings if answer else ():
            _show(finding)
    except KeyboardInterrupt:
        sys.stderr.write(_("Stopped.") + "\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        silence()
        return ExitCode.IO
    return answer.code if answer else ExitCode.DONE


def serve_site(path: Path, show: Callable[[Finding], None]) -> Answer:
    """Run the gateway of a site file until it is told to stop; ``show`` is given the warnings of the file."""
    from agent.configuration.load import check_site, load_site  # noqa: PLC0415 - start-up time
    from drivers.profile_load import builtin_roots  # noqa: PLC0415

    check = check_site(path, builtin_roots())
    if check.site is None:
        return wrong_site(check.findings)
    for finding in check.findings:
        show(finding)

    from agent.heap import use_one_heap  # noqa: PLC0415
    from agent.keys import FileKeyStore  # noqa: PLC0415
    from agent.runtime import serve  # noqa: PLC0415

    if not FileKeyStore(check.site.state_dir / "keys").has_identity():
        finding = Finding(code="no-state", params={"path": str(check.site.state_dir)})
        return Answer(code=ExitCode.CONFIG, findings=(finding,))
    use_one_heap()
    try:
        serve(check.site, lambda: load_site(path, builtin_roots()))
    except ExceptionGroup as group:
        known, others = group.split(AgentError)
        if known is None:
            raise
        if others is not None:
            _log.error("what else went wrong", exc_info=others)
        return refusal(_first(known))
    return Answer()


def _show(finding: Finding) -> None:
    """Show a finding as every verb does; click is loaded for it after all."""
    from agent.cli.output import Output  # noqa: PLC0415 - a gateway that has nothing to complain of does without

    Output(color=_color(os.environ)).finding(finding)


def _color(environ: Mapping[str, str]) -> bool | None:
    return False if environ.get("NO_COLOR") else None


def _first(group: ExceptionGroup[AgentError]) -> AgentError:
    """Give the first error of nested groups: why the agent could not go on; the others follow from it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
