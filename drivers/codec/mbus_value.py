"""Values of M-Bus data records (EN 13757-3, annex A): numbers, texts and dates. Exact; no floats."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, TypeAlias

from drivers.shortest import shortest_f32

_BCD_CODINGS: Final = frozenset((9, 10, 11, 12, 14))
_FLOAT: Final = 5
_F32: Final = struct.Struct("<f")
_BIG: Final = 0xC0
_NEGATIVE: Final = 0xD0
_BINARY: Final = 0xE0
_BYTES: Final = 0xF0
_YEARS_OF_2000: Final = 81  # a year of two digits without a century: 0 to 80 are 2000 to 2080


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """``mantissa * 10 ** exponent``."""

    mantissa: int
    exponent: int = 0

    def shifted(self, places: int) -> Number:
        """Give this times ``10 ** places``."""
        return Number(mantissa=self.mantissa, exponent=self.exponent + places)


MbusValue: TypeAlias = Number | str | None
"""A text is a text, a date of ISO 8601, or bytes in hex; None is no value."""


def number_of(coding: int, data: bytes, lvar: int | None = None, *, unsigned: bool = False) -> MbusValue:
    """Give the value of a record.

    Args:
        coding: data field of the DIF.
        data: the bytes, least significant first.
        lvar: length byte of a variable one.
        unsigned: whether a binary number is a set of bits (type D) rather than an amount.
    """
    if lvar is not None:
        return _variable(lvar, data, unsigned=unsigned)
    if not data:
        return None
    if coding in _BCD_CODINGS:
        return bcd(data)
    if coding == _FLOAT:
        return _float(data)
    return _binary(data, unsigned=unsigned)


def bcd(data: bytes) -> Number | None:
    """Give a BCD number, low byte first (type A); top nibble F is a minus, any other letter makes it no value."""
    digits = data[::-1].hex()
    negative = digits.startswith("f")
    digits = digits[1:] if negative else digits
    if not digits.isdecimal():
        return None
    return Number(mantissa=-int(digits) if negative else int(digits))


def moment(data: bytes) -> str | None:
    """Give date or time of type G (2 bytes), J (3), F (4) or I (6) in ISO 8601; None if marked or impossible."""
    try:
        match len(data):
            case 2:
                return _day(data[0], data[1]).isoformat()
            case 3:
                return time(data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F).isoformat()
            case 4:
                return _type_f(data)
            case 6:
                return _type_i(data)
            case _:
                return None
    except ValueError:
        return None


def _variable(lvar: int, data: bytes, *, unsigned: bool) -> MbusValue:
    if lvar < _BIG:
        return data[::-1].decode("latin-1")  # the last character comes first
    if not data:
        return None
    if lvar < _BINARY:
        found = bcd(data)
        if found is None or found.mantissa < 0:
            return None  # LVAR tells the sign, not a nibble
        return Number(mantissa=-found.mantissa) if lvar >= _NEGATIVE else found
    if lvar >= _BYTES:
        return data[::-1].hex().upper()
    return _binary(data, unsigned=unsigned)


def _binary(data: bytes, *, unsigned: bool) -> Number | None:
    number = int.from_bytes(data, "little", signed=not unsigned)
    if not unsigned and number == -1 << 8 * len(data) - 1:
        return None  # type B: the most negative number means 'invalid'
    return Number(mantissa=number)


def _float(data: bytes) -> Number | None:
    (number,) = _F32.unpack(data)
    if not math.isfinite(number):
        return None
    mantissa, exponent = shortest_f32(number)
    return Number(mantissa=mantissa, exponent=exponent)


def _day(low: int, high: int, century: int = 0) -> date:
    """Give the date of two bytes as types F and G share them.

    Raises:
        ValueError: no such day, such as 'every month' of a due date.
    """
    year = low >> 5 | (high & 0xF0) >> 1
    if year > 99:
        raise ValueError(year)
    base = 1900 + 100 * century
    if not century and year < _YEARS_OF_2000:
        base = 2000
    return date(base + year, high & 0x0F, low & 0x1F)


def _type_f(data: bytes) -> str | None:
    if data[0] & 0x80:
        return None  # marked as invalid
    day = _day(data[2], data[3], data[1] >> 5 & 3)
    clock = time(data[1] & 0x1F, data[0] & 0x3F)
    return datetime.combine(day, clock).isoformat(timespec="minutes")


def _type_i(data: bytes) -> str | None:
    if data[1] & 0x80:
        return None
    day = _day(data[3], data[4], 1)
    clock = time(data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F)
    return datetime.combine(day, clock).isoformat(timespec="seconds")
