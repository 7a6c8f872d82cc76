"""``[[point]]`` of a profile file -> Point. profiles/README.md lists the keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from drivers.profile import Kind, Label, ModbusLocation, NumberType, Point, PointClass, Table, WordOrder
from drivers.profile_about import Access
from drivers.profile_fields import Fields, hint
from drivers.profile_write import read_write
from drivers.units import UNITS

_KEYS: Final = (
    "name", "label", "at", "unit", "scale", "decimals", "exponent", "kind", "class", "range", "sentinels", "every_s",
    "urgent", "access", "write",
)  # fmt: skip
_AT_KEYS: Final = ("table", "address", "type", "words", "bit")
_NAME: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
LABEL_KEYS: Final = ("en", "zh")
_ADDRESSES: Final = 65536
_MOST_DIGITS: Final = 18
_FINEST: Final = -18  # block format: exponent is -18..18

TABLES: Final = {
    "coil": Table.COIL,
    "discrete": Table.DISCRETE_INPUT,
    "holding": Table.HOLDING_REGISTER,
    "input": Table.INPUT_REGISTER,
}
_TYPES: Final = {t.value: t for t in NumberType}
_WORDS: Final = {w.value: w for w in WordOrder}
_KINDS: Final = {k.name.lower(): k for k in Kind}
_CLASSES: Final = {c.name.lower(): c for c in PointClass}
_ACCESS: Final = {a.value: a for a in Access}


def read_label(fields: Fields, key: str) -> Label:
    """Read a name in both languages."""
    both = fields.sub(key, LABEL_KEYS)
    return Label(en=both.text("en"), zh=both.text("zh"))


def read_point(data: object, where: str) -> Point:
    """Read one point of a Modbus profile; ProfileError names the first wrong key."""
    fields = Fields(data, where, _KEYS)
    name = fields.text("name")
    if not _NAME.fullmatch(name) or len(name) > 128:
        raise fields.fault("name", f"is {name!r}: lower-case words of a-z, 0-9 and _, joined by dots")
    location = read_location(fields)
    default_kind = Kind.STATE if location.type is NumberType.BIT else Kind.GAUGE
    kind = fields.choice("kind", _KINDS, default_kind)
    if location.type is NumberType.BIT and kind in (Kind.GAUGE, Kind.COUNTER):
        raise fields.fault("kind", "a bit is a state or an event")
    scale = fields.exact("scale", Decimal(1))
    if scale == 0 or len(scale.as_tuple().digits) > _MOST_DIGITS:
        raise fields.fault("scale", f"must not be 0 nor have more than {_MOST_DIGITS} digits")
    exponent = _exponent(fields, location.type, scale)
    if kind in (Kind.STATE, Kind.EVENT) and (scale != 1 or exponent != 0):
        raise fields.fault("scale", "a state or event is not scaled")
    low, high = _range(fields)
    access = fields.choice("access", _ACCESS, Access.READ)
    if access is Access.WRITE and fields.has("every_s"):
        raise fields.fault("every_s", 'a point with access = "w" is never read')
    return Point(
        name=name,
        label=read_label(fields, "label"),
        location=location,
        unit=_unit(fields, kind),
        scale=scale,
        exponent=exponent,
        kind=kind,
        klass=fields.choice("class", _CLASSES, PointClass.TELEMETRY),
        low=low,
        high=high,
        sentinels=_sentinels(fields, location.type),
        period_s=_period(fields),
        urgent=fields.flag("urgent", default=False),
        access=access,
        write=read_write(fields, location.table, access),
    )


def is_polled(data: object, point: Point) -> bool:
    """Tell whether a point is polled: what can be written too only is where the file names a period."""
    named = isinstance(data, Mapping) and "every_s" in data
    return point.access is Access.READ or (point.access is Access.READ_WRITE and named)


def read_location(fields: Fields) -> ModbusLocation:
    """Read ``at``: where a value stands in a Modbus device."""
    at = Fields(fields.raw("at"), fields.at("at"), _AT_KEYS)
    table = at.choice("table", TABLES)
    address = at.integer("address", 0, _ADDRESSES - 1)
    number = at.choice("type", _TYPES, NumberType.BIT if table.is_bits else NumberType.U16)
    words = at.choice("words", _WORDS, WordOrder.BIG)
    if table.is_bits and number is not NumberType.BIT:
        raise at.fault("type", "coils and discrete inputs hold bits")
    in_register = number is NumberType.BIT and not table.is_bits
    if at.has("bit") is not in_register:
        raise at.fault("bit", "is missing" if in_register else 'goes only with type = "bit" in a register')
    location = ModbusLocation(
        table=table,
        address=address,
        type=number,
        words=words,
        bit=at.integer("bit", 0, 15) if in_register else None,
    )
    if address + location.count > _ADDRESSES:
        raise at.fault("address", f"{number.value} at {address} ends behind the last address")
    return location


def _unit(fields: Fields, kind: Kind) -> str | None:
    if kind in (Kind.STATE, Kind.EVENT):
        if fields.has("unit"):
            raise fields.fault("unit", "a state or event has none")
        return None
    unit = fields.text("unit")
    if unit not in UNITS:
        raise fields.fault("unit", f"{unit!r} is not on the list of drivers/units.py; {hint(unit, UNITS)}")
    return unit


def _exponent(fields: Fields, number: NumberType, scale: Decimal) -> int:
    if fields.has("decimals") and fields.has("exponent"):
        raise fields.fault("exponent", "give decimals or exponent, not both")
    if fields.has("decimals"):
        return -fields.integer("decimals", 0, -_FINEST)
    if fields.has("exponent"):
        return fields.integer("exponent", _FINEST, -_FINEST)
    if number.is_float:
        raise fields.fault("decimals", "is missing: a float has to say how many decimals it is worth")
    finest = scale.normalize().as_tuple().exponent
    assert isinstance(finest, int)  # finite: Fields.exact saw to it
    if finest < _FINEST:
        raise fields.fault("scale", f"{scale} has more than {-_FINEST} decimals")
    return min(0, finest)


def _range(fields: Fields) -> tuple[Decimal | None, Decimal | None]:
    if not fields.has("range"):
        return None, None
    bounds = fields.items("range")
    numbers = [Decimal(b) for b in bounds if isinstance(b, int | Decimal) and not isinstance(b, bool)]
    if len(bounds) != 2 or len(numbers) != 2 or any(n.is_nan() for n in numbers):
        raise fields.fault("range", "has to be [lowest, highest], -inf or inf for no bound")
    low, high = numbers
    if low >= high:
        raise fields.fault("range", f"lowest {low} is not below highest {high}")
    return (low if low.is_finite() else None), (high if high.is_finite() else None)


def _sentinels(fields: Fields, number: NumberType) -> tuple[int, ...]:
    found: list[int] = []
    for raw in fields.items("sentinels"):
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise fields.fault("sentinels", f"{raw!r} is not a whole raw number")
        if not number.is_float and not _fits(raw, number):
            raise fields.fault("sentinels", f"{raw} can never come from {number.value}")
        found.append(raw)
    if found and number is NumberType.BIT:
        raise fields.fault("sentinels", "a bit has none")
    return tuple(found)


def _fits(raw: int, number: NumberType) -> bool:
    bits = 1 if number is NumberType.BIT else 16 * number.registers
    if number.value.startswith("i"):
        return -(1 << bits - 1) <= raw < 1 << bits - 1
    return 0 <= raw < 1 << bits


def _period(fields: Fields) -> float:
    if not fields.has("every_s"):
        return 10.0
    value = fields.raw("every_s")
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not Decimal("0.05") <= value <= 86400:
        raise fields.fault("every_s", "has to be seconds, 0.05 to 86400")
    return float(value)
