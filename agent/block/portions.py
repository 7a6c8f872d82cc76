"""Cutting what has to be sealed into blocks that stay within the writer's bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.block import cbor
from agent.block.events import event_value
from agent.block.record import MAX_EVENTS, MAX_ROWS, MAX_SEAL_BYTES, Columns, Event

_OVERHEAD_BYTES: Final = 2048
"""Header, signature, delegation, eight receipts: at most about 700 bytes."""
_ROOM_BYTES: Final = MAX_SEAL_BYTES - _OVERHEAD_BYTES
_ROOM_EVENTS: Final = MAX_EVENTS - 2
"""Room is left for the events that open an epoch."""
_ROW_BYTES: Final = 27
_STATUS_BYTES: Final = 15
_RAW_BYTES: Final = 13
_DEVICE_TIME_BYTES: Final = 29
_LONG_VALUE_BYTES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What goes into one block."""

    events: tuple[Event, ...]
    columns: Columns | None


def fits(columns: Columns | None, events: Sequence[Event]) -> bool:
    """Whether one block can surely hold this."""
    if len(events) > _ROOM_EVENTS or (columns is not None and len(columns.points) > MAX_ROWS):
        return False
    used = sum(map(_event_bytes, events))
    if columns is not None:
        used += sum(_row_bytes(columns))
    return used <= _ROOM_BYTES


def split(columns: Columns | None, events: Sequence[Event]) -> tuple[Portion, ...]:
    """Cut into as few blocks as surely hold it: events first, in order, so that readings find their dictionary.

    Sizes are upper bounds, not exact. Nothing gives one empty portion, the heartbeat.
    """
    if fits(columns, events):
        return (Portion(events=tuple(events), columns=columns),)
    portions: list[Portion] = []
    batch: list[Event] = []
    used = 0
    for event in events:
        size = _event_bytes(event)
        if batch and (used + size > _ROOM_BYTES or len(batch) == _ROOM_EVENTS):
            portions.append(Portion(events=tuple(batch), columns=None))
            batch, used = [], 0
        batch.append(event)
        used += size
    for start, stop in _row_ranges(columns, used):
        part = _slice(columns, start, stop) if columns is not None and stop > start else None
        portions.append(Portion(events=tuple(batch), columns=part))
        batch = []
    if batch:
        portions.append(Portion(events=tuple(batch), columns=None))
    return tuple(portion for portion in portions if portion.events or portion.columns is not None)


def _row_ranges(columns: Columns | None, used: int) -> Iterator[tuple[int, int]]:
    """Row ranges for consecutive blocks, the first of which is already filled with ``used`` bytes."""
    if columns is None:
        return
    start = 0
    for row, size in enumerate(_row_bytes(columns)):
        if used + size > _ROOM_BYTES or row - start == MAX_ROWS:
            yield start, row
            start, used = row, 0
        used += size
    yield start, len(columns.points)


def _event_bytes(event: Event) -> int:
    return len(cbor.encode(event_value(event)))


def _row_bytes(columns: Columns) -> list[int]:
    """An upper bound of what each row takes."""
    sizes = [_ROW_BYTES] * len(columns.points)
    for row, value in enumerate(columns.values):
        if isinstance(value, str):
            sizes[row] += _LONG_VALUE_BYTES + 4 * len(value)
        elif isinstance(value, bytes):
            sizes[row] += _LONG_VALUE_BYTES + len(value)
    for row, _ in columns.statuses:
        sizes[row] += _STATUS_BYTES
    for row, raw in columns.raws:
        sizes[row] += _RAW_BYTES + len(raw)
    for row, *_rest in columns.device_times:
        sizes[row] += _DEVICE_TIME_BYTES
    return sizes


def _slice(columns: Columns, start: int, stop: int) -> Columns:
    return Columns(
        mono_ms=columns.mono_ms[start:stop],
        points=columns.points[start:stop],
        values=columns.values[start:stop],
        statuses=tuple((row - start, status) for row, status in columns.statuses if start <= row < stop),
        raws=tuple((row - start, raw) for row, raw in columns.raws if start <= row < stop),
        device_times=tuple(
            (row - start, at, seq, flags) for row, at, seq, flags in columns.device_times if start <= row < stop
        ),
    )
