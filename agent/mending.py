"""Readings that no block may hold: a fault of the program costs those readings, never the storage of all others."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent.block.columns import columns_value
from agent.block.errors import ContentError
from agent.block.record import Columns, Value
from drivers.quality import Quality, is_bad

_CLEAR: Final = (Quality.BAD_INTERNAL_ERROR, Quality.BAD_OUT_OF_RANGE)


def mended(columns: Columns, kinds: bytes) -> Columns | None:
    """Replace every value that the format forbids by 'no value, internal error'; None if that does not help.

    Slow, row by row; called only after the writer refused the whole.
    """
    statuses = dict(columns.statuses)
    values: list[Value] = list(columns.values)
    for row, (point, value) in enumerate(zip(columns.points, columns.values, strict=True)):
        status = statuses.get(row, 0)
        if not _readable(columns.mono_ms[row], point, value, status, kinds):
            values[row] = None
            statuses[row] = int(_CLEAR[type(value) is int])
        elif value is None and not is_bad(status):
            statuses[row] = int(Quality.BAD_NO_DATA)
    fixed = replace(columns, values=tuple(values), statuses=tuple(sorted(statuses.items())))
    try:
        columns_value(fixed, columns.mono_ms[0], kinds)
    except ContentError:
        return None
    return fixed


def _readable(mono_ms: int, point: int, value: Value, status: int, kinds: bytes) -> bool:
    statuses = ((0, status),) if status else ()
    try:
        columns_value(
            Columns(mono_ms=(mono_ms,), points=(point,), values=(value,), statuses=statuses), mono_ms, kinds
        )
    except ContentError:
        return False
    return True
