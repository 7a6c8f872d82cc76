"""Notices that UTC was set: the first time it can be trusted, and every step after that."""

from __future__ import annotations

from typing import Final

from agent.block import events
from agent.block.record import ClockQuality, ClockSample, Event

STEP_MS: Final = 100


class ClockWatch:
    """Compares each sample with the one before."""

    def __init__(self, first: ClockSample) -> None:
        self._before = first

    def events(self, sample: ClockSample) -> tuple[Event, ...]:
        """Give event 2 if UTC was set since the last sample: it became known, became synchronised, or stepped."""
        before, self._before = self._before, sample
        if sample.utc_ms is None:
            return ()
        known = before.utc_ms is not None
        synchronised = before.quality < ClockQuality.NTP <= sample.quality
        if known and not synchronised and abs(_offset(sample) - _offset(before)) <= STEP_MS:
            return ()
        return (
            events.clock_set(
                sample.mono_ms, utc_ms=sample.utc_ms, quality=int(sample.quality), max_error_ms=sample.max_error_ms
            ),
        )


def _offset(sample: ClockSample) -> int:
    return (sample.utc_ms or 0) - sample.mono_ms
