"""Finding: one thing that is the matter, as data, and put into words in either language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.language import Language, active, translate
from agent.messages import MESSAGES

_TWICE: Final = tuple(f"{mark}{stop}" for mark in "?!？！" for stop in ".。")
"""How a sentence ends that was filled up with another one."""

_DETAIL = "detail"
"""Field that may hold a whole sentence of somebody else, which the catalogue may know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found.

    Attributes:
        code: key of a row of ``agent.messages``.
        params: value of every field of the row's sentences.
        where: ``file:line:column`` or any other place, empty for none.
        warning: does not by itself make the answer a no.
        excerpt: lines that show the place, as they are printed; empty for none.
        nearest: the valid name that a wrong one was probably meant to be, empty for none.
    """

    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    where: str = ""
    warning: bool = False
    excerpt: str = ""
    nearest: str = ""

    @property
    def tag(self) -> str:
        """The TG code."""
        return MESSAGES[self.code].tag

    def sentence(self, language: Language | None = None) -> str:
        """Say what is the matter, in ``language`` or the one in use."""
        return _fill(MESSAGES[self.code].text, self.params, language)

    def act(self, language: Language | None = None) -> str:
        """Say what to do about it; empty where the sentence says all."""
        return _fill(MESSAGES[self.code].act, self.params, language)


def of_error(error: Exception) -> Finding:
    """Give the finding of an AgentError or DriverError by its ``code``; the detail is what the error itself says."""
    failure = getattr(error, "failure", None)  # what the agent said over its control socket
    code = str(
        getattr(failure if failure is not None and failure.code in MESSAGES else error, "code", "internal-error")
    )
    detail = str(error).rstrip(".")
    return Finding(code=code if code in MESSAGES else "agent-error", params={"detail": detail})


def _fill(sentence: str, params: Mapping[str, str | int], language: Language | None) -> str:
    into = language or active()
    known = _Params(params)
    if isinstance(detail := params.get(_DETAIL), str):
        known[_DETAIL] = translate(detail, into)
    said = translate(sentence, into).format_map(known).rstrip()
    return said[:-1] if said.endswith(_TWICE) else said


class _Params(dict[str, str | int]):
    """Fields of a sentence; one that is not known here (what a broker did not say) is a dash, never an error."""

    def __missing__(self, key: str) -> str:
        return "-"
