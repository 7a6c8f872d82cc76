"""The way of readings to outputs: a branch behind the pipeline that can neither stop nor slow polling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from agent.block.record import Event
from agent.config import SiteDevice
from agent.outputs.status import OutputStatus
from agent.polling.recording import Sink
from drivers.batch import Batch


class Outlet(Protocol):
    """One output, as the runtime and polling see it. Nothing here waits."""

    def prepare(self) -> None:
        """Read what was kept before a restart; waits for the disk."""
        ...

    def register(self, devices: Sequence[SiteDevice]) -> None:
        """Say what ``Batch.device`` counts from now on."""
        ...

    def take(self, batch: Batch) -> None:
        """Take readings in; at once and without fail."""
        ...

    async def run(self) -> None:
        """Tell what was taken in, until cancelled."""
        ...

    def status(self) -> OutputStatus:
        """Tell how it is."""
        ...


class Branching:
    """A ``Sink`` that gives storage everything, and each output the readings too.

    Args:
        sink: storage.
        outlets: outputs.
    """

    def __init__(self, sink: Sink, outlets: Sequence[Outlet]) -> None:
        self._sink = sink
        self._outlets = tuple(outlets)

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch; False: storage did not take it. What storage has no room for is told all the same."""
        for outlet in self._outlets:
            outlet.take(batch)
        return self._sink.offer(batch)

    def note(self, event: Event) -> None:
        """Hand over an event."""
        self._sink.note(event)

    def point_index(self, device: int, point: int) -> int | None:
        """Give the dictionary index of a point of the site's device, None while it has none."""
        return self._sink.point_index(device, point)

    def identify(self, device: int, identity: str) -> None:
        """Say who a device says it is; outputs have their own names for it."""
        self._sink.identify(device, identity)

    def last_counts(self, device: int) -> Mapping[int, int] | None:
        """See ``Sink``."""
        return self._sink.last_counts(device)
