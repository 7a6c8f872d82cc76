"""``context.points`` of a captured frame: a layout that travels with the bytes, checked and applied."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.profile import NumberType, WordOrder
from drivers.protocols.modbus_forms import from_bcd
from drivers.protocols.modbus_numbers import reorder_of
from drivers.protocols.modbus_values import CODES
from drivers.quantities import usual_unit
from drivers.shortest import shortest_f32, shortest_f64

_TYPES: Final = {t.value: t for t in NumberType if not t.is_words} | {
    "s16": NumberType.I16,
    "s32": NumberType.I32,
    "s64": NumberType.I64,
}
_MOST_POWER: Final = 10
_WORDS: Final = {w.value: w for w in WordOrder}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    quantity: str
    offset: int
    type: NumberType
    words: WordOrder
    scale: Decimal
    unit: str | None
    bit: int
    scale_from: int | None


def described(points: object, data: bytes, *, is_bits: bool) -> tuple[Quantity, ...]:
    """Read ``points`` (parsed JSON) from the data of a reply.

    Each one has ``quantity`` and ``register_offset`` (from the first address of the reply), and may have ``type``
    (u16), ``scale`` (1), ``word_order`` (big), ``bit`` (0), ``unit`` (the usual one of its quantity), and
    ``scale_from``, the offset of the register that holds the power of ten of a whole number.

    Raises:
        DecodeError: BAD_CONTEXT, with the point's number.
    """
    if not isinstance(points, list):
        raise DecodeError(DecodeFault.BAD_CONTEXT, "points is not an array")
    entries = [_entry(point, f"point {number}", is_bits=is_bits) for number, point in enumerate(points, 1)]
    return tuple(_quantity(entry, data, is_bits=is_bits) for entry in entries)


def _entry(point: object, where: str, *, is_bits: bool) -> _Entry:
    if not isinstance(point, Mapping):
        raise DecodeError(DecodeFault.BAD_CONTEXT, f"{where} is not an object")
    quantity, unit = point.get("quantity"), point.get("unit")
    if not isinstance(quantity, str):
        raise DecodeError(DecodeFault.BAD_CONTEXT, f"{where} has no quantity")
    kind = _TYPES.get(str(point.get("type", "bit" if is_bits else "u16")))
    words = _WORDS.get(str(point.get("word_order") or "big"))
    if kind is None or words is None:
        raise DecodeError(DecodeFault.BAD_CONTEXT, f"{where}: type or word order is not known")
    by = point.get("scale_from")
    return _Entry(
        quantity=quantity,
        offset=_count(point.get("register_offset"), 65535, f"{where}: register_offset"),
        type=kind,
        words=words,
        scale=_scale(point.get("scale"), where),
        unit=unit if isinstance(unit, str) else usual_unit(quantity),
        bit=_count(point.get("bit", 0), 15, f"{where}: bit"),
        scale_from=None if by is None else _count(by, 65535, f"{where}: scale_from"),
    )


def _count(value: object, most: int, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise DecodeError(DecodeFault.BAD_CONTEXT, f"{where} is no whole number from 0 to {most}")


def _scale(value: object, where: str) -> Decimal:
    """Read a scale as it was written: the JSON number 0.1 means one tenth, not the nearest double."""
    if value is None:
        return Decimal(1)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value):
        return Decimal(str(value))
    raise DecodeError(DecodeFault.BAD_CONTEXT, f"{where}: scale is not a number")


def _quantity(entry: _Entry, data: bytes, *, is_bits: bool) -> Quantity:
    if is_bits:
        if entry.offset >= 8 * len(data):
            raise _too_short(entry)
        bit = bool(data[entry.offset // 8] >> entry.offset % 8 & 1)
        return Quantity(quantity=entry.quantity, value=bit, unit=None)
    size = 2 * entry.type.registers
    raw = data[2 * entry.offset : 2 * entry.offset + size]
    if len(raw) < size:
        raise _too_short(entry)
    reorder = reorder_of(entry.type.registers, entry.words)
    number: int | float = struct.unpack(f">{CODES[entry.type]}", reorder(raw) if reorder else raw)[0]
    if entry.type is NumberType.BIT:
        return Quantity(quantity=entry.quantity, value=bool(int(number) >> entry.bit & 1), unit=None)
    if entry.type.is_bcd:
        digits = from_bcd(int(number))
        if digits is None:
            return Quantity(quantity=entry.quantity, value=None, unit=entry.unit)
        number = digits
    value = _scaled(number, entry)
    if value is not None and entry.scale_from is not None:
        value = _rescaled(value, entry, data)
    return Quantity(quantity=entry.quantity, value=value, unit=entry.unit)


def _scaled(number: int | float, entry: _Entry) -> Decimal | None:  # noqa: PYI041 - 64 bits fit no float
    if not entry.type.is_float:
        return Decimal(number) * entry.scale
    if not math.isfinite(number):
        return None
    mantissa, power = (shortest_f32 if entry.type is NumberType.F32 else shortest_f64)(number)
    return Decimal(mantissa).scaleb(power) * entry.scale


def _too_short(entry: _Entry) -> DecodeError:
    return DecodeError(DecodeFault.BAD_CONTEXT, f"{entry.quantity} lies behind the end of the reply")


def _rescaled(value: Decimal, entry: _Entry, data: bytes) -> Decimal | None:
    assert entry.scale_from is not None  # who asks has looked
    held = data[2 * entry.scale_from : 2 * entry.scale_from + 2]
    if len(held) < 2:
        raise _too_short(entry)
    power = int.from_bytes(held, "big", signed=True)
    return value.scaleb(power) if abs(power) <= _MOST_POWER else None
