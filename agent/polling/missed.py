"""Polls that were due and left no record: counted per device, told in one event 22 (block format, 'Events')."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Final

REPORT_EVERY_NS: Final = 60_000_000_000  # at most one event a minute and device, so that a dead one costs no flash


class MissReason(Enum):
    """Why a due poll left no record; the value is the reason as it stands in event 22."""

    NO_REPLY = "no-reply"
    BAD_FRAME = "bad-frame"
    REFUSED = "refused"
    LATE = "late"
    LINK_DOWN = "link-down"
    LEASED = "leased"
    SHED = "shed"
    QUEUE_FULL = "queue-full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A summary of missed polls of one device.

    Attributes:
        device: position of the device on its bus.
        first_point: lowest index of a profile point that a missed poll would have read.
        last_point: highest one.
        count: polls (exchanges, not readings).
        from_ns: CLOCK_BOOTTIME at which the first one was due.
        to_ns: and the last one.
        reason: the most frequent one.
    """

    device: int
    first_point: int
    last_point: int
    count: int
    from_ns: int
    to_ns: int
    reason: MissReason


class MissLedger:
    """Collects the missed polls of one device until they are reported."""

    def __init__(self, device: int) -> None:
        self._device = device
        self._reasons: Counter[MissReason] = Counter()
        self._points = (0, 0)
        self._span_ns = (0, 0)
        self._reported_ns: int | None = None
        self.total = 0

    def add(self, points: tuple[int, ...], count: int, from_ns: int, to_ns: int, reason: MissReason) -> None:
        """Note ``count`` polls of ``points`` (ascending, not empty), the first due at ``from_ns``."""
        first, last = points[0], points[-1]
        if self._reasons:
            first, last = min(first, self._points[0]), max(last, self._points[1])
            from_ns, to_ns = min(from_ns, self._span_ns[0]), max(to_ns, self._span_ns[1])
        self._points, self._span_ns = (first, last), (from_ns, to_ns)
        self._reasons[reason] += count
        self.total += count

    def take(self, now_ns: int, *, at_once: bool) -> Missed | None:
        """Give what is to be told now, and start anew; None when nothing was missed or the minute is not over."""
        if not self._reasons:
            return None
        if not at_once and self._reported_ns is not None and now_ns - self._reported_ns < REPORT_EVERY_NS:
            return None
        missed = Missed(
            device=self._device,
            first_point=self._points[0],
            last_point=self._points[1],
            count=self._reasons.total(),
            from_ns=self._span_ns[0],
            to_ns=self._span_ns[1],
            reason=self._reasons.most_common(1)[0][0],
        )
        self._reasons.clear()
        self._reported_ns = now_ns
        return missed
