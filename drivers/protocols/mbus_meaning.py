"""What the value information of an M-Bus record means (EN 13757-3, 6.4): quantity, unit and power of ten.

A value is given in the base unit of its quantity (Wh, W, m3, m3/h, bar, kg), whatever multiple the meter sends, so
one point of a profile fits meters of every resolution. Times keep the unit that the meter chose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.mbus_record import EXTENSION, MANUFACTURER_VIF, PLAIN_TEXT, Aggregate, Record
from drivers.codec.mbus_value import MbusValue, Number, moment, number_of
from drivers.shortest import divide_half_even
from drivers.units import is_known

_TIMES: Final = ("s", "min", "h", "d")
_AGGREGATES: Final = {
    Aggregate.INSTANT: "",
    Aggregate.MAXIMUM: "_max",
    Aggregate.MINIMUM: "_min",
    Aggregate.ERROR: "_error",
}
_TEXT_UNITS: Final = {"%RH": "%", "KWH": "kW.h", "WH": "W.h", "L": "L", "M3": "m3", "C": "Cel", "°C": "Cel"}
_FD, _FB = 0x7D, 0x7B
_ERRORS_OF_RECORD: Final = 0x20  # VIFE below: the meter says why this record is not to be believed
_THOUSAND: Final = 0x7D
_MAKERS_OWN: Final = 0x7F
_FUTURE: Final = 0x7E
_DATE, _MOMENT = 0x6C, 0x6D
_DATE_EXTENSIONS: Final = frozenset((0x39, 0x42, 0x43, 0x46, 0x47, 0x4A, 0x4B, 0x4E, 0x4F, 0x6A, 0x6B, 0x6E, 0x6F))


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one VIF stands for.

    Attributes:
        name: of the quantity.
        unit: UCUM, None for a number without one, an identity or a date.
        exponent: the value times ten to this power is in ``unit``.
        bits: whether a binary value is a set of flags.
    """

    name: str
    unit: str | None = None
    exponent: int = 0
    bits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One record as a person reads it.

    Attributes:
        name: ``name[_max|_min|_error][@sN][/tN][/uN]``: storage, tariff and subunit where they are not 0.
        value: in ``unit``; None where the meter has none.
    """

    name: str
    value: MbusValue
    unit: str | None


def told(record: Record) -> Told:
    """Give name, value and unit of ``record``."""
    meaning, extensions = _meaning(record)
    value = _value(record, meaning, extensions)
    scale, suffix, makers = 0, "", False
    for code in extensions:
        if makers:
            suffix += f"_vife{code:02x}"  # what follows FF is the maker's own: a name, no error of the record
        elif 0x70 <= code <= 0x77:
            scale += (code & 7) - 6
        elif code == _THOUSAND:
            scale += 3
        elif 0x78 <= code <= 0x7B and isinstance(value, Number):
            value = _plus(value, Number(mantissa=1, exponent=(code & 3) - 3))
        elif code == _FUTURE:
            suffix += "_future"
        elif code >= _ERRORS_OF_RECORD:
            suffix += f"_vife{code:02x}"
            makers = code == _MAKERS_OWN
        elif code:
            value = None
    if isinstance(value, Number):
        value = value.shifted(meaning.exponent + scale)
    place = f"@s{record.storage}" if record.storage else ""
    place += f"/t{record.tariff}" if record.tariff else ""
    place += f"/u{record.subunit}" if record.subunit else ""
    unit = None if isinstance(value, str) else meaning.unit
    return Told(name=meaning.name + suffix + _AGGREGATES[record.aggregate] + place, value=value, unit=unit)


def tell(records: tuple[Record, ...], seen: dict[str, int]) -> Iterator[Told]:
    """Give all ``records``; the second of one name ends in ``#2``, as meters do repeat records.

    Args:
        records: of one telegram.
        seen: how often each name came so far in the telegrams of one answer; is kept up to date.
    """
    for record in records:
        one = told(record)
        seen[one.name] = count = seen.get(one.name, 0) + 1
        yield one if count == 1 else Told(name=f"{one.name}#{count}", value=one.value, unit=one.unit)


def rescaled(number: Number, exponent: int) -> int:
    """Give the mantissa of ``number`` at ``exponent``, rounded half to even."""
    places = number.exponent - exponent
    if places >= 0:
        return number.mantissa * int(10**places)
    return divide_half_even(number.mantissa, int(10**-places))


def _value(record: Record, meaning: Meaning, extensions: bytes) -> MbusValue:
    is_moment = meaning.name in ("date", "datetime") or any(code in _DATE_EXTENSIONS for code in extensions)
    if is_moment and record.lvar is None and record.coding in (2, 3, 4, 6):
        return moment(record.data)
    return number_of(record.coding, record.data, record.lvar, unsigned=meaning.bits)


def _plus(one: Number, two: Number) -> Number:
    exponent = min(one.exponent, two.exponent)
    return Number(mantissa=rescaled(one, exponent) + rescaled(two, exponent), exponent=exponent)


def _meaning(record: Record) -> tuple[Meaning, bytes]:
    """Give what the VIF means, and the VIFE that qualify it, without extension bits."""
    codes = bytes(code & ~EXTENSION for code in record.vif)
    vif, rest = codes[0], codes[1:]
    if vif == MANUFACTURER_VIF:
        return Meaning(name="_".join(("vif", *(f"{code:02x}" for code in codes)))), b""
    if vif == PLAIN_TEXT:
        unit = _TEXT_UNITS.get(record.text.strip().upper(), record.text.strip())
        words = "".join(c.lower() if c.isalnum() else "_" for c in record.text.strip()).strip("_")
        return Meaning(name=f"text_{words}" if words else "text", unit=unit if is_known(unit) else None), rest
    if vif in (_FD, _FB) and record.vif[0] & EXTENSION and rest:
        return (_fd(rest[0]) if vif == _FD else _fb(rest[0])), rest[1:]
    return _primary(vif), rest


_RANGES: Final = (
    # first code, codes, name, unit, exponent of the first: EN 13757-3, table 10
    (0x00, 8, "energy", "W.h", -3),
    (0x08, 8, "energy", "J", 0),
    (0x10, 8, "volume", "m3", -6),
    (0x18, 8, "mass", "kg", -3),
    (0x28, 8, "power", "W", -3),
    (0x30, 8, "power", "J/h", 0),
    (0x38, 8, "volume_flow", "m3/h", -6),
    (0x40, 8, "volume_flow", "m3/min", -7),
    (0x48, 8, "volume_flow", "m3/s", -9),
    (0x50, 8, "mass_flow", "kg/h", -3),
    (0x58, 4, "flow_temperature", "Cel", -3),
    (0x5C, 4, "return_temperature", "Cel", -3),
    (0x60, 4, "temperature_difference", "K", -3),
    (0x64, 4, "external_temperature", "Cel", -3),
    (0x68, 4, "pressure", "bar", -3),
)
_TIME_RANGES: Final = (
    (0x20, "on_time"), (0x24, "operating_time"), (0x70, "averaging_duration"), (0x74, "actuality_duration"),
)  # fmt: skip
_SINGLE: Final = {
    _DATE: Meaning(name="date"),
    _MOMENT: Meaning(name="datetime"),
    0x6E: Meaning(name="hca_units"),
    0x78: Meaning(name="fabrication_number"),
    0x79: Meaning(name="enhanced_identification"),
    0x7A: Meaning(name="bus_address"),
}
_FB_RANGES: Final = (
    # the same for the table behind FB (EN 13757-3, table 13), in base units
    (0x00, 2, "energy", "W.h", 5),
    (0x02, 2, "energy_reactive", "kvar.h", 0),
    (0x04, 2, "energy_apparent", "kV.A.h", 0),
    (0x08, 2, "energy", "J", 8),
    (0x0C, 4, "energy", "kcal", 2),
    (0x10, 2, "volume", "m3", 2),
    (0x14, 4, "power_reactive", "kvar", -3),
    (0x18, 2, "mass", "kg", 5),
    (0x1A, 2, "humidity", "%", -1),
    (0x28, 2, "power", "W", 5),
    (0x2C, 4, "frequency", "Hz", -3),
    (0x30, 2, "power", "J/h", 8),
    (0x34, 4, "power_apparent", "kV.A", -3),
)


def _ranged(code: int, ranges: tuple[tuple[int, int, str, str, int], ...]) -> Meaning | None:
    for first, count, name, unit, exponent in ranges:
        if first <= code < first + count:
            return Meaning(name=name, unit=unit, exponent=exponent + code - first)
    return None


def _primary(vif: int) -> Meaning:
    for first, name in _TIME_RANGES:
        if first <= vif < first + 4:
            return Meaning(name=name, unit=_TIMES[vif - first])
    return _SINGLE.get(vif) or _ranged(vif, _RANGES) or Meaning(name=f"vif_{vif:02x}")


def _fb(code: int) -> Meaning:
    return _ranged(code, _FB_RANGES) or Meaning(name=f"fb_{code:02x}")


def _fd(code: int) -> Meaning:
    """Voltage, current and error flags; of the rest of that long table the code says more than a name of ours."""
    if code & 0xF0 == 0x40:
        return Meaning(name="voltage", unit="V", exponent=(code & 0x0F) - 9)
    if code & 0xF0 == 0x50:
        return Meaning(name="current", unit="A", exponent=(code & 0x0F) - 12)
    if code == 0x17:
        return Meaning(name="error_flags", bits=True)
    return Meaning(name=f"fd_{code:02x}")


def names() -> tuple[str, ...]:
    """Give every name that a VIF of these tables stands for, sorted."""
    ranged = (name for table in (_RANGES, _FB_RANGES) for _, _, name, _, _ in table)
    single = (meaning.name for meaning in _SINGLE.values())
    timed = (name for _, name in _TIME_RANGES)
    return tuple(sorted({*ranged, *single, *timed, "voltage", "current", "error_flags"}))
