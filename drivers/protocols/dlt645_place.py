"""``at`` of a DL/T 645 point: a data identifier, and which value of what stands under it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from drivers.codec import bcd
from drivers.codec.dlt645 import Edition
from drivers.codec.dlt645_items import Form, offered
from drivers.codec.dlt645_load import is_load
from drivers.decoded import Quantity
from drivers.profile import NamedLocation, Point, Profile
from drivers.protocols.dlt645_decode import named_values

_KEYS: Final = ("di", "item", "offset", "bytes", "decimals", "signed", "clock")
_MOST_ITEMS: Final = 128
_PAST_1997: Final = (0x90, 0x91, 0xA0, 0xA1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the value of a point stands.

    Attributes:
        identifier: what is read, high byte first.
        item: which of the values under it, from 0, as the standard's table has them.
        offset: where the bytes of a maker's own number begin.
        size: how many they are; 0 if the standard's table says how to read.
        decimals: of such a number.
        signed: whether its top bit is a sign.
        single: identifier under which the value can be read without its block; empty if it has none.
        clock: the difference of the clocks is meant, for which date and time are read; ``identifier`` is the date's.
        historical: the value is of an earlier moment than the reply: a demand, a frozen value, a record.
        stamp: identifier of the moment at which it was frozen, where that stands by itself; empty elsewhere.
    """

    identifier: str
    item: int = 0
    offset: int = 0
    size: int = 0
    decimals: int = 0
    signed: bool = False
    single: str = ""
    clock: bool = False
    historical: bool = False
    stamp: str = ""


CLOCK: Final = {Edition.V2007: ("04000101", "04000102"), Edition.V1997: ("C010", "C011")}
"""Identifiers of date and time."""


def place_of(point: Point, edition: Edition, where: str) -> Place:
    """Read where a point stands; ProfileError if the edition has no such place."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    if at.has("clock"):
        if at.choice("clock", {"offset": True}, default=True) and len(point.place.words) == 1:
            return Place(identifier=CLOCK[edition][0], clock=True)
        raise at.fault("clock", "stands alone: the standard says where date and time are")
    identifier = at.text("di")
    digits = 2 * edition.identifier_bytes
    if not re.fullmatch(f"[0-9A-F]{{{digits}}}", identifier):
        raise at.fault("di", f"is {identifier!r}: {digits} digits, upper case, high byte first")
    if at.has("bytes"):
        if at.has("item"):
            raise at.fault("item", "goes with the standard's table; bytes and offset stand for themselves")
        return Place(
            identifier=identifier,
            offset=at.integer("offset", 0, 250, 0),
            size=at.integer("bytes", 1, 9),
            decimals=at.integer("decimals", 0, 18, 0),
            signed=at.flag("signed", default=False),
            historical=_is_historical(edition, identifier),
            stamp=_stamp(edition, identifier),
        )
    for key in ("offset", "decimals", "signed"):
        if at.has(key):
            raise at.fault(key, "goes only with bytes; else the standard's table says it")
    item = at.integer("item", 0, _MOST_ITEMS, 0)
    if edition is Edition.V2007 and is_load(identifier):
        return Place(identifier=identifier, item=item, historical=True)
    known = offered(edition, identifier)
    if not known:
        raise at.fault("di", f"{identifier} is not in the table of {edition.value}; give bytes and decimals")
    if item >= len(known):
        raise at.fault("item", f"is {item}; {identifier} has {len(known)}, counted from 0")
    single = known[item].single
    is_value = known[item].form is not Form.MOMENT
    return Place(
        identifier=identifier,
        item=item,
        single=single if single != identifier else "",
        historical=is_value and _is_historical(edition, identifier),
        stamp=_stamp(edition, identifier) if is_value else "",
    )


def _is_historical(edition: Edition, identifier: str) -> bool:
    """Tell whether what stands there is of an earlier moment: demands, closed months, frozen values and records."""
    if edition is Edition.V1997:
        high = int(identifier[:2], 16)
        return high & 0xF3 in _PAST_1997 and (high & 0x0C != 0 or high >> 4 == 0xA)
    return identifier[:2] in ("01", "05", "06") or (identifier[:2] == "00" and identifier[6:] != "00")


def _stamp(edition: Edition, identifier: str) -> str:
    """Give where the moment of a freeze stands; demands that were frozen have one of their own beside them."""
    if edition is Edition.V1997 or identifier[:2] != "05" or identifier[4:6] in ("00", "09", "0A"):
        return ""
    return f"{identifier[:4]}00{identifier[6:]}"


def check_places(profile: Profile, edition: Edition) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, edition, profile.id)


def value_at(place: Place, edition: Edition, data: bytes) -> Quantity | None:
    """Take the value out of what stood under the identifier; None if the data is not laid out like that."""
    if place.size:
        part = data[place.offset : place.offset + place.size]
        if len(part) < place.size:
            return None
        return Quantity(quantity="", value=bcd.exact(part, place.decimals, signed=place.signed))
    known = named_values(edition, place.identifier, data)
    return known[place.item] if known is not None and place.item < len(known) else None


def moment_at(place: Place, edition: Edition, data: bytes) -> Quantity | None:
    """Give when a historical value was taken, as what stood under the identifier says; None if that says nothing."""
    known = None if place.size else named_values(edition, place.identifier, data)
    if known is None or place.item >= len(known):
        return None
    after = known[place.item + 1 : place.item + 2]
    if after and after[0].quantity == f"{known[place.item].quantity}_time":
        return after[0]
    return next((one for one in reversed(known[: place.item]) if one.quantity == "load_time"), None)


def reply_size(edition: Edition, identifier: str, places: tuple[Place, ...]) -> int:
    """Give the least bytes of data with which all ``places`` can be there; for the time on the wire."""
    size = max((place.offset + place.size for place in places), default=0)
    last = max((place.item for place in places if not place.size), default=-1)
    return max(size, sum(item.size for item in offered(edition, identifier)[: last + 1]))
