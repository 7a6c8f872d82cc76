"""When a block is sealed (block format, rules for the writer, 1). Pure: milliseconds of CLOCK_BOOTTIME come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.config import BlockRules

GRID_MS: Final = 50
"""Blocks that are full or urgent are gathered on this grid: at most 20 commits a second, however much comes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits to be sealed.

    Attributes:
        readings: how many.
        oldest_ms: when the oldest reading was taken or the oldest event noted, None if nothing waits.
        urgent: one of them cannot wait.
    """

    readings: int
    oldest_ms: int | None
    urgent: bool


class SealRules:
    """Tells when the next block is due."""

    def __init__(self, rules: BlockRules, now_ms: int) -> None:
        self._rules = rules
        self._sealed_ms = now_ms
        self._opening = True

    @property
    def opening(self) -> bool:
        """Whether this run has sealed no block yet."""
        return self._opening

    def sealed(self, now_ms: int) -> None:
        """Take note of a block."""
        self._sealed_ms = now_ms
        self._opening = False

    def due_ms(self, waiting: Waiting, age_s: float) -> int:
        """Give the time at which a block is due if nothing more comes in; the past if it is due now.

        Args:
            waiting: now.
            age_s: how old the oldest reading may get, ``max_age_s`` or more.
        """
        if self._opening and waiting.readings:
            return self._sealed_ms
        due = self._sealed_ms + int(self._rules.heartbeat_s * 1000)
        if self._opening:
            due = self._sealed_ms + int(self._rules.max_age_s * 1000)
        if waiting.oldest_ms is not None:
            due = min(due, waiting.oldest_ms + int(age_s * 1000))
        if waiting.urgent or waiting.readings >= self._rules.max_readings:
            due = min(due, self._sealed_ms + GRID_MS)
        return due
