"""What stands under the data identifiers of DL/T 645: the tables of the standard's annex A, as data.

An identifier is written high byte first, ``02010100`` or ``9010``. A reply holds one item or, under a block, several.
Rows marked (m) were written from memory and have not been seen in a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from drivers.codec import bcd
from drivers.codec.dlt645 import Edition


class Form(Enum):
    """How the bytes of an item are read."""

    NUMBER = auto()
    SIGNED = auto()
    MOMENT = auto()
    DIGITS = auto()
    TEXT = auto()
    WORD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One value of a reply.

    Attributes:
        name: quantity.
        size: bytes.
        decimals: of a number.
        parts: of a moment, see ``bcd.moment``.
        single: identifier under which it is read by itself; empty if there is none.
    """

    name: str
    size: int
    form: Form = Form.NUMBER
    decimals: int = 0
    unit: str | None = None
    parts: str = ""
    single: str = ""

    def value(self, data: bytes) -> Decimal | str | None:
        """Read its bytes, in wire order; None for no value."""
        if self.form in (Form.NUMBER, Form.SIGNED):
            return bcd.exact(data, self.decimals, signed=self.form is Form.SIGNED)
        if self.form is Form.MOMENT:
            return bcd.moment(data, self.parts)
        if data == b"\xff" * len(data):
            return None
        if self.form is Form.TEXT:
            text = data[::-1].decode("ascii", "replace").strip("\0 \ufffd")
            return text if text.isprintable() and text else None
        return data[::-1].hex().upper()


def items(edition: Edition, identifier: str, size: int) -> tuple[Item, ...] | None:
    """Give what ``size`` bytes under ``identifier`` hold, in order; None if that is not known or does not fit."""
    found = list(_filling(iter(offered(edition, identifier)), size))
    return tuple(found) if found and sum(item.size for item in found) == size else None


def offered(edition: Edition, identifier: str) -> tuple[Item, ...]:
    """Give everything that may stand under ``identifier``, the longest block; nothing if it is not known."""
    find = _items_2007 if edition is Edition.V2007 else _items_1997
    return tuple(find(identifier))


def _filling(longest: Iterator[Item], size: int) -> Iterator[Item]:
    """Take from ``longest`` until the bytes are used up: a block is as long as the meter has phases or tariffs."""
    for item in longest:
        if size <= 0:
            return
        size -= item.size
        yield item


# 2007, table A.1: energies 00 kk tt mm. kk -> name, unit, signed.
_ENERGIES: Final = {
    0x00: ("energy_combined_active", "kW.h", True),
    0x01: ("energy_import_active", "kW.h", False),
    0x02: ("energy_export_active", "kW.h", False),
    0x03: ("energy_combined_reactive_1", "kvar.h", True),
    0x04: ("energy_combined_reactive_2", "kvar.h", True),
    0x05: ("energy_reactive_q1", "kvar.h", False),
    0x06: ("energy_reactive_q2", "kvar.h", False),
    0x07: ("energy_reactive_q3", "kvar.h", False),
    0x08: ("energy_reactive_q4", "kvar.h", False),
    0x09: ("energy_import_apparent", "kVA.h", False),
    0x0A: ("energy_export_apparent", "kVA.h", False),
    0x15: ("energy_import_active_a", "kW.h", False),  # (m) from here
    0x16: ("energy_export_active_a", "kW.h", False),
    0x29: ("energy_import_active_b", "kW.h", False),
    0x2A: ("energy_export_active_b", "kW.h", False),
    0x3D: ("energy_import_active_c", "kW.h", False),
    0x3E: ("energy_export_active_c", "kW.h", False),
}
_MOST_TARIFFS: Final = 63
_MOST_MONTHS: Final = 12
_BLOCK: Final = 0xFF

