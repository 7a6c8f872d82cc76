"""What comes in and waits for its block: readings in the dictionary's terms, and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from agent.block.record import Columns, Event
from agent.block.seal import Writer
from agent.config import SiteDevice
from agent.storing.gathering import Gathering
from agent.storing.noted import Noted
from agent.storing.seal_rules import Waiting
from agent.storing.sealing import cut
from agent.storing.site_dictionary import SiteDictionary
from agent.storing.stored import Exchanged, Pressure
from agent.storing.thinning import Thinning
from drivers.batch import Batch

_NS_IN_MS: Final = 1_000_000
_AHEAD: Final = 32
"""Devices that are told together, once the first block is on its way: two blocks hold them."""


class Intake:
    """The waiting room of one gateway.

    Attributes:
        pressure: what is shed on the way in.
        opening: nothing was taken out yet in this run.
        settled: readings that need no more room: shed, or of a device that the site no longer has.
    """

    def __init__(
        self,
        writer: Writer,
        first_events: Iterable[Event],
        random: Callable[[int], bytes],
        now_ms: int,
        mark_of: Callable[[str], int | None],
    ) -> None:
        self._dictionary = SiteDictionary(writer, random, mark_of)
        self._thinning = Thinning(now_ms)
        self._gathering = Gathering()
        self._events = list(first_events)
        self._noted = Noted()
        self._events_ms: int | None = None
        self._urgent = False
        self.opening = True
        self.pressure = Pressure.NONE
        self.settled = 0

    @property
    def shed(self) -> int:
        """Readings given up before sealing, in this run."""
        return self._thinning.readings

    def register(self, devices: Sequence[SiteDevice], now_ms: int) -> tuple[Sequence[int], ...]:
        """Take these as the site's devices; what is new is told in the next block.

        Only the very first block may leave out devices of which it has no reading: it is not to wait for them all.

        Returns:
            Of each device, the dictionary index of each of its profile's points.
        """
        self._events += self._dictionary.register(devices, now_ms)
        return self._dictionary.indexes

    def identify(self, device: int, identity: str, now_ms: int) -> tuple[Sequence[int], ...]:
        """Take in who a device says it is; returns as ``register``. What is offered from now on is of that one."""
        self._events += self._dictionary.identify(device, identity, now_ms)
        return self._dictionary.indexes

    @property
    def exchanged(self) -> tuple[Exchanged, ...]:
        """Devices that were found to be others, in this run, the last of each."""
        return self._dictionary.exchanged

    def take_marks(self) -> tuple[tuple[str, int], ...]:
        """Take out the marks that the outbox is to keep with the next block."""
        return self._dictionary.take_marks()

    def take(self, batch: Batch) -> None:
        """Take one exchange in; what is shed or unknown to the dictionary is settled at once."""
        count = len(batch.points)
        placed = self._dictionary.place(batch.device, batch.points)
        if placed is not None and self.pressure:
            kept = self._thinning.keep(batch, placed, self.pressure)
            batch, placed = kept if kept is not None else (batch, None)
        if placed is None:
            self.settled += count
            return
        self.settled += count - len(batch.points)
        mono_ms = batch.mono_ns // _NS_IN_MS
        if self._dictionary.owes:
            self._events += self._dictionary.tell(batch.device, mono_ms, 1 if self.opening else _AHEAD)
        self._gathering.take(mono_ms, placed.points, batch.values, batch.statuses, batch.raws, batch.device_times)
        self._urgent = self._urgent or batch.urgent

    def note(self, event: Event, now_ms: int) -> None:
        """Take in an event that was checked; it is sealed no later than a reading of the same time would be."""
        self._noted.add(event)
        if self._events_ms is None:
            self._events_ms = min(event.mono_ms, now_ms)

    def waiting(self) -> Waiting:
        """Tell what waits to be sealed."""
        times = [ms for ms in (self._gathering.oldest_mono_ms, self._events_ms) if ms is not None]
        urgent = self._urgent or (self._dictionary.owes and not self.opening)
        return Waiting(readings=len(self._gathering), oldest_ms=min(times, default=None), urgent=urgent)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._gathering or self._events or self._noted or self._dictionary.owes)

    def events(self, now_ms: int, *, flush: bool) -> tuple[Event, ...]:
        """Take out every event that waits, in the order they came, and then what was shed.

        The first block with readings tells only their devices; the rest, and what was noted of it, comes in the next
        ones, a few devices at a time.
        """
        shed = self._thinning.events(now_ms, at_once=flush or not self.pressure)
        if flush or (self.opening and not self._gathering):
            self._events += self._dictionary.rest(now_ms)
        elif not self.opening:
            self._events += self._dictionary.some(now_ms, _AHEAD)
        self.opening = False
        if self._dictionary.owes:
            events = tuple(self._events)
            for event in shed:
                self._noted.add(event)
            self._events_ms = now_ms
        else:
            events = (*self._events, *self._noted.take(now_ms), *shed)
            self._events_ms = None
        self._events.clear()
        return events

    def columns(self, max_readings: int, *, flush: bool) -> tuple[Columns, ...]:
        """Take out readings in blocks of ``max_readings``; a smaller one too unless full ones are what is due."""
        full = len(self._gathering) >= max_readings
        self._urgent, urgent = False, self._urgent
        return tuple(cut(self._gathering, max_readings, rest=flush or urgent or not full))
