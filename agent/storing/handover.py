"""The way from the loop to storage: hand over and go on. Bounded, without locks, waking nobody who need not wake."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.block.errors import ContentError
from agent.block.events import event_value, read_event
from agent.block.record import Event, EventKind
from agent.config import SiteDevice
from agent.storing.desk import Desk
from drivers.batch import Batch

QUEUE_READINGS: Final = 50_000
"""Readings that wait in memory at most, while the disk refuses: about 6 MB."""
TAKEN_AT_ONCE: Final = 2_500
"""Readings after which the desk may seal before it takes more in: what comes in a burst need not be held whole."""
_STORAGE_KINDS: Final = frozenset(range(1, EventKind.IDENTITY_CHANGE + 1))


@dataclass(frozen=True, slots=True)
class _Identity:
    """Who a device says it is."""

    device: int
    text: str


_Item: TypeAlias = Batch | Event | _Identity | tuple[SiteDevice, ...]


class Handover(ABC):
    """What polling hands to storage. Every public method is called in the loop and returns at once.

    Counters are written by one side each and read by the other, so that no lock is needed.
    """

    def __init__(self, queue_readings: int) -> None:
        self._desk: Desk | None = None
        self._inbox: deque[_Item] = deque()
        self._queue_readings = queue_readings
        self._offered = 0
        self._drained = 0
        self._wake_at = 0
        self._left = False
        self._points: tuple[Sequence[int], ...] = ()
        self._identities = 0
        self._learnt = 0
        self._counts: Mapping[int, int] | None = None

    @abstractmethod
    def _wake(self) -> None:
        """Let the inbox be looked at now."""

    def register(self, devices: Sequence[SiteDevice]) -> None:
        """Say what ``Batch.device`` counts, from the next batch on; the dictionary learns what is new."""
        self._inbox.append(tuple(devices))

    def offer(self, batch: Batch) -> bool:
        """Hand one exchange over; False if the queue is full (skip and count) or storage has ended."""
        count = len(batch.points)
        if self._desk is None or self._waiting() + count > self._queue_readings:
            return False
        self._offered += count
        self._inbox.append(batch)
        if batch.urgent or self._offered >= self._wake_at:
            self._wake()
        return True

    def note(self, event: Event) -> None:
        """Hand an event over, to be sealed with the next block.

        Raises:
            ValueError: events 1 to 7 are storage's own, or no verifier would read this one.
        """
        if event.kind in _STORAGE_KINDS:
            raise ValueError(f"event {event.kind} is written by storage alone")
        try:
            read_event(event_value(event))
        except ContentError as error:
            raise ValueError(str(error)) from error
        self._inbox.append(event)

    def identify(self, device: int, identity: str) -> None:
        """Say who the site's device says it is; batches offered from now on are of that one."""
        self._identities += 1
        self._inbox.append(_Identity(device, identity))

    def last_counts(self, device: int) -> Mapping[int, int] | None:
        """Give the mantissas at which the device's counters stood before this start, by the index of their points.

        None while that is not known: they are read back after the first block, and somebody may have said that this
        is another device.
        """
        if self._counts is None or self._learnt != self._identities or not 0 <= device < len(self._points):
            return None
        counts = self._counts
        return {at: counts[index] for at, index in enumerate(self._points[device]) if index in counts}

    def point_index(self, device: int, point: int) -> int | None:
        """Give the dictionary index of a point of the site's device, None while it has none."""
        if 0 <= device < len(self._points) and 0 <= point < len(self._points[device]):
            return self._points[device][point]
        return None

    def _waiting(self) -> int:
        """Readings handed over that still take memory."""
        desk = self._desk
        return 0 if desk is None else self._offered - desk.settled

    def _drain(self, desk: Desk, now_ms: int, *, flush: bool = False) -> None:
        """Give the desk what was handed over, in order; on the desk's own thread.

        Without ``flush`` little at a time, and before the first block only one exchange: a big site's first block is
        not to wait for all that comes in meanwhile. ``_left`` tells whether more waits.
        """
        inbox, self._left = self._inbox, False
        end = self._drained + TAKEN_AT_ONCE
        while inbox:
            item = inbox.popleft()
            if isinstance(item, Batch):
                self._drained += len(item.points)
                desk.intake.take(item)
                if (desk.intake.opening or self._drained >= end) and not flush:
                    self._left = bool(inbox)
                    return
            elif isinstance(item, Event):
                desk.intake.note(item, now_ms)
            elif isinstance(item, _Identity):
                self._points = desk.intake.identify(item.device, item.text, now_ms)
                self._learnt += 1
            else:
                self._points = desk.intake.register(item, now_ms)

    def _drained_until(self, more: int) -> None:
        """Wake the desk no sooner than ``more`` readings from here; what is urgent wakes it always."""
        self._wake_at = self._drained + more
