"""COSEM data in A-XDR (IEC 62056-6-2, 4.1.5; IEC 61334-6): each value after a tag, lists of values to any depth."""

from __future__ import annotations

import struct
from calendar import monthrange
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Final, TypeAlias

from drivers.shortest import shortest_f32, shortest_f64

Plain: TypeAlias = Decimal | bool | bytes | str | None

_MOST_DEPTH: Final = 16
_LISTS: Final = (1, 2)
_BOOL: Final = 3
_BITS: Final = 4
_OCTETS: Final = 9
_TEXTS: Final = (10, 12)
_BCD: Final = 13
ENUM: Final = 22
_WHOLE: Final = {5: (4, True), 6: (4, False), 15: (1, True), 16: (2, True), 17: (1, False), 18: (2, False),
                 20: (8, True), 21: (8, False), ENUM: (1, False)}  # fmt: skip
_FLOATS: Final = {23: (4, ">f"), 24: (8, ">d")}
_FIXED: Final = {_BCD: 1, 25: 12, 26: 5, 27: 4}
_CLOCK_BYTES: Final = 12


class AxdrError(ValueError):
    """Bytes that are no COSEM data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One value.

    Attributes:
        tag: its type as the standard numbers them.
        value: what it is, bytes for octet and bit strings; None for null data and for lists.
        items: of an array (1) or structure (2).
    """

    tag: int
    value: Plain = None
    items: tuple[Data, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether it is an array or structure."""
        return self.tag in _LISTS

    @property
    def whole(self) -> int | None:
        """The whole number it is, None if it is none."""
        return int(self.value) if self.tag in _WHOLE and isinstance(self.value, Decimal) else None

    @property
    def octets(self) -> bytes:
        """The bytes of an octet string, empty for anything else."""
        return self.value if self.tag == _OCTETS and isinstance(self.value, bytes) else b""


def parse(data: bytes, at: int = 0) -> tuple[Data, int]:
    """Read the value at ``at``; gives it and where it ends.

    Raises:
        AxdrError: there is none, it is cut short, or a compact array, which is not read.
    """
    return _value(data, at, _MOST_DEPTH)


def length(data: bytes, at: int) -> tuple[int, int]:
    """Read a length; gives it and where it ends. Raises AxdrError."""
    first = _take(data, at, 1)[0]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise AxdrError(f"the length at byte {at} is none")
    return int.from_bytes(_take(data, at + 1, size), "big"), at + 1 + size


def clock(data: bytes) -> str | None:
    """Write the twelve bytes of a COSEM date-time as ISO 8601.

    None if a part up to the minute is not specified, or no calendar has it.

    The deviation counts minutes from local time to UTC; where it is not specified, no offset is written.
    """
    if len(data) != _CLOCK_BYTES:
        return None
    year, month, day, _, hour, minute, second, _, deviation, _ = struct.unpack(">H7BhB", data)
    if not (1 <= year <= 9999 and 1 <= month <= 12 and hour <= 23 and minute <= 59):
        return None
    if not 1 <= day <= monthrange(year, month)[1]:
        return None
    text = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}"
    text += f":{second:02d}" if second <= 59 else ""
    if abs(deviation) > 720 + 120:
        return text
    sign = "-" if deviation > 0 else "+"
    return f"{text}{sign}{abs(deviation) // 60:02d}:{abs(deviation) % 60:02d}"


def _value(data: bytes, at: int, depth: int) -> tuple[Data, int]:
    tag, at = _take(data, at, 1)[0], at + 1
    if tag == 0:
        return Data(tag=tag), at
    if tag in _LISTS:
        return _list(data, tag, at, depth)
    if tag in _WHOLE:
        size, signed = _WHOLE[tag]
        number = int.from_bytes(_take(data, at, size), "big", signed=signed)
        return Data(tag=tag, value=Decimal(number)), at + size
    if tag == _BOOL:
        return Data(tag=tag, value=_take(data, at, 1) != b"\x00"), at + 1
    if tag in _FLOATS:
        size, form = _FLOATS[tag]
        (real,) = struct.unpack(form, _take(data, at, size))
        return Data(tag=tag, value=_exact(real, size)), at + size
    if tag in _FIXED:
        return Data(tag=tag, value=_take(data, at, _FIXED[tag])), at + _FIXED[tag]
    return _string(data, tag, at)


def _exact(real: float, size: int) -> Decimal | None:
    if not isfinite(real):
        return None
    mantissa, exponent = shortest_f32(real) if size == 4 else shortest_f64(real)
    return Decimal(f"{mantissa}E{exponent}")


def _list(data: bytes, tag: int, at: int, depth: int) -> tuple[Data, int]:
    if not depth:
        raise AxdrError(f"lists lie deeper than {_MOST_DEPTH}")
    count, at = length(data, at)
    items: list[Data] = []
    for _ in range(count):
        item, at = _value(data, at, depth - 1)
        items.append(item)
    return Data(tag=tag, items=tuple(items)), at


def _string(data: bytes, tag: int, at: int) -> tuple[Data, int]:
    if tag not in (_BITS, _OCTETS, *_TEXTS):
        raise AxdrError(f"tag {tag} at byte {at - 1} is not read")
    size, at = length(data, at)
    size = (size + 7) // 8 if tag == _BITS else size
    content = _take(data, at, size)
    value = content.decode("utf-8", "replace") if tag in _TEXTS else content
    return Data(tag=tag, value=value), at + size


def _take(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise AxdrError(f"the data ends {at + size - len(data)} bytes too early")
    return data[at : at + size]
