"""From polling to the chain: batches and the events that polling gives rise to (block format, 'Events')."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from agent.block.record import Event, EventKind
from agent.polling.counters import Counts, Discontinuity
from agent.polling.missed import Missed
from drivers.batch import Batch
from drivers.clock import Clock

_SHORT_BYTES: Final = 255  # block format: short
BUS_BACK: Final = "back"
"""Code of event 15 when a bus that had a fault works again."""


class Sink(Protocol):
    """What storage offers to polling; nothing here waits."""

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch; False: the queue is full, nothing was taken."""
        ...

    def note(self, event: Event) -> None:
        """Hand over an event."""
        ...

    def point_index(self, device: int, point: int) -> int | None:
        """Give the dictionary index of a point of the site's device, None while it has none."""
        ...

    def identify(self, device: int, identity: str) -> None:
        """Say who the site's device says it is; what is offered from now on is of that one."""
        ...

    def last_counts(self, device: int) -> Mapping[int, int] | None:
        """Give where counters stood before this start, by the index of their points; None while that is not known."""
        ...


class Recorder:
    """Writes batches and events of polling into the chain through ``sink``; devices are indexes of the site."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._counts: dict[tuple[str, bytes], Counts] = {}

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch; False: not taken."""
        return self._sink.offer(batch)

    def missed(self, device: int, missed: Missed) -> None:
        """Record polls that left no reading (event 22)."""
        first = self._sink.point_index(device, missed.first_point)
        last = self._sink.point_index(device, missed.last_point)
        if first is None or last is None:
            return  # the dictionary does not know the device: there is no interval of it in the chain either
        span = (max(0, missed.from_ns // 1_000_000), max(0, missed.to_ns // 1_000_000))
        low, high = min(first, last), max(first, last)
        self._note(EventKind.MISSED_POLLS, (low, high, missed.count, *span, missed.reason.value))

    def discontinuity(self, device: int, found: Discontinuity) -> None:
        """Record that a counter did not go on (event 18), and as a field of its own what it looks like."""
        point = self._sink.point_index(device, found.point)
        if point is not None:
            self._note(EventKind.COUNTER_DISCONTINUITY, (point, found.last, found.first, found.kind.value))

    def identify(self, device: int, identity: str) -> None:
        """Record who the device says it is (dictionary; event 17 if that was another one before)."""
        self._sink.identify(device, identity)

    def last_counts(self, device: int) -> Mapping[int, int] | None:
        """See ``Sink``."""
        return self._sink.last_counts(device)

    def counts_of(self, name: str, digest: bytes) -> Counts:
        """Give what is remembered of the counters of a device by its name and profile, over new site files too."""
        return self._counts.setdefault((name, digest), Counts())

    def bus_fault(self, bus: str, code: str, sentence: str) -> None:
        """Record that a bus went down, or with ``BUS_BACK`` that it works again (event 15)."""
        self._note(EventKind.BUS_FAULT, (_short(bus), _short(code), _short(sentence)))

    def _note(self, kind: EventKind, fields: tuple[object, ...]) -> None:
        self._sink.note(Event(kind=kind, mono_ms=self._clock.mono_ns() // 1_000_000, fields=fields))


def _short(text: str) -> str:
    return text.encode()[:_SHORT_BYTES].decode(errors="ignore")
