"""Packed decimal digits, low byte first, and moments made of them, as the Chinese meter protocols send them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

_CENTURY: Final = 2000


def number(data: bytes, *, signed: bool = False) -> int | None:
    """Give the number of ``data``, low byte first; None if a nibble is no digit: FF and EE fill in for no value.

    Signed, the top bit of the top byte means minus.
    """
    negative = signed and bool(data) and bool(data[-1] & 0x80) and not _is_filler(data)
    if negative:
        data = data[:-1] + bytes((data[-1] & 0x7F,))
    digits = data[::-1].hex()
    if not digits.isdecimal():
        return None
    return -int(digits) if negative else int(digits)


def exact(data: bytes, decimals: int, *, signed: bool = False) -> Decimal | None:
    """Give the number of ``data`` with so many decimals; None if it has none."""
    value = number(data, signed=signed)
    return None if value is None else Decimal(value).scaleb(-decimals)


def moment(data: bytes, parts: str) -> str | None:
    """Give the moment that ``data``, low byte first, shows, as text of ISO 8601; None if no calendar has it.

    Args:
        data: one byte for each part.
        parts: what each byte is, high first as the standard writes it: ``YMDhms`` from year to second, ``C`` for the
            century, ``W`` for a weekday, which is skipped. Without a year, month and day alone are checked.
    """
    if len(data) != len(parts):
        return None
    found: dict[str, int] = {}
    for part, byte in zip(parts, reversed(data), strict=True):
        value = number(bytes((byte,)))
        if value is None:
            return None
        found[part] = value
    return _iso(found)


def _iso(found: dict[str, int]) -> str | None:
    try:
        hours = dt.time(found.get("h", 0), found.get("m", 0), found.get("s", 0))
        century = 100 * found["C"] if "C" in found else _CENTURY
        day = dt.date(century + found.get("Y", 4), found.get("M", 1), found.get("D", 1))
    except ValueError:
        return None
    date = day.isoformat() if "Y" in found else day.isoformat()[5:] if "M" in found else ""
    time = hours.isoformat() if "s" in found else hours.isoformat("minutes") if "h" in found else ""
    return date + ("T" if date and time else "") + time


def _is_filler(data: bytes) -> bool:
    return data in (b"\xff" * len(data), b"\xee" * len(data))
