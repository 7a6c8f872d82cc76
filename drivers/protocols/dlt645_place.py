"""``at`` of a DL/T 645 point: a data identifier, and which value of what stands under it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from drivers.codec import bcd
from drivers.codec.dlt645 import Edition
from drivers.codec.dlt645_items import offered
from drivers.codec.dlt645_load import is_load
from drivers.decoded import Quantity
from drivers.profile import NamedLocation, Point, Profile
from drivers.protocols.dlt645_decode import named_values

_KEYS: Final = ("di", "item", "offset", "bytes", "decimals", "signed")
_MOST_ITEMS: Final = 128


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
    """

    identifier: str
    item: int = 0
    offset: int = 0
    size: int = 0
    decimals: int = 0
    signed: bool = False
    single: str = ""


def place_of(point: Point, edition: Edition, where: str) -> Place:
    """Read where a point stands; ProfileError if the edition has no such place."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
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
        )
    for key in ("offset", "decimals", "signed"):
        if at.has(key):
            raise at.fault(key, "goes only with bytes; else the standard's table says it")
    item = at.integer("item", 0, _MOST_ITEMS, 0)
    if edition is Edition.V2007 and is_load(identifier):
        return Place(identifier=identifier, item=item)
    known = offered(edition, identifier)
    if not known:
        raise at.fault("di", f"{identifier} is not in the table of {edition.value}; give bytes and decimals")
    if item >= len(known):
        raise at.fault("item", f"is {item}; {identifier} has {len(known)}, counted from 0")
    single = known[item].single
    return Place(identifier=identifier, item=item, single=single if single != identifier else "")


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


def reply_size(edition: Edition, identifier: str, places: tuple[Place, ...]) -> int:
    """Give the least bytes of data with which all ``places`` can be there; for the time on the wire."""
    size = max((place.offset + place.size for place in places), default=0)
    last = max((place.item for place in places if not place.size), default=-1)
    return max(size, sum(item.size for item in offered(edition, identifier)[: last + 1]))
