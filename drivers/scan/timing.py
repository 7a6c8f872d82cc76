"""How long a question of a scan waits, and what that adds up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.profile import LineSettings
from drivers.scan.probe import Ask

PATIENCE_S: Final = 0.25
_FIRST_WINDOW_S: Final = 0.08
_SHORTEST_WINDOW_S: Final = 0.04
_MARGIN_S: Final = 0.01
_HASTY_S: Final = 0.2  # two meters of one make may differ; less than this is never waited
_HASTY_TIMES: Final = 3


@dataclass(slots=True)
class Cost:
    """What probes cost by calculation and in truth, so that the remaining time is a measured one."""

    reckoned_s: float = 0.0
    measured_s: float = 0.0

    @property
    def factor(self) -> float:
        """Measured seconds for each second reckoned; 1 before anything was measured."""
        return self.measured_s / self.reckoned_s if self.reckoned_s else 1.0


def window_s(ask: Ask, slowest_s: float | None, patience_s: float, *, patient: bool) -> float:
    """Give how long the silence after ``ask`` means nobody.

    Args:
        ask: the question.
        slowest_s: longest answer time of its protocol so far, None before the first answer.
        patience_s: what a slow Modbus device may take.
        patient: whether slow ones are waited for from the start.
    """
    if ask.window_s is not None:
        if not ask.hasty or slowest_s is None:
            return ask.window_s
        return min(ask.window_s, max(_HASTY_S, _HASTY_TIMES * slowest_s))
    if patient:
        return patience_s
    if slowest_s is None:
        return min(_FIRST_WINDOW_S, patience_s)
    return min(patience_s, max(_SHORTEST_WINDOW_S, 2 * slowest_s + _MARGIN_S))


def reckoned_s(ask: Ask, line: LineSettings, window_s: float) -> float:
    """Seconds of a probe that nobody answers: break, request, silence, window, one character to be sure."""
    if not ask.request:
        spoken = ask.reply_line or line
        return window_s + ask.answer_bytes * spoken.character_s  # nothing is said, so no silence has to be kept
    rouse_s = 0.0 if ask.rouse is None else ask.rouse.silence_s + ask.rouse.character_s
    return rouse_s + (len(ask.request) + 1) * line.character_s + line.silence_s + window_s
