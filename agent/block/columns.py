"""The columns of a block: absolute values on our side, differences on the wire, both ways with every check.

Loops run over whole columns; a row costs its arithmetic and little else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from operator import sub
from typing import Final

from agent.block import cbor
from agent.block.errors import ContentError
from agent.block.record import MAX_ROWS, Columns, Value
from agent.block.shape import INT64_MIN, INT_MIN, LONG_BYTES, U63_MAX, UINT_MAX, is_int, is_text

_NONE: Final = type(None)
_NUMERIC: Final = frozenset({int, _NONE})
_STATE: Final = frozenset({int, bool, str, _NONE})
_EVENT: Final = frozenset({int, bool, str, bytes, _NONE})
_TYPES_OF_KIND: Final = (_NUMERIC, _NUMERIC, _STATE, _EVENT)
_MAX_STATUS: Final = 2**32 - 1
_MAX_FLAGS: Final = 7
_SEVERITY_SHIFT: Final = 30
N, DT, POINT, VALUE, STATUS, RAW, DEVICE_TIME = range(7)
_MANDATORY: Final = (N, DT, POINT, VALUE)
_OPTIONAL: Final = frozenset({STATUS, RAW, DEVICE_TIME})


def columns_value(columns: Columns, clock_mono_ms: int, kinds: bytes) -> dict[int, object]:
    """Key 8 of a block as CBOR values.

    Args:
        columns: absolute readings.
        clock_mono_ms: of the block's clock sample.
        kinds: ``Tables.kinds`` after the block's own events.

    Raises:
        ContentError: no verifier would read these columns; reasons as ``read_columns``.
    """
    rows = len(columns.points)
    if not 1 <= rows <= MAX_ROWS or len(columns.mono_ms) != rows or len(columns.values) != rows:
        raise ContentError("column-length", f"{rows} points")
    sparse = {STATUS: columns.statuses, RAW: columns.raws, DEVICE_TIME: columns.device_times}
    sparse = {key: entries for key, entries in sparse.items() if entries}
    for key, entries in sparse.items():
        _check_sparse(key, entries, rows)
    mono = columns.mono_ms
    _check_mono(mono)
    _check_points(columns.points, kinds)
    _check_values(columns, kinds)
    return {
        N: rows,
        DT: (mono[0] - clock_mono_ms, *map(sub, mono[1:], mono)),
        POINT: columns.points,
        VALUE: _differences(columns.points, columns.values),
        **sparse,
    }


def read_columns(value: object, clock_mono_ms: int, kinds: bytes) -> Columns:
    """Key 8 of a block, from decoded CBOR.

    Raises:
        ContentError: ``columns-form``, ``column-length``, ``mono-range``, ``point-index``, ``value-type``,
            ``value-range``, ``null-without-status``, ``sparse-row``.
    """
    body = _columns_map(value)
    rows, dt, points, wire = (body[key] for key in _MANDATORY)
    if not is_int(rows, 1, MAX_ROWS):
        raise ContentError("columns-form", "n")
    for column in (dt, points, wire):
        if type(column) is not tuple or len(column) != rows:
            raise ContentError("column-length", f"n is {rows}")
    assert isinstance(dt, tuple) and isinstance(points, tuple) and isinstance(wire, tuple)  # noqa: PT018
    if not _integers_only(dt):  # accumulate would take true for 1
        raise ContentError("columns-form", "dt")
    mono = tuple(accumulate(dt, initial=clock_mono_ms))[1:]
    _check_mono(mono)
    _check_points(points, kinds)
    for key in body:
        if key in _OPTIONAL:
            _check_sparse(key, body[key], rows)
    columns = Columns(
        mono_ms=mono,
        points=points,
        values=_sums(points, wire),
        statuses=body.get(STATUS, ()),  # type: ignore[arg-type]
        raws=body.get(RAW, ()),  # type: ignore[arg-type]
        device_times=body.get(DEVICE_TIME, ()),  # type: ignore[arg-type]
    )
    _check_values(columns, kinds)
    return columns


def _columns_map(value: object) -> Mapping[int, object]:
    if not isinstance(value, cbor.Map):
        raise ContentError("columns-form", "no map")
    keys = tuple(value)
    if not all(type(key) is int for key in keys) or keys[:4] != _MANDATORY or not _OPTIONAL.issuperset(keys[4:]):
        raise ContentError("columns-form", f"keys {keys}")
    return value


def _check_mono(mono: Sequence[int]) -> None:
    if not (_integers_only(mono) and _within(mono, 0, U63_MAX)):
        raise ContentError("mono-range")


def _check_points(points: Sequence[int], kinds: bytes) -> None:
    if not (_integers_only(points) and _within(points, 0, len(kinds) - 1)):
        raise ContentError("point-index", f"{len(kinds)} points in the dictionary")


def _integers_only(column: Sequence[object]) -> bool:
    """Whether there is nothing but integers, true and false being none; counting is faster than a set of types."""
    return list(map(type, column)).count(int) == len(column)


def _within(column: Sequence[int], low: int, high: int) -> bool:
    """Whether all lie from ``low`` to ``high``; what mostly rises is sorted in a third of the time of min and max."""
    rising = sorted(column)
    return low <= rising[0] and rising[-1] <= high


def _differences(points: Sequence[int], values: Sequence[Value]) -> list[Value]:
    """Each integer less the last integer of its point; everything else as it is, changing nothing."""
    if len(set(points)) == len(points):  # many devices, each point once: nothing to take away, a fifth of the time
        return list(values)
    last: dict[int, int] = {}
    before = last.get
    wire: list[Value] = []
    append = wire.append
    for point, value in zip(points, values, strict=True):
        if type(value) is int:
            append(value - before(point, 0))
            last[point] = value
        else:
            append(value)
    return wire


def _sums(points: Sequence[int], wire: Sequence[object]) -> tuple[Value, ...]:
    """The inverse of ``_differences``; types are checked afterwards, on the result."""
    last: dict[int, int] = {}
    before = last.get
    values: list[Value] = []
    append = values.append
    for point, step in zip(points, wire, strict=True):
        if type(step) is int:
            last[point] = value = step + before(point, 0)
            append(value)
        else:
            append(step)  # type: ignore[arg-type]
    return tuple(values)


def _check_values(columns: Columns, kinds: bytes) -> None:
    values = columns.values
    plain = _integers_only(values)
    integers = values if plain else [value for value in values if type(value) is int]
    if integers and (min(integers) < INT64_MIN or max(integers) > U63_MAX):  # type: ignore[type-var,operator]
        raise ContentError("value-range")
    if plain:
        return
    bad = {row for row, status in columns.statuses if status >> _SEVERITY_SHIFT}
    for row, (point, value) in enumerate(zip(columns.points, values, strict=True)):
        kind = kinds[point]
        if kind >= len(_TYPES_OF_KIND) or type(value) not in _TYPES_OF_KIND[kind]:
            raise ContentError("value-type", f"row {row}")
        if value is None and row not in bad:
            raise ContentError("null-without-status", f"row {row}")
        if isinstance(value, str) and not is_text(value, LONG_BYTES):
            raise ContentError("value-type", f"row {row}: text too long")
        if isinstance(value, bytes) and len(value) > LONG_BYTES:
            raise ContentError("value-type", f"row {row}: bytes too long")


def _check_sparse(key: int, entries: object, rows: int) -> None:
    """A column of rows that differ from the plain ones: ascending, below n, each of its form."""
    if type(entries) is not tuple or not 1 <= len(entries) <= MAX_ROWS:
        raise ContentError("sparse-row", f"key {key}: no array of rows")
    fits = _ROW_FORMS[key]
    before = -1
    for entry in entries:
        if type(entry) is not tuple or not fits(*entry[1:]):
            raise ContentError("sparse-row", f"key {key}: form of a row")
        if not is_int(entry[0], before + 1, rows - 1):
            raise ContentError("sparse-row", f"key {key}: rows ascend and are below n")
        before = entry[0]


def _is_status(*fields: object) -> bool:
    return len(fields) == 1 and is_int(fields[0], 1, _MAX_STATUS)


def _is_raw(*fields: object) -> bool:
    return len(fields) == 1 and type(fields[0]) is bytes and 1 <= len(fields[0]) <= LONG_BYTES


def _is_device_time(*fields: object) -> bool:
    if len(fields) != 3:
        return False
    time_ms, sequence, flags = fields
    time_fits = time_ms is None or is_int(time_ms, INT_MIN, UINT_MAX)
    return time_fits and (sequence is None or is_int(sequence, 0, UINT_MAX)) and is_int(flags, 0, _MAX_FLAGS)


_ROW_FORMS: Final[Mapping[int, Callable[..., bool]]] = {
    STATUS: _is_status,
    RAW: _is_raw,
    DEVICE_TIME: _is_device_time,
}