# 2007, table A.2: maximum demands 01 kk tt mm.
_DEMANDS: Final = {
    0x01: ("demand_import_active_max", "kW"),
    0x02: ("demand_export_active_max", "kW"),
    0x03: ("demand_combined_reactive_1_max", "kvar"),
    0x04: ("demand_combined_reactive_2_max", "kvar"),
    0x05: ("demand_reactive_q1_max", "kvar"),
    0x06: ("demand_reactive_q2_max", "kvar"),
    0x07: ("demand_reactive_q3_max", "kvar"),
    0x08: ("demand_reactive_q4_max", "kvar"),
}

# 2007, table A.3: variables 02 kk pp 00. kk -> name, size, decimals, unit, signed, first place (0 total, 1 phase A).
_VARIABLES: Final = {
    0x01: ("voltage", 2, 1, "V", False, 1),
    0x02: ("current", 3, 3, "A", True, 1),
    0x03: ("power_active", 3, 4, "kW", True, 0),
    0x04: ("power_reactive", 3, 4, "kvar", True, 0),
    0x05: ("power_apparent", 3, 4, "kVA", True, 0),
    0x06: ("power_factor", 2, 3, "1", True, 0),
    0x07: ("phase_angle", 2, 1, "deg", False, 1),
    0x08: ("voltage_distortion", 2, 2, "%", False, 1),  # (m)
    0x09: ("current_distortion", 2, 2, "%", False, 1),  # (m)
}
_PLACES: Final = ("total", "a", "b", "c")


def _number(name: str, size: int, decimals: int, unit: str | None, single: str, *, signed: bool = False) -> Item:
    form = Form.SIGNED if signed else Form.NUMBER
    return Item(name=name, size=size, form=form, decimals=decimals, unit=unit, single=single)


def _moment(name: str, parts: str, single: str = "") -> Item:
    return Item(name=name, size=len(parts), form=Form.MOMENT, parts=parts, single=single)


def _digits(name: str, size: int, single: str) -> Item:
    return Item(name=name, size=size, form=Form.DIGITS, single=single)


def _text(name: str, size: int, single: str) -> Item:
    return Item(name=name, size=size, form=Form.TEXT, single=single)


def _word(name: str, single: str) -> Item:
    return Item(name=name, size=2, form=Form.WORD, single=single)


_SINGLES_2007: Final = {
    item.single: item
    for item in (
        _number("current_neutral", 3, 3, "A", "02800001", signed=True),
        _number("frequency", 2, 2, "Hz", "02800002"),
        _number("power_active_average", 3, 4, "kW", "02800003", signed=True),
        _number("demand_active", 3, 4, "kW", "02800004", signed=True),
        _number("demand_reactive", 3, 4, "kvar", "02800005", signed=True),
        _number("demand_apparent", 3, 4, "kVA", "02800006", signed=True),
        _number("temperature", 2, 1, "Cel", "02800007", signed=True),
        _number("clock_battery_voltage", 2, 2, "V", "02800008"),
        _number("reading_battery_voltage", 2, 2, "V", "02800009"),
        _number("battery_time", 4, 0, "min", "0280000A"),
        _moment("date", "YMDW", "04000101"),
        _moment("time", "hms", "04000102"),
        _number("demand_period", 1, 0, "min", "04000103"),
        _number("demand_slide", 1, 0, "min", "04000104"),
        _moment("clock", "YMDWhms", "0400010C"),
        _digits("address", 6, "04000401"),
        _digits("meter_number", 6, "04000402"),
        _text("asset_number", 32, "04000403"),
        _text("rated_voltage", 6, "04000404"),
        _text("rated_current", 6, "04000405"),
        _text("maximum_current", 6, "04000406"),
        _text("accuracy_active", 4, "04000407"),
        _text("accuracy_reactive", 4, "04000408"),
        _number("constant_active", 3, 0, None, "04000409"),
        _number("constant_reactive", 3, 0, None, "0400040A"),
        _text("model", 10, "0400040B"),
        _text("production_date", 10, "0400040C"),
        _text("protocol_version", 16, "0400040D"),
        *(_word(f"status_word_{number}", f"040005{number:02X}") for number in range(1, 8)),
    )
}


