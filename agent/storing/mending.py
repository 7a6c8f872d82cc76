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

    Bytes and times of a device that no block may hold are left out; the reading beside them stays. Slow, row by row;
    called only after the writer refused the whole.
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
    fixed = replace(
        columns,
        values=tuple(values),
        statuses=tuple(sorted(statuses.items())),
        raws=tuple(entry for entry in columns.raws if _beside_nothing(raws=((0, entry[1]),))),
        device_times=tuple(at for at in columns.device_times if _beside_nothing(times=((0, *at[1:]),))),
    )
    try:
        columns_value(fixed, columns.mono_ms[0], kinds)
    except ContentError:
        return None
    return fixed


def _readable(mono_ms: int, point: int, value: Value, status: int, kinds: bytes) -> bool:
    statuses = ((0, status),) if status else ()
    return _holds(Columns(mono_ms=(mono_ms,), points=(point,), values=(value,), statuses=statuses), kinds)


def _beside_nothing(
    raws: tuple[tuple[int, bytes], ...] = (), times: tuple[tuple[int, int | None, int | None, int], ...] = ()
) -> bool:
    """Whether a block may hold these beside a reading without a value, the only one."""
    return _holds(
        Columns(
            mono_ms=(0,),
            points=(0,),
            values=(None,),
            statuses=((0, int(Quality.BAD_NO_DATA)),),
            raws=raws,
            device_times=times,
        ),
        bytes(1),
    )


def _holds(columns: Columns, kinds: bytes) -> bool:
    try:
        columns_value(columns, columns.mono_ms[0], kinds)
    except ContentError:
        return False
    return True
