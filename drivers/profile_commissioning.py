"""What matters on the day of installation: ``[[doubt]]``, ``[ratios]`` and ``[fingerprint]`` of a profile file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from drivers.profile import Fingerprint, ModbusLocation, NumberType
from drivers.profile_about import Doubt, Label, Ratio
from drivers.profile_at import read_location
from drivers.profile_fields import Fields, hint
from drivers.profile_point import LABEL_KEYS, read_label

DOUBT_KEYS: Final = ("points", *LABEL_KEYS)
RATIO_KEYS: Final = ("label", "points", "range")
FINGERPRINT_KEYS: Final = ("at", "values", "mask", "own_unit", "alike", "identity")
_ON_A_REGISTER: Final = ("at", "values", "mask", "own_unit")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def read_doubt(data: object, where: str, names: set[str]) -> Doubt:
    """Read one ``[[doubt]]`` that may speak of the points called ``names``."""
    fields = Fields(data, where, DOUBT_KEYS)
    label = Label(en=fields.text("en"), zh=fields.text("zh"))
    return Doubt(says=label, points=_points(fields, names))


def read_ratios(top: Fields, names: set[str]) -> tuple[Ratio, ...]:
    """Read ``[ratios]``: one table for each answer that the site has to give."""
    if not top.has("ratios"):
        return ()
    table = top.raw("ratios")
    if not isinstance(table, dict) or not all(isinstance(key, str) and key.isidentifier() for key in table):
        raise top.fault("ratios", "has to hold one table for each ratio, such as [ratios.ct]")
    ratios = top.sub("ratios", tuple(table))
    return tuple(_ratio(ratios.sub(name, RATIO_KEYS), name, names) for name in table)


def _ratio(fields: Fields, name: str, names: set[str]) -> Ratio:
    points = _points(fields, names)
    if not points:
        raise fields.fault("points", "has to name the points that are multiplied")
    bounds = fields.items("range")
    numbers = [Decimal(b) for b in bounds if isinstance(b, int | Decimal) and not isinstance(b, bool)]
    if len(bounds) != 2 or len(numbers) != 2 or not all(n.is_finite() and n > 0 for n in numbers):
        raise fields.fault("range", "has to be [lowest, highest] answer, both above 0")
    if numbers[0] >= numbers[1]:
        raise fields.fault("range", f"lowest {numbers[0]} is not below highest {numbers[1]}")
    return Ratio(name=name, label=read_label(fields, "label"), points=points, low=numbers[0], high=numbers[1])


def read_fingerprint(top: Fields) -> Fingerprint | None:
    """Read ``[fingerprint]``; None when the file has none."""
    if not top.has("fingerprint"):
        return None
    fields = top.sub("fingerprint", FINGERPRINT_KEYS)
    alike = tuple(_texts(fields, "alike"))
    if fields.has("identity"):
        return Fingerprint(location=None, alike=alike, told=tuple(_told(fields)))
    if not fields.has("at"):
        for key in ("values", "mask", "own_unit"):
            if fields.has(key):
                raise fields.fault(key, "goes only with at")
        if not fields.has("alike"):
            raise fields.fault("at", "is missing; a device that offers nothing says alike = [...]")
        return Fingerprint(location=None, alike=alike)
    location = read_location(fields)
    own_unit = fields.flag("own_unit", default=False)
    values = tuple(_raws(fields, location))
    if bool(values) is own_unit:
        raise fields.fault("values", "give either values or own_unit = true")
    most = (1 << 16 * location.count) - 1
    mask = fields.integer("mask", 1, most) if fields.has("mask") else None
    return Fingerprint(location=location, values=values, mask=mask, own_unit=own_unit, alike=alike)


def _told(fields: Fields) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Read what a device says of itself: a name of ``tidegate decode`` and the text, or texts, that stand there."""
    for key in _ON_A_REGISTER:
        if fields.has(key):
            raise fields.fault(key, "is about a register; a device that says who it is has none")
    table = fields.raw("identity")
    if not isinstance(table, dict) or not table:
        raise fields.fault("identity", 'has to be a table such as { manufacturer = "KAM", version = "8" }')
    for name, value in table.items():
        texts = value if isinstance(value, list) else [value]
        right = texts and all(isinstance(text, str) and text.strip() for text in texts)
        if not right or not _NAME.fullmatch(str(name)):
            raise fields.fault(f"identity.{name}", "has to be a text in quotes, or an array of them")
        yield str(name), tuple(str(text) for text in texts)


def _raws(fields: Fields, location: ModbusLocation) -> Iterator[int]:
    bits = 1 if location.type is NumberType.BIT else 16 * location.count
    for raw in fields.items("values"):
        if not isinstance(raw, int) or isinstance(raw, bool) or not -(1 << bits - 1) <= raw < 1 << bits:
            raise fields.fault("values", f"{raw!r} can never come from this register")
        yield raw


def _points(fields: Fields, names: set[str]) -> tuple[str, ...]:
    found = tuple(_texts(fields, "points"))
    for name in found:
        if name not in names:
            raise fields.fault("points", f"no such point {name!r}; {hint(name, names)}")
    return found


def _texts(fields: Fields, key: str) -> Iterator[str]:
    for text in fields.items(key):
        if not isinstance(text, str) or not text.strip():
            raise fields.fault(key, "has to be an array of texts in quotes")
        yield text
