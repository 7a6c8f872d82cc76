"""What happens to a batch between the device and storage: pure, on columns, nothing for a batch without findings.

Ranges and sentinels are raw integers in the device's compiled reads and have been applied when a batch gets here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from agent.polling.counters import Counts, Discontinuity
from drivers.batch import Batch, Value
from drivers.profile import Kind, Profile
from drivers.quality import Quality

_NEVER: Final = object()


@dataclass(frozen=True, slots=True)
class Processed:
    """A batch ready for storage, and what was found in it."""

    batch: Batch
    discontinuities: tuple[Discontinuity, ...] = ()


class DeviceState:
    """What the pipeline remembers of one device between its batches: last counters and states.

    Args:
        profile: its points.
        counts: what is remembered of its counters already; taken in place.
    """

    def __init__(self, profile: Profile, counts: Counts | None = None) -> None:
        self.points = profile.points
        self._counters = frozenset(i for i, point in enumerate(profile.points) if point.kind is Kind.COUNTER)
        self._urgent = frozenset(i for i, point in enumerate(profile.points) if point.urgent)
        self._rows: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self.counts = Counts() if counts is None else counts
        self.states: dict[int, Value | object] = {}

    def rows_of(self, points: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Give the rows of counters and those of urgent points of a batch of ``points``."""
        rows = self._rows.get(points)
        if rows is None:
            counters = tuple(row for row, point in enumerate(points) if point in self._counters)
            urgent = tuple(row for row, point in enumerate(points) if point in self._urgent)
            rows = self._rows[points] = (counters, urgent)
        return rows


def process(batch: Batch, state: DeviceState) -> Processed:
    """Check one batch against what was seen before, and remember it.

    - A value that is missing without a reason gets BadNoData: a block may not hold a good nothing.
    - A counter that does not go on from its last value is a discontinuity; the reading stays as it is.
    - A changed urgent point makes the batch urgent; its first value after the start does not.
    """
    if None in batch.values:
        batch = _with_reasons(batch)
    counters, urgent = state.rows_of(batch.points)
    if urgent and _changed(batch, state, urgent) and not batch.urgent:
        batch = replace(batch, urgent=True)
    if not counters:
        return Processed(batch)
    return Processed(batch, tuple(_discontinuities(batch, state, counters)))


def lost(device: int, mono_ns: int, points: tuple[int, ...], quality: Quality) -> Batch:
    """Give the batch that says that ``points`` have no value from now on, and why."""
    count = len(points)
    return Batch(
        device=device, mono_ns=mono_ns, points=points, values=(None,) * count, statuses=(int(quality),) * count
    )


def _with_reasons(batch: Batch) -> Batch:
    pairs = zip(batch.values, batch.statuses, strict=True)
    statuses = tuple(int(Quality.BAD_NO_DATA) if value is None and not status else status for value, status in pairs)
    return batch if statuses == batch.statuses else replace(batch, statuses=statuses)


def _changed(batch: Batch, state: DeviceState, rows: tuple[int, ...]) -> bool:
    changed = False
    for row in rows:
        value, point = batch.values[row], batch.points[row]
        before = state.states.get(point, _NEVER)
        state.states[point] = value
        changed = changed or (before is not _NEVER and before != value)
    return changed


def _discontinuities(batch: Batch, state: DeviceState, rows: tuple[int, ...]) -> list[Discontinuity]:
    found = []
    points, take = state.points, state.counts.take
    for row in rows:
        value = batch.values[row]
        if isinstance(value, int):
            what = take(points, batch.points[row], value)
            if what is not None:
                found.append(what)
    return found
