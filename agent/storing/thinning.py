"""Readings given up before they are sealed, because the outbox runs full: which ones, and the record of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.block.record import Event, EventKind
from agent.storing.site_dictionary import Placed
from agent.storing.stored import Pressure
from drivers.batch import Batch

SHED: Final = "shed"
"""Reason in event 22 (block format, 'Events')."""
_ONE_OF: Final = 4
_REPORT_EVERY_MS: Final = 60_000
_MOST_EVENTS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shed:
    first_point: int
    last_point: int
    count: int
    from_ms: int
    to_ms: int


class Thinning:
    """Sheds telemetry at each level of pressure; billing and alarm points are never shed here."""

    def __init__(self, now_ms: int) -> None:
        self._visits: dict[tuple[int, tuple[int, ...]], int] = {}
        self._shed: dict[int, _Shed] = {}
        self._reported_ms = now_ms - _REPORT_EVERY_MS
        self.readings = 0

    def keep(self, batch: Batch, placed: Placed, level: Pressure) -> tuple[Batch, Placed] | None:
        """Give what of ``batch`` is to be sealed at this level; None if nothing is."""
        if not placed.telemetry:
            return batch, placed
        key = (batch.device, batch.points)
        visit = self._visits.get(key, 0)
        self._visits[key] = visit + 1
        if level is Pressure.NONE or (level is Pressure.THIN and visit % _ONE_OF == 0):
            return batch, placed
        self._note(batch, placed)
        shed = frozenset(placed.telemetry)
        rows = [row for row in range(len(batch.points)) if row not in shed]
        if not rows:
            return None
        place = {row: position for position, row in enumerate(rows)}
        kept = replace(
            batch,
            points=tuple(batch.points[row] for row in rows),
            values=tuple(batch.values[row] for row in rows),
            statuses=tuple(batch.statuses[row] for row in rows),
            raws=tuple((place[row], raw) for row, raw in batch.raws if row in place),
            device_times=tuple(replace(at, row=place[at.row]) for at in batch.device_times if at.row in place),
        )
        return kept, Placed(points=tuple(placed.points[row] for row in rows), telemetry=())

    def events(self, now_ms: int, *, at_once: bool) -> Iterator[Event]:
        """Give the events 22 to seal now: one a device, of all that was shed since the last time; then start anew.

        Unless ``at_once`` (the pressure is over, or the agent stops) there are none for a minute after the last ones.
        """
        if not at_once and now_ms - self._reported_ms < _REPORT_EVERY_MS:
            return
        shed = list(self._shed.values())
        self._shed.clear()
        if shed:
            self._reported_ms = now_ms
        if len(shed) > _MOST_EVENTS:
            shed = [_merged(shed)]
        for one in shed:
            fields = (one.first_point, one.last_point, one.count, one.from_ms, one.to_ms, SHED)
            yield Event(kind=EventKind.MISSED_POLLS, mono_ms=now_ms, fields=fields)

    def _note(self, batch: Batch, placed: Placed) -> None:
        points = [placed.points[row] for row in placed.telemetry]
        mono_ms = batch.mono_ns // 1_000_000
        one = _Shed(first_point=min(points), last_point=max(points), count=1, from_ms=mono_ms, to_ms=mono_ms)
        before = self._shed.get(batch.device)
        self._shed[batch.device] = one if before is None else _merged([before, one])
        self.readings += len(points)


def _merged(shed: list[_Shed]) -> _Shed:
    return _Shed(
        first_point=min(one.first_point for one in shed),
        last_point=max(one.last_point for one in shed),
        count=sum(one.count for one in shed),
        from_ms=min(one.from_ms for one in shed),
        to_ms=max(one.to_ms for one in shed),
    )
