"""Load profile records of DL/T 645-2007 (annex B): what a meter kept of one moment, section by section.

``A0 A0, length, time YYMMDDhhmm, sections closed by AA each, sum, E5``. A section that the meter does not keep is
empty. Written from memory of the annex; no captured record has been seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.codec.bcd import moment
from drivers.codec.dlt645 import Edition
from drivers.codec.dlt645_items import Item, items
from drivers.codec.summed import check_sum
from drivers.decoded import Quantity

_MARK: Final = b"\xa0\xa0"
_END: Final = 0xE5
_SECTION_END: Final = b"\xaa"
_TIME: Final = "YMDhm"
_SECTIONS: Final = (
    ("02010100", "02010200", "02010300", "02020100", "02020200", "02020300", "02800002"),
    tuple(f"02{kind:02X}{place:02X}00" for kind in (3, 4) for place in range(4)),
    tuple(f"0206{place:02X}00" for place in range(4)),
    ("00010000", "00020000", "00030000", "00040000"),
    ("00050000", "00060000", "00070000", "00080000"),
    ("02800004", "02800005"),
)
"""Identifiers of the values of each section, in the order of the record."""


def is_load(identifier: str) -> bool:
    """Tell whether records of the load profile stand under ``identifier``."""
    return identifier.startswith("06") and len(identifier) == 8


def load_extra(count: int, at: tuple[int, int, int, int, int] | None = None) -> bytes:
    """Give what follows the identifier in the request: how many records, and from when (year to minute) if not last.

    For identifier ``06cc0000`` the oldest records, ``06cc0001`` those from ``at``, ``06cc0002`` the newest; cc is the
    class, 00 for all.
    """
    numbers = (count, *reversed(at)) if at is not None else (count,)
    return bytes(number // 10 << 4 | number % 10 for number in numbers)


def load_values(data: bytes) -> tuple[Quantity, ...] | None:
    """Read the records behind the identifier; None if one of them is not whole."""
    found: list[Quantity] = []
    while data:
        if not data.startswith(_MARK) or len(data) < 10:
            return None
        end = 3 + data[2] + 2
        record = data[:end]
        if len(record) < end or record[-1] != _END or check_sum(record[:-2]) != record[-2]:
            return None
        said = _record(record[3:-2])
        if said is None:
            return None
        found += said
        data = data[end:]
    return tuple(found)


def _record(body: bytes) -> list[Quantity] | None:
    found = [Quantity(quantity="load_time", value=moment(body[:5], _TIME))]
    rest = body[5:]
    for section in _SECTIONS:
        values = list(_section(section))
        size = sum(item.size for item in values)
        if rest[:1] != _SECTION_END:  # no digits begin with A: an empty section is known by its end
            if rest[size : size + 1] != _SECTION_END:
                return None
            for item in values:
                found.append(Quantity(quantity=item.name, value=item.value(rest[: item.size]), unit=item.unit))
                rest = rest[item.size :]
        rest = rest[1:]
    return found if not rest else None


def _section(section: tuple[str, ...]) -> Iterator[Item]:
    for identifier in section:
        size = 4 if identifier.startswith("00") else 3
        for one in (size, 2):
            known = items(Edition.V2007, identifier, one)
            if known is not None:
                yield from known
                break
