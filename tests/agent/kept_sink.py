"""Storage's place in tests of polling and listening: keeps what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.block.record import Event
from drivers.batch import Batch


@dataclass(kw_only=True)
class KeptSink:
    """A ``Sink`` of ``agent.polling.recording``.

    Attributes:
        before: counts before this start by device, none for one that is not here; None while they are not known.
        full: takes no batch.
        points: indexes that each device has.
    """

    batches: list[Batch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    identities: list[tuple[int, str]] = field(default_factory=list)
    before: Mapping[int, Mapping[int, int]] | None = field(default_factory=dict)
    full: bool = False
    points: int = 100

    def offer(self, batch: Batch) -> bool:
        if not self.full:
            self.batches.append(batch)
        return not self.full

    def note(self, event: Event) -> None:
        self.events.append(event)

    def point_index(self, device: int, point: int) -> int | None:
        return device * self.points + point

    def identify(self, device: int, identity: str) -> None:
        self.identities.append((device, identity))

    def last_counts(self, device: int) -> Mapping[int, int] | None:
        return None if self.before is None else self.before.get(device, {})
