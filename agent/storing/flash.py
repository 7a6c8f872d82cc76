"""The flash budget: how much may be written in a day, and how long readings wait when more would be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

_DAY_S: Final = 86_400
_HOUR_S: Final = 3_600
LONGEST_AGE_S: Final = 60.0
"""Block format, rules for the writer, 1: the age grows to this at most."""


class FlashBudget:
    """A bucket that holds an hour's share of the budget and runs out at the budget's rate.

    While it is less than half full readings wait ``max_age_s`` as configured; from there the wait grows with the
    level, to 60 s when it is full. Writes then settle where they cost what the budget allows, without jumps.
    """

    def __init__(self, *, budget_mb_day: int, max_age_s: float, now_ms: int) -> None:
        self._rate_s = budget_mb_day * 1_000_000 / _DAY_S
        self._max_age_s = max_age_s
        self._level = 0.0
        self._leaked_ms = now_ms
        self._hour = 0.0
        self._started_ms = now_ms

    def wrote(self, count_bytes: int, now_ms: int) -> None:
        """Count what one commit wrote."""
        self._run_out(now_ms)
        self._level += count_bytes
        self._hour += count_bytes

    def age_s(self, now_ms: int) -> float:
        """Tell how old the oldest reading may get now."""
        self._run_out(now_ms)
        most = self._rate_s * _HOUR_S
        over = max(0.0, min(1.0, self._level / most * 2 - 1)) if most else 1.0
        return max(self._max_age_s, self._max_age_s + (LONGEST_AGE_S - self._max_age_s) * over)

    def bytes_day(self, now_ms: int) -> int:
        """Project what is written now to a day (exponential average over an hour, over the run if it is shorter)."""
        self._run_out(now_ms)
        span_s = min(_HOUR_S, max(60.0, (now_ms - self._started_ms) / 1000))
        return int(self._hour / span_s * _DAY_S)

    def _run_out(self, now_ms: int) -> None:
        passed_s = max(0, now_ms - self._leaked_ms) / 1000
        self._leaked_ms = max(now_ms, self._leaked_ms)
        self._level = max(0.0, self._level - passed_s * self._rate_s)
        if (now_ms - self._started_ms) / 1000 > _HOUR_S:
            self._hour *= math.exp(-passed_s / _HOUR_S)


def thread_written_bytes(path: Path = Path("/proc/thread-self/io")) -> int | None:
    """Give what the calling thread has caused to be written to block devices; None where the kernel does not say.

    The kernel counts pages of 4 KiB when they become dirty, so that this is what the device sees but for its own
    rewriting. On a RAM disk it stays 0.
    """
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "write_bytes":
                return int(value)
    except OSError:
        return None
    return None