def _items_2007(identifier: str) -> Iterator[Item]:
    if identifier in _SINGLES_2007:
        yield _SINGLES_2007[identifier]
        return
    group, kind, place, past = bytes.fromhex(identifier)
    if group == 0x00 and kind in _ENERGIES and past <= _MOST_MONTHS:
        yield from _of_tariffs(_energy, kind, place, past)
    elif group == 0x01 and kind in _DEMANDS and past <= _MOST_MONTHS:
        yield from _of_tariffs(_demand, kind, place, past)
    elif group == 0x02 and kind in _VARIABLES and past == 0:
        places = range(_VARIABLES[kind][5], len(_PLACES)) if place == _BLOCK else (place,)
        yield from (_variable(kind, one) for one in places if _VARIABLES[kind][5] <= one < len(_PLACES))
    elif identifier == "040005FF":
        yield from (_SINGLES_2007[f"040005{number:02X}"] for number in range(1, 8))
    elif group == 0x05 and kind in _FREEZES and past >= 1:
        yield from _frozen(kind, place, past)


def _of_tariffs(make: Callable[[int, int, int], Iterator[Item]], kind: int, tariff: int, past: int) -> Iterator[Item]:
    for one in range(_MOST_TARIFFS + 1) if tariff == _BLOCK else (tariff,):
        if one <= _MOST_TARIFFS:
            yield from make(kind, one, past)


def _suffix(tariff: int, past: int) -> str:
    month = f"_month_{past}" if past else ""
    return ("_total" if tariff == 0 else f"_tariff_{tariff}") + month


def _energy(kind: int, tariff: int, past: int) -> Iterator[Item]:
    name, unit, signed = _ENERGIES[kind]
    yield _number(name + _suffix(tariff, past), 4, 2, unit, f"00{kind:02X}{tariff:02X}{past:02X}", signed=signed)


def _demand(kind: int, tariff: int, past: int) -> Iterator[Item]:
    name, unit = _DEMANDS[kind]
    name += _suffix(tariff, past)
    yield _number(name, 3, 4, unit, f"01{kind:02X}{tariff:02X}{past:02X}", signed=kind in (3, 4))
    yield _moment(f"{name}_time", "YMDhm")


def _variable(kind: int, place: int) -> Item:
    name, size, decimals, unit, signed, _ = _VARIABLES[kind]
    single = f"02{kind:02X}{place:02X}00"
    return _number(f"{name}_{_PLACES[place]}", size, decimals, unit, single, signed=signed)


# 2007, table A.6: freezing 05 kk pp nn; nn counts back from 1, the last one.
_FREEZES: Final = {0x00: "timed", 0x01: "instant", 0x02: "zones", 0x03: "slots", 0x04: "hourly", 0x06: "daily"}
_FREEZE_TIME: Final = 0x00
_FROZEN_VARIABLES: Final = 0x10


def _frozen(kind: int, place: int, past: int) -> Iterator[Item]:
    """Give what was frozen: its time, an energy with its tariffs, demands, or the powers of that moment (m)."""
    end = f"_{_FREEZES[kind]}_{past}"
    if place == _FREEZE_TIME:
        yield _moment(f"freeze_time{end}", "YMDhm")
    elif 1 <= place <= 8 and kind != 0x04:
        name, unit, signed = _ENERGIES[place]
        for tariff in range(_MOST_TARIFFS + 1):
            yield _number(name + _suffix(tariff, 0) + end, 4, 2, unit, "", signed=signed)
    elif place in (1, 2) and kind == 0x04:
        name, unit, signed = _ENERGIES[place]
        yield _number(f"{name}_total{end}", 4, 2, unit, "", signed=signed)
    elif place in (9, 10):
        for tariff in range(_MOST_TARIFFS + 1):
            name, unit = _DEMANDS[place - 8]
            yield _number(name + _suffix(tariff, 0) + end, 3, 4, unit, "")
            yield _moment(f"{name}{_suffix(tariff, 0)}{end}_time", "YMDhm")
    elif place == _FROZEN_VARIABLES:
        for variable in (3, 4):
            name, size, decimals, unit, signed, _ = _VARIABLES[variable]
            yield from (_number(f"{name}_{one}{end}", size, decimals, unit, "", signed=signed) for one in _PLACES)


