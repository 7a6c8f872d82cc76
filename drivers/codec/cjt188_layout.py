"""What the data of a CJ/T 188 reply holds: layouts of the standard's tables and unit codes, as data.

A layout is chosen by the kind of meter or by the profile, never by its length: two layouts of 22 bytes are in the
field. The unit byte behind a number decides its unit. Numbers without one have the unit that the table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from drivers.codec import bcd
from drivers.decoded import Quantity


class Form(Enum):
    """How the bytes of a field are read."""

    WITH_UNIT = auto()
    NUMBER = auto()
    MOMENT = auto()
    WORD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One value of a layout.

    Attributes:
        name: quantity.
        size: bytes, the unit byte too.
        decimals: of a number.
        unit: of a number that has no unit byte.
        parts: of a moment, see ``bcd.moment``.
    """

    name: str
    size: int
    form: Form
    decimals: int = 0
    unit: str | None = None
    parts: str = ""

    def quantity(self, data: bytes) -> Quantity:
        """Read its bytes, in wire order."""
        if self.form is Form.WITH_UNIT:
            unit, times = UNITS.get(data[-1], (None, 1))
            value = bcd.exact(data[:-1], self.decimals)
            known = value is not None and unit is not None
            return Quantity(
                quantity=self.name, value=value * times if known and value is not None else None, unit=unit
            )
        if self.form is Form.NUMBER:
            return Quantity(quantity=self.name, value=bcd.exact(data, self.decimals), unit=self.unit)
        if self.form is Form.MOMENT:
            return Quantity(quantity=self.name, value=bcd.moment(data, self.parts))
        return Quantity(quantity=self.name, value=data.hex().upper())


UNITS: Final[Mapping[int, tuple[str, int]]] = MappingProxyType({
    0x01: ("J", 1), 0x0B: ("kJ", 1), 0x0E: ("MJ", 1), 0x11: ("GJ", 1), 0x13: ("GJ", 100),
    0x02: ("W.h", 1), 0x05: ("kW.h", 1), 0x08: ("MW.h", 1), 0x0A: ("MW.h", 100),
    0x14: ("W", 1), 0x17: ("kW", 1), 0x1A: ("MW", 1),
    0x29: ("L", 1), 0x2C: ("m3", 1), 0x32: ("L/h", 1), 0x35: ("m3/h", 1),
})  # fmt: skip
"""Unit code -> UCUM unit, and what the number is multiplied by."""

_CLOCK: Final = Item(name="clock", size=7, form=Form.MOMENT, parts="CYMDhms")
_STATUS: Final = Item(name="status", size=2, form=Form.WORD)


def _counted(name: str, decimals: int = 2) -> Item:
    return Item(name=name, size=5, form=Form.WITH_UNIT, decimals=decimals)


def _plain(name: str, decimals: int, unit: str) -> Item:
    return Item(name=name, size=3, form=Form.NUMBER, decimals=decimals, unit=unit)


LAYOUTS: Final[Mapping[str, tuple[Item, ...]]] = MappingProxyType({
    "water": (_counted("volume_total"), _counted("volume_settlement"), _CLOCK, _STATUS),
    "heat": (
        _counted("energy_settlement"), _counted("energy_total"), _counted("power"), _counted("flow_rate", 4),
        _counted("volume_total"), _plain("temperature_supply", 2, "Cel"), _plain("temperature_return", 2, "Cel"),
        _plain("operating_hours", 0, "h"), _CLOCK, _STATUS,
    ),
})  # fmt: skip
"""Name that a profile may give -> items of ``901F``, in order."""

METERING: Final = "901F"
_HISTORY: Final = range(0xD120, 0xD12C)
_WATER_TYPES: Final = range(0x10, 0x20)
_HEAT_TYPES: Final = range(0x20, 0x30)
_GAS_TYPES: Final = range(0x30, 0x40)


def layout_of(type_: int) -> str | None:
    """Give the layout that the standard has for a kind of meter; gas meters have that of water."""
    if type_ in _WATER_TYPES or type_ in _GAS_TYPES:
        return "water"
    return "heat" if type_ in _HEAT_TYPES else None


def values(layout: str | None, identifier: str, data: bytes) -> tuple[Quantity, ...] | None:
    """Read what stands behind identifier and serial number; None if that is not known or does not fit.

    Args:
        layout: of ``LAYOUTS``; None if the kind of meter has none.
        identifier: written as in the standard.
        data: in wire order.
    """
    if identifier == METERING and layout is not None:
        items = LAYOUTS[layout]
    elif int(identifier, 16) in _HISTORY:
        month = int(identifier, 16) - _HISTORY.start + 1
        items = (_counted(f"{'energy' if layout == 'heat' else 'volume'}_month_{month}"),)
    else:
        return None
    if sum(item.size for item in items) != len(data):
        return None
    found: list[Quantity] = []
    for item in items:
        found.append(item.quantity(data[: item.size]))
        data = data[item.size :]
    return tuple(found)


def canonical(identifier: bytes) -> str:
    """Give an identifier as the standard writes it, whichever order its bytes came in.

    Metering, history and parameters begin with 90 to 93, D1 to D4, A0, A1 and 81; their second bytes do not.
    """
    high, low = identifier
    swapped = not _is_high(high) and _is_high(low)
    return bytes((low, high)).hex().upper() if swapped else identifier.hex().upper()


def _is_high(byte: int) -> bool:
    return 0x90 <= byte <= 0x93 or 0xD1 <= byte <= 0xD4 or byte in (0xA0, 0xA1, 0x81)


def scaled(data: bytes, decimals: int, unit_code: int | None) -> tuple[Decimal | None, str | None]:
    """Read a number of a maker's own layout; its unit is None where it has no unit byte."""
    value = bcd.exact(data, decimals)
    if unit_code is None:
        return value, None
    unit, times = UNITS.get(unit_code, (None, 1))
    return (None if value is None or unit is None else value * times), unit
