"""What a pushed list of COSEM values says: meters arrange code, value and unit in different ways, and no tag tells.

Read are: code, value and a pair of scaler and unit, in a structure of their own or in a row; code and value in a row;
a list of attribute descriptors first and their values behind it. What has no code is told without a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.axdr import ENUM, Data

_OBIS_BYTES: Final = 6
_PUSH_SETUP: Final = (0, 25, 9, 0)
"""A, C, D and E of ``0-0:25.9.0``, the list itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One value.

    Attributes:
        obis: six bytes, empty if the push does not name it.
        data: the value.
        scaler: power of ten, 0 if none is there.
        unit: code of a unit, None if none is there.
    """

    obis: bytes
    data: Data
    scaler: int = 0
    unit: int | None = None


def pushed(data: Data) -> Iterator[Pushed]:
    """Give the values of a notification in order."""
    if not data.is_list:
        yield Pushed(obis=b"", data=data)
        return
    described = _described(data.items)
    if described is not None:
        yield from described
        return
    items = data.items
    at = 0
    while at < len(items):
        follows = items[at + 1] if at + 1 < len(items) else None
        if len(items[at].octets) == _OBIS_BYTES and follows is not None and not follows.is_list:
            scaled = scaler_and_unit(items[at + 2]) if at + 2 < len(items) else None
            scaler, unit = scaled or (0, None)
            yield Pushed(obis=items[at].octets, data=follows, scaler=scaler, unit=unit)
            at += 3 if scaled else 2
        else:
            yield from pushed(items[at])
            at += 1


def scaler_and_unit(data: Data) -> tuple[int, int] | None:
    """Read a structure of scaler and unit; None for anything else."""
    if not data.is_list or len(data.items) != 2 or data.items[1].tag != ENUM:
        return None
    scaler, unit = (item.whole for item in data.items)
    return None if scaler is None or unit is None or abs(scaler) > 127 else (scaler, unit)


def _described(items: tuple[Data, ...]) -> list[Pushed] | None:
    """Read values behind an array of descriptors: class, code, attribute, index."""
    if len(items) < 2 or not items[0].items or not all(_is_descriptor(item) for item in items[0].items):
        return None
    codes = [item.items[1].octets for item in items[0].items]
    if (codes[0][0], *codes[0][2:5]) == _PUSH_SETUP:
        codes = codes[1:]
    values = items[1:]
    if len(codes) != len(values):
        return None
    return [Pushed(obis=code, data=value) for code, value in zip(codes, values, strict=True)]


def _is_descriptor(data: Data) -> bool:
    return len(data.items) == 4 and len(data.items[1].octets) == _OBIS_BYTES and data.items[0].whole is not None