# 1997, tables A.1 to A.4. Energies ee tt: high byte 90 active, 91 reactive now; 94, 95 the last month, 98, 99 the one
# before. Low byte: high nibble the direction, low nibble the tariff, F for all.
_ENERGIES_1997: Final = {
    (0x90, 1): ("energy_import_active", "kW.h"),
    (0x90, 2): ("energy_export_active", "kW.h"),
    (0x91, 1): ("energy_import_reactive", "kvar.h"),
    (0x91, 2): ("energy_export_reactive", "kvar.h"),
    (0x91, 3): ("energy_reactive_q1", "kvar.h"),
    (0x91, 4): ("energy_reactive_q4", "kvar.h"),
    (0x91, 5): ("energy_reactive_q2", "kvar.h"),
    (0x91, 6): ("energy_reactive_q3", "kvar.h"),
}
_DEMANDS_1997: Final = {
    (0xA0, 1): ("demand_import_active_max", "kW"),
    (0xA0, 2): ("demand_export_active_max", "kW"),
    (0xA1, 1): ("demand_import_reactive_max", "kvar"),
    (0xA1, 2): ("demand_export_reactive_max", "kvar"),
}
_VARIABLES_1997: Final = {
    0x1: ("voltage", 2, 0, "V", 1),
    0x2: ("current", 2, 2, "A", 1),
    0x3: ("power_active", 3, 4, "kW", 0),
    0x4: ("power_reactive", 2, 2, "kvar", 0),
    0x5: ("power_factor", 2, 3, "1", 0),
}
_SINGLES_1997: Final = {
    item.single: item
    for item in (
        _moment("date", "YMDW", "C010"),
        _moment("time", "hms", "C011"),
        Item(name="meter_state", size=1, form=Form.WORD, single="C020"),
        _number("constant_active", 3, 0, None, "C030"),
        _number("constant_reactive", 3, 0, None, "C031"),
        _digits("meter_number", 6, "C032"),
        _digits("user_number", 6, "C033"),
        _digits("device_number", 6, "C034"),
    )
}


def _items_1997(identifier: str) -> Iterator[Item]:
    if identifier in _SINGLES_1997:
        yield _SINGLES_1997[identifier]
        return
    high, low = bytes.fromhex(identifier)
    past, now = (high & 0x0C) >> 2, high & 0xF3
    direction, tariff = low >> 4, low & 0x0F
    tariffs = range(0xF) if tariff == 0xF else (tariff,)
    if (now, direction) in _ENERGIES_1997:
        name, unit = _ENERGIES_1997[now, direction]
        for one in tariffs:
            yield _number(name + _suffix(one, past), 4, 2, unit, f"{high:02X}{direction:X}{one:X}")
    elif (now, direction) in _DEMANDS_1997:
        name, unit = _DEMANDS_1997[now, direction]
        for one in tariffs:
            yield _number(name + _suffix(one, past), 3, 4, unit, f"{high:02X}{direction:X}{one:X}")
    elif high == 0xB6 and direction in _VARIABLES_1997:
        name, size, decimals, unit, first = _VARIABLES_1997[direction]
        for one in range(first, len(_PLACES)) if tariff == 0xF else (tariff,):
            if first <= one < len(_PLACES):
                yield _number(f"{name}_{_PLACES[one]}", size, decimals, unit, f"B6{direction:X}{one:X}")
