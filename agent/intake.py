"""What comes in and waits for its block: readings in the dictionary's terms, and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from agent.block.record import Columns, Event
from agent.block.seal import Writer
from agent.config import SiteDevice
from agent.gathering import Gathering
from agent.seal_rules import Waiting
from agent.sealing import cut
from agent.site_dictionary import SiteDictionary
from agent.stored import Pressure
from agent.thinning import Thinning
from drivers.batch import Batch

_NS_IN_MS: Final = 1_000_000


class Intake:
    """The waiting room of one gateway.

    Attributes:
        pressure: what is shed on the way in.
        settled: readings that need no more room: shed, or of a device that the site no longer has.
    """

    def __init__(
        self, writer: Writer, first_events: Iterable[Event], random: Callable[[int], bytes], now_ms: int
    ) -> None:
        self._dictionary = SiteDictionary(writer, random)
        self._thinning = Thinning(now_ms)
        self._gathering = Gathering()
        self._events = list(first_events)
        self._events_ms: int | None = None
        self._urgent = False
        self.pressure = Pressure.NONE
        self.settled = 0

    @property
    def shed(self) -> int:
        """Readings given up before sealing, in this run."""
        return self._thinning.readings

    def register(self, devices: Sequence[SiteDevice], now_ms: int) -> tuple[tuple[int, ...], ...]:
        """Take these as the site's devices; what is new is told in the next block.

        Returns:
            Of each device, the dictionary index of each of its profile's points.
        """
        self._events += self._dictionary.register(devices, now_ms)
        return self._dictionary.indexes

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
        self._gathering.take(batch.mono_ns // _NS_IN_MS, placed.points, batch.values, batch.statuses)
        self._urgent = self._urgent or batch.urgent

    def note(self, event: Event, now_ms: int) -> None:
        """Take in an event that was checked; it is sealed no later than a reading of the same time would be."""
        self._events.append(event)
        if self._events_ms is None:
            self._events_ms = min(event.mono_ms, now_ms)

    def waiting(self) -> Waiting:
        """Tell what waits to be sealed."""
        times = [ms for ms in (self._gathering.oldest_mono_ms, self._events_ms) if ms is not None]
        return Waiting(readings=len(self._gathering), oldest_ms=min(times, default=None), urgent=self._urgent)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._gathering and not self._events

    def events(self, now_ms: int, *, flush: bool) -> tuple[Event, ...]:
        """Take out every event that waits, in the order they came, and then what was shed."""
        shed = self._thinning.events(now_ms, at_once=flush or not self.pressure)
        events = (*self._events, *shed)
        self._events.clear()
        self._events_ms = None
        return events

    def columns(self, max_readings: int, *, flush: bool) -> tuple[Columns, ...]:
        """Take out readings in blocks of ``max_readings``; a smaller one too unless full ones are what is due."""
        full = len(self._gathering) >= max_readings
        self._urgent, urgent = False, self._urgent
        return tuple(cut(self._gathering, max_readings, rest=flush or urgent or not full))
