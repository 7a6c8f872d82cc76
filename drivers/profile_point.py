"""``[[point]]`` of a profile file -> Point. profiles/README.md lists the keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from drivers.nameplate import PARTS
from drivers.profile import Kind, Label, Location, ModbusLocation, NamedLocation, NumberType, Point, PointClass
from drivers.profile_about import Access
from drivers.profile_at import read_location
from drivers.profile_fields import Fields, hint
from drivers.profile_named import read_named
from drivers.profile_write import read_command, read_write
from drivers.units import UNITS

MODBUS: Final = "modbus"
"""The protocol whose places are registers; all others name their values."""

POINT_KEYS: Final = (
    "name", "label", "at", "unit", "scale", "decimals", "exponent", "kind", "class", "range", "sentinels", "every_s",
    "urgent", "access", "write", "scale_from", "decimals_from", "saturated", "states", "side_effect",
    "digits", "keep_raw", "nameplate",
)  # fmt: skip
_NAME: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
LABEL_KEYS: Final = ("en", "zh")
_MOST_DIGITS: Final = 18
_FINEST: Final = -18  # block format: exponent is -18..18

_KINDS: Final = {k.name.lower(): k for k in Kind}
_CLASSES: Final = {c.name.lower(): c for c in PointClass}
_ACCESS: Final = {a.value: a for a in Access}


def read_label(fields: Fields, key: str) -> Label:
    """Read a name in both languages."""
    both = fields.sub(key, LABEL_KEYS)
    return Label(en=both.text("en"), zh=both.text("zh"))


def read_point(data: object, where: str, protocol: str = MODBUS) -> Point:
    """Read one point of a profile that speaks ``protocol``; ProfileError names the first wrong key."""
    fields = Fields(data, where, POINT_KEYS)
    name = fields.text("name")
    if not _NAME.fullmatch(name) or len(name) > 128:
        raise fields.fault("name", f"is {name!r}: lower-case words of a-z, 0-9 and _, joined by dots")
    location = read_location(fields) if protocol == MODBUS else _read_named(fields)
    states = _states(fields, location)
    kind = _kind(fields, location, states)
    scale = fields.exact("scale", Decimal(1))
    if scale == 0 or len(scale.as_tuple().digits) > _MOST_DIGITS:
        raise fields.fault("scale", f"must not be 0 nor have more than {_MOST_DIGITS} digits")
    exponent = _exponent(fields, location, scale, kind)
    if kind in (Kind.STATE, Kind.EVENT) and (scale != 1 or exponent != 0):
        raise fields.fault("scale", "a state or event is not scaled")
    low, high = _range(fields)
    digits = fields.integer("digits", 1, _MOST_DIGITS) if fields.has("digits") else 0
    if digits and kind is not Kind.COUNTER:
        raise fields.fault("digits", 'goes only with kind = "counter"')
    nameplate = fields.choice("nameplate", {part: part for part in PARTS}, "") if fields.has("nameplate") else ""
    if nameplate and kind not in (Kind.STATE, Kind.EVENT):
        raise fields.fault("nameplate", 'goes only with kind = "state": a name is no amount')
    access = fields.choice("access", _ACCESS, Access.READ)
    if access is Access.WRITE and fields.has("every_s"):
        raise fields.fault("every_s", 'a point with access = "w" is never read')
    return Point(
        name=name,
        label=read_label(fields, "label"),
        place=location,
        unit=_unit(fields, kind),
        scale=scale,
        exponent=exponent,
        kind=kind,
        klass=fields.choice("class", _CLASSES, PointClass.TELEMETRY),
        low=low,
        high=high,
        sentinels=_raws(fields, "sentinels", location),
        saturated=_raws(fields, "saturated", location),
        states=states,
        side_effect=fields.flag("side_effect", default=False),
        digits=digits,
        keep_raw=fields.flag("keep_raw", default=False),
        nameplate=nameplate,
        period_s=_period(fields),
        urgent=fields.flag("urgent", default=False),
        access=access,
        write=(
            read_write(fields, location.table, access)
            if isinstance(location, ModbusLocation)
            else read_command(fields, access)
        ),
    )


def is_polled(data: object, point: Point) -> bool:
    """Tell whether a point is polled: what can be written too only is where the file names a period."""
    named = isinstance(data, Mapping) and "every_s" in data
    return point.access is Access.READ or (point.access is Access.READ_WRITE and named)


def _read_named(fields: Fields) -> NamedLocation:
    for key in ("scale_from", "decimals_from", "side_effect"):
        if fields.has(key):
            raise fields.fault(key, "goes only with registers")
    return read_named(fields)


def _unit(fields: Fields, kind: Kind) -> str | None:
    if kind in (Kind.STATE, Kind.EVENT):
        if fields.has("unit"):
            raise fields.fault("unit", "a state or event has none")
        return None
    unit = fields.text("unit")
    if unit not in UNITS:
        raise fields.fault("unit", f"{unit!r} is not on the list of drivers/units.py; {hint(unit, UNITS)}")
    return unit


def _kind(fields: Fields, location: Location, states: tuple[tuple[int, Label], ...]) -> Kind:
    """Read the kind: bits, words and what has named states are never an amount."""
    named = bool(states)
    if isinstance(location, ModbusLocation):
        named |= location.type is NumberType.BIT or location.type.is_words
    kind = fields.choice("kind", _KINDS, Kind.STATE if named else Kind.GAUGE)
    if named and kind in (Kind.GAUGE, Kind.COUNTER):
        raise fields.fault("kind", "a bit, a text or a number with states is a state or an event")
    return kind


def _states(fields: Fields, location: Location) -> tuple[tuple[int, Label], ...]:
    """Read ``states``: raw number -> its name, one for both languages or one for each."""
    if not fields.has("states"):
        return ()
    table = fields.raw("states")
    if isinstance(location, ModbusLocation) and (
        location.type.is_float or location.type.is_words or location.scale_address is not None
    ):
        raise fields.fault("states", "go only with a whole number or a bit")
    if not isinstance(table, Mapping) or not table:
        raise fields.fault("states", 'has to be a table, such as { 0 = "off", 1 = { en = "on", zh = "开" } }')
    found: list[tuple[int, Label]] = []
    names = fields.sub("states", tuple(table))
    for key in table:
        raw = _whole(key)
        if raw is None or not fits(raw, location):
            raise names.fault(key, f"can never come from {_type_name(location)}")
        single = isinstance(table[key], str)
        label = Label(en=names.text(key), zh=names.text(key)) if single else read_label(names, key)
        found.append((raw, label))
    if len({raw for raw, _ in found}) < len(found):
        raise fields.fault("states", "name one number twice")
    return tuple(found)


def _whole(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def _exponent(fields: Fields, location: Location, scale: Decimal, kind: Kind) -> int:
    if fields.has("decimals") and fields.has("exponent"):
        raise fields.fault("exponent", "give decimals or exponent, not both")
    if fields.has("decimals"):
        return -fields.integer("decimals", 0, -_FINEST)
    if fields.has("exponent"):
        return fields.integer("exponent", _FINEST, -_FINEST)
    if isinstance(location, NamedLocation):
        if kind in (Kind.GAUGE, Kind.COUNTER):
            raise fields.fault("decimals", "is missing: what is sealed has to be promised, whatever the device sends")
        return 0
    if location.type.is_float:
        raise fields.fault("decimals", "is missing: a float has to say how many decimals it is worth")
    if location.scale_address is not None and kind in (Kind.GAUGE, Kind.COUNTER):
        raise fields.fault(
            "decimals", "is missing: with a scale register the number of decimals has to be promised here"
        )
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


def _raws(fields: Fields, key: str, location: Location) -> tuple[int, ...]:
    found: list[int] = []
    for raw in fields.items(key):
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise fields.fault(key, f"{raw!r} is not a whole raw number")
        is_float = isinstance(location, ModbusLocation) and location.type.is_float
        if not is_float and not fits(raw, location):
            raise fields.fault(key, f"{raw} can never come from {_type_name(location)}")
        found.append(raw)
    if not isinstance(location, ModbusLocation):
        return tuple(found)
    if found and (location.type is NumberType.BIT or location.type.is_words):
        raise fields.fault(key, "neither a bit nor a text has any")
    return tuple(found)


def _type_name(location: Location) -> str:
    return location.type.value if isinstance(location, ModbusLocation) else "there"


def fits(raw: int, location: Location) -> bool:
    """Tell whether ``raw`` can stand at ``location``, behind its mask."""
    if isinstance(location, NamedLocation):
        return True
    kind = location.type
    if location.mask is not None:
        return 0 <= raw <= location.mask // (location.mask & -location.mask)
    if kind.is_bcd:
        return 0 <= raw < int("9" * 4 * kind.registers) + 1
    if kind.value.startswith("i"):
        return -(1 << kind.bits - 1) <= raw < 1 << kind.bits - 1
    return 0 <= raw < 1 << kind.bits


def _period(fields: Fields) -> float:
    if not fields.has("every_s"):
        return 10.0
    value = fields.raw("every_s")
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not Decimal("0.05") <= value <= 86400:
        raise fields.fault("every_s", "has to be seconds, 0.05 to 86400")
    return float(value)
