"""``at`` of a CJ/T 188 point: a data identifier, and which value of the layout that stands under it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from drivers.codec.cjt188_layout import LAYOUTS, METERING, scaled, values
from drivers.decoded import Quantity
from drivers.profile import NamedLocation, Point, Profile

_KEYS: Final = (
    "di", "value", "layout", "offset", "bytes", "decimals", "unit_at", "byte", "mask", "order", "serial", "type",
    "clock",
)  # fmt: skip
_IDENTIFIER: Final = re.compile(r"[0-9A-F]{4}")
_TYPES: Final = {"water": 0x10, "heat": 0x20, "gas": 0x30}
"""Family of the profile -> type of meter that is asked for."""
_LAYOUTS: Final = {0x10: "water", 0x20: "heat", 0x30: "water"}
_ORDERS: Final = {"high": False, "low": True}
_SERIALS: Final = {"same": False, "any": True}
_STATUS_BYTES: Final = 2
_SETTLEMENT: Final = "_settlement"
CLOCK: Final = "clock"
_UNDATED: Final = (CLOCK, "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked in one exchange, and what the meter makes of it.

    Attributes:
        identifier: as the standard writes it.
        type: kind of meter in the request.
        low_first: whether the low byte of the identifier goes first.
        any_serial: whether the meter answers with a serial number of its own.
    """

    identifier: str
    type: int
    low_first: bool
    any_serial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the value of a point stands.

    Attributes:
        question: what has to be asked for it.
        layout: of the standard; None for a maker's own place.
        value: name in the layout.
        offset: where a maker's own number begins, behind identifier and serial number.
        size: its bytes; 0 for a place in a layout.
        decimals: of such a number.
        unit_at: where its unit byte stands, None if it has none.
        byte: of the status, None for the whole value.
        mask: bits of that byte.
        clock: the difference of the clocks is meant; ``value`` names the meter's.
        historical: the value is of an earlier moment than the reply, which the reply does not tell.
        dated: the reply says when it was given, and this value is of that moment.
    """

    question: Question
    layout: str | None = None
    value: str = ""
    offset: int = 0
    size: int = 0
    decimals: int = 0
    unit_at: int | None = None
    byte: int | None = None
    mask: int = 0xFF
    clock: bool = False
    historical: bool = False
    dated: bool = False


def place_of(point: Point, profile: Profile) -> Place:
    """Read where a point stands; ProfileError if the standard has no such place."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    where = f"{profile.id}: point[{point.name}].at"
    at = point.place.fields(where, _KEYS)
    identifier = at.text("di", METERING)
    if not _IDENTIFIER.fullmatch(identifier):
        raise at.fault("di", f"is {identifier!r}: four digits, upper case, as in the standard")
    if profile.family not in _TYPES and not at.has("type"):
        raise at.fault("type", 'is missing: with class = "water", "heat" or "gas" it need not be here')
    question = Question(
        identifier=identifier,
        type=at.integer("type", 0, 0xFF, _TYPES.get(profile.family, 0)),
        low_first=at.choice("order", _ORDERS, False),
        any_serial=at.choice("serial", _SERIALS, False),
    )
    if at.has("bytes"):
        if at.has("value") or at.has("layout"):
            raise at.fault("bytes", "stand for themselves; a value of a layout has its own")
        return Place(
            question=question,
            offset=at.integer("offset", 0, 250, 0),
            size=at.integer("bytes", 1, 9),
            decimals=at.integer("decimals", 0, 18, 0),
            unit_at=at.integer("unit_at", 0, 250) if at.has("unit_at") else None,
        )
    for key in ("offset", "decimals", "unit_at"):
        if at.has(key):
            raise at.fault(key, "goes only with bytes; else the layout says it")
    is_clock = at.has("clock") and at.choice("clock", {"offset": True}, default=True)
    if is_clock and (at.has("value") or identifier != METERING):
        raise at.fault("clock", f"stands without value, under {METERING}: the layout says where it is")
    layout = at.choice("layout", {name: name for name in LAYOUTS}, _LAYOUTS.get(question.type & 0xF0, "water"))
    value = CLOCK if is_clock else at.text("value")
    if identifier == METERING and value not in {item.name for item in LAYOUTS[layout]}:
        names = ", ".join(item.name for item in LAYOUTS[layout])
        raise at.fault("value", f"is {value!r}; layout {layout!r} has {names}")
    byte = at.integer("byte", 0, _STATUS_BYTES - 1) if at.has("byte") else None
    if byte is not None and value != "status":
        raise at.fault("byte", 'goes only with value = "status"')
    historical = identifier != METERING or value.endswith(_SETTLEMENT)
    return Place(
        question=question,
        layout=layout,
        value=value,
        byte=byte,
        mask=at.integer("mask", 1, 0xFF, 0xFF),
        clock=is_clock,
        historical=historical,
        dated=not historical and value not in _UNDATED,
    )


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, profile)


def shown_at(place: Place, data: bytes) -> Quantity | None:
    """Give what the meter's clock showed in a reply; None if such a reply does not hold it."""
    known = None if place.size else values(place.layout, place.question.identifier, data)
    return next((one for one in known or () if one.quantity == CLOCK), None)


def value_at(place: Place, data: bytes) -> Quantity | None:
    """Take the value out of what stood behind identifier and serial number; None if it is not laid out like that."""
    if place.size:
        part = data[place.offset : place.offset + place.size]
        if len(part) < place.size or (place.unit_at is not None and place.unit_at >= len(data)):
            return None
        number, unit = scaled(part, place.decimals, None if place.unit_at is None else data[place.unit_at])
        return Quantity(quantity="", value=number, unit=unit)
    known = values(place.layout, place.question.identifier, data)
    said = next((one for one in known or () if one.quantity == place.value), None)
    if said is None or place.byte is None or not isinstance(said.value, str):
        return said
    bits = bytes.fromhex(said.value)[place.byte] & place.mask
    return Quantity(quantity=said.quantity, value=Decimal(bits // (place.mask & -place.mask)))


def reply_size(places: tuple[Place, ...]) -> int:
    """Give the bytes of data that all ``places`` need; for the time on the wire."""
    size = max((place.offset + place.size for place in places), default=0)
    layouts = {place.layout for place in places if place.layout is not None}
    return max([size, *(sum(item.size for item in LAYOUTS[layout]) for layout in layouts)])
