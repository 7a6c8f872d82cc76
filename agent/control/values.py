"""Readings as a person is shown them, of a batch that was just read."""

from __future__ import annotations

from collections.abc import Container, Sequence

from agent.control.protocol import PointValue
from drivers.batch import Batch, Value
from drivers.profile import Point
from drivers.reading import exact
from drivers.sanitize import sanitize


def values_of(points: Sequence[Point], batch: Batch, wanted: Container[int] | None = None) -> dict[int, PointValue]:
    """Give each row of ``batch`` by the index of its point; with ``wanted`` those of them alone."""
    return {
        index: value_at(points, batch, row)
        for row, index in enumerate(batch.points)
        if wanted is None or index in wanted
    }


def value_at(points: Sequence[Point], batch: Batch, row: int) -> PointValue:
    """Give one row with the time that the device names for it."""
    point = points[batch.points[row]]
    time = next((one for one in batch.device_times if one.row == row), None)
    return PointValue(
        quantity=point.name,
        value=_shown(point, batch.values[row]),
        unit=point.unit,
        status=batch.statuses[row],
        device_utc_ms=None if time is None else time.utc_ms,
        device_flags=0 if time is None else int(time.flags),
    )


def no_value(point: Point, status: int) -> PointValue:
    """Give a point of which nothing is known, and why."""
    return PointValue(quantity=point.name, value=None, unit=point.unit, status=status)


def _shown(point: Point, value: Value) -> str | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return format(exact(value, point.exponent), "f")
    return value.hex() if isinstance(value, bytes) else sanitize(value)
