"""Data of a read reply -> columns: the conversions of one block, compiled when the profile is loaded.

A block costs one ``struct`` call on the polling path; points whose raw number is the mantissa cost nothing more. What
the device marks as no value, and what is implausible, comes out as None with its status.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter, le
from typing import Any, Final, Protocol, TypeAlias

from drivers.batch import Value
from drivers.profile import NumberType, Point
from drivers.protocols.modbus_numbers import (
    Convert,
    bounds_of,
    codes_of,
    convert_of,
    reason_of,
    reorder_of,
    rescaled,
)
from drivers.quality import Quality

Columns: TypeAlias = tuple[tuple[Value, ...], tuple[int, ...]]
"""Values and OPC UA statuses, one of each for each point."""

CODES: Final = {
    NumberType.BIT: "H",
    NumberType.U8: "H",
    NumberType.I8: "H",
    NumberType.BCD16: "H",
    NumberType.BCD32: "I",
    NumberType.BCD64: "Q",
    NumberType.U16: "H",
    NumberType.I16: "h",
    NumberType.U32: "I",
    NumberType.I32: "i",
    NumberType.U64: "Q",
    NumberType.I64: "q",
    NumberType.F32: "f",
    NumberType.F64: "d",
}


class Conversion(Protocol):
    """What one block of a device model means."""

    def columns(self, data: bytes) -> Columns:
        """Convert the data of a reply, exactly as long as the block asks for."""
        ...


def compile_block(points: Sequence[Point], first: int, count: int) -> Conversion:
    """Compile the conversion of ``points``, which lie in ``count`` addresses of one table from ``first`` on."""
    if points[0].location.table.is_bits:
        return _Bits(points, first)
    return _Registers(points, first, count)


class _Bits:
    """Coils or discrete inputs: the first one is the lowest bit of the first byte (V1.1b3, 6.1)."""

    __slots__ = ("_good", "_masks")

    def __init__(self, points: Sequence[Point], first: int) -> None:
        self._masks = tuple(1 << p.location.address - first for p in points)
        self._good = (0,) * len(points)

    def columns(self, data: bytes) -> Columns:
        packed = int.from_bytes(data, "little")
        return tuple([packed & mask != 0 for mask in self._masks]), self._good


class _Registers:
    """Registers, high byte first (V1.1b3, 4.2)."""

    __slots__ = (
        "_codes", "_good", "_guarded", "_highs", "_lows", "_pick", "_points", "_rescaled", "_restore", "_special",
        "_unpack",
    )  # fmt: skip

    def __init__(self, points: Sequence[Point], first: int, count: int) -> None:
        self._points = tuple(points)
        self._good = (0,) * len(points)
        places = [(p.location.address - first, _code(p)) for p in points]
        ordered = sorted(set(places))
        self._unpack = struct.Struct(_layout(ordered, count)).unpack
        self._pick: Callable[[Any], tuple[Any, ...]] | None = None
        if places != ordered:
            index = {place: i for i, place in enumerate(ordered)}
            self._pick = _picker([index[place] for place in places])
        self._restore = {i: r for i, p in enumerate(points) if (r := _restore(p)) is not None}
        self._rescaled = tuple(
            (i, 2 * (p.location.scale_address - first), rescaled(p))
            for i, p in enumerate(points)
            if p.location.scale_address is not None
        )
        moving = {i for i, _, _ in self._rescaled}
        plain = {i for i, p in enumerate(points) if convert_of(p) is None and i not in self._restore} - moving
        self._guarded = tuple((i, codes) for i, p in enumerate(points) if i in plain and (codes := codes_of(p)))
        self._codes = frozenset(raw for _, codes in self._guarded for raw in codes)
        self._special = tuple(
            (i, _special(p, self._restore.get(i))) for i, p in enumerate(points) if i not in plain | moving
        )
        bounds = [bounds_of(p) for p in points]
        self._lows, self._highs = tuple(low for low, _ in bounds), tuple(high for _, high in bounds)

    def columns(self, data: bytes) -> Columns:
        raw = self._unpack(data)
        if self._pick is not None:
            raw = self._pick(raw)
        values: list[Value] | tuple[Any, ...] = raw
        bad: dict[int, int] = {}
        if self._special:
            values = list(raw)
            for i, convert in self._special:
                values[i] = value = convert(raw[i])
                if value is None:
                    bad[i] = self._reason(i, raw[i])
        if self._rescaled:
            values = list(values)
            bad |= self._rescale(values, raw, data)
        if not self._codes.isdisjoint(raw):
            bad |= {i: codes[raw[i]] for i, codes in self._guarded if raw[i] in codes}
        # For a block without findings both tests run without a line of Python for each point.
        if not bad and all(map(le, self._lows, values)) and all(map(le, values, self._highs)):
            return tuple(values), self._good
        return self._with_findings(values, bad)

    def _with_findings(self, values: Sequence[Value], bad: dict[int, int]) -> Columns:
        for i, value in enumerate(values):
            if i not in bad and isinstance(value, int) and not self._lows[i] <= value <= self._highs[i]:
                bad[i] = int(Quality.BAD_OUT_OF_RANGE)
        kept = tuple(None if i in bad else value for i, value in enumerate(values))
        return kept, tuple(bad.get(i, 0) for i in range(len(kept)))

    def _rescale(self, values: list[Value], raw: Sequence[Any], data: bytes) -> dict[int, int]:
        """Replace the values whose power of ten came with them; give the statuses of those that have none."""
        bad: dict[int, int] = {}
        for i, place, convert in self._rescaled:
            restore = self._restore.get(i)
            power = int.from_bytes(data[place : place + 2], "big", signed=True)
            values[i], status = convert(restore(raw[i]) if restore else raw[i], power)
            if status:
                bad[i] = status
        return bad

    def _reason(self, i: int, raw: Any) -> int:  # noqa: ANN401 - number or bytes, as struct gave it
        restore = self._restore.get(i)
        return int(reason_of(self._points[i], restore(raw) if restore else raw))


def _code(point: Point) -> str:
    """Give the ``struct`` code of a point; bytes where the device's order is none that ``struct`` knows."""
    at = point.location
    if at.type.is_words or reorder_of(at.count, at.words) is not None:
        return f"{2 * at.count}s"
    return CODES[at.type]


