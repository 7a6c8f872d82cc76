"""From a chained block to rows of the database. Pure; loops run over columns, never over single readings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final, TypeAlias

from agent.block.readings import Anchor, own_anchor
from agent.block.record import Block, Columns, Event, EventKind, Value

ROW_BITS: Final = 12
ROWS_PER_BLOCK: Final = 1 << ROW_BITS
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_PLAIN: Final = frozenset({int, type(None), str, bytes})
_NESTED: Final = frozenset({EventKind.DICTIONARY, EventKind.EPOCH_OPEN, EventKind.IDENTITY_CHANGE})

ReadingRow: TypeAlias = tuple[int, int, int, Value, int | None]
"""id, point, offset_ms, value, status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTime:
    """How UTC is told to the readings of a block (block format, 'Time').

    Attributes:
        utc_ms: UTC at the block's own clock sample, None if nothing in the block tells it.
        error_ms: bound of the error at the moment where UTC was told.
        lag_ms: from that moment to the clock sample.
    """

    utc_ms: int | None = None
    error_ms: int = 0
    lag_ms: int = 0


def time_of(block: Block) -> BlockTime:
    """What the block itself tells: its clock, else its event 2."""
    return _relative(own_anchor(block), block.clock.mono_ms)


def _relative(anchor: Anchor | None, mono_ms: int) -> BlockTime:
    if anchor is None:
        return BlockTime()
    lag_ms = mono_ms - anchor.mono_ms
    return BlockTime(utc_ms=fit(anchor.utc_ms + lag_ms), error_ms=anchor.error_ms, lag_ms=lag_ms)


def fit(value: int) -> int:
    """Hold a sum of signed figures within what a column takes; only a gateway that signs nonsense gets there."""
    return max(INT64_MIN, min(INT64_MAX, value))


def reading_rows(block_id: int, columns: Columns, mono_ms: int, point_ids: Sequence[int]) -> Iterator[ReadingRow]:
    """Rows of ``reading``.

    Args:
        block_id: row of ``block``.
        columns: of that block.
        mono_ms: of its clock sample.
        point_ids: rows of ``point`` by dictionary index.
    """
    count = len(columns.points)
    base = block_id << ROW_BITS
    statuses: Iterator[int | None] = repeat(None)
    if columns.statuses:
        filled: list[int | None] = [None] * count
        for row, status in columns.statuses:
            filled[row] = status
        statuses = iter(filled)
    return zip(
        range(base, base + count),
        map(point_ids.__getitem__, columns.points),
        [at - mono_ms for at in columns.mono_ms],
        _stored(columns.values),
        statuses,
        strict=False,  # one of them may be endless
    )


def _stored(values: Sequence[Value]) -> Sequence[Value]:
    """SQLite has no bool and would make it 0 or 1, which a state may be too."""
    if _PLAIN.issuperset(map(type, values)):
        return values
    return [("true" if value else "false") if type(value) is bool else value for value in values]


def flat(rows: Sequence[Iterator[ReadingRow]]) -> list[object]:
    """All values of all rows, one behind the other, for statements that insert many rows at once."""
    return list(chain.from_iterable(chain.from_iterable(rows)))


def event_rows(block_id: int, events: Sequence[Event]) -> list[tuple[object, ...]]:
    """Rows of ``event``; what has tables of its own or is a signed message stays in the block."""
    return [
        (block_id, row, event.kind, event.mono_ms, None if event.kind in _NESTED else _json(event.fields))
        for row, event in enumerate(events)
    ]


def _json(fields: Sequence[object]) -> str:
    return json.dumps(fields, default=lambda value: value.hex() if isinstance(value, bytes) else str(value))


def sparse_rows(block_id: int, columns: Columns) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Rows of ``reading_raw`` and of ``reading_device_time``."""
    base = block_id << ROW_BITS
    raws: list[tuple[object, ...]] = [(base + row, raw) for row, raw in columns.raws]
    times: list[tuple[object, ...]] = [
        (base + row, _any(device_ms), _any(sequence), flags)
        for row, device_ms, sequence, flags in columns.device_times
    ]
    return raws, times


def _any(value: int | None) -> int | str | None:
    return value if value is None or INT64_MIN <= value <= INT64_MAX else str(value)