def _layout(ordered: Sequence[tuple[int, str]], count: int) -> str:
    """Write the ``struct`` format of a block: the places of ``ordered``, holes skipped."""
    layout, position = [">"], 0
    for offset, code in ordered:
        if offset < position:
            raise ValueError(f"points share register {offset} of their block")  # the loader refuses such profiles
        layout.append(f"{2 * (offset - position)}x{code}")
        position = offset + struct.calcsize(f">{code}") // 2
    layout.append(f"{2 * (count - position)}x")
    return "".join(layout)


def _picker(indexes: Sequence[int]) -> Callable[[Any], tuple[Any, ...]]:
    if len(indexes) == 1:  # itemgetter of one index gives no tuple
        only = indexes[0]
        return lambda raw: (raw[only],)
    return itemgetter(*indexes)


def _restore(point: Point) -> Callable[[bytes], Any] | None:
    """Give what turns bytes in the device's own order into a number or a text's bytes; None where they are it."""
    at = point.location
    reorder = reorder_of(at.count, at.words)
    if reorder is None or at.type.is_words:
        return reorder
    unpack = struct.Struct(f">{CODES[at.type]}").unpack

    def restore(data: bytes) -> int | float:
        value: int | float = unpack(reorder(data))[0]
        return value

    return restore


def _special(point: Point, restore: Callable[[bytes], Any] | None) -> Convert:
    convert = convert_of(point)
    if restore is None:
        assert convert is not None  # else the point were plain
        return convert
    nothing = frozenset(codes_of(point))
    if convert is None:

        def bare(data: bytes) -> Value:
            raw = restore(data)
            return None if raw in nothing else int(raw)

        return bare
    after = convert
    return lambda data: after(restore(data))
