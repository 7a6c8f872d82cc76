"""``at`` of a point in a pushed list: the OBIS code of a value, or its place where the list names none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.codec.axdr import clock
from drivers.codec.obis import obis_bytes, obis_text
from drivers.decoded import Quantity
from drivers.named_values import NOTHING
from drivers.profile import NamedLocation, Point, Profile
from drivers.sanitize import sanitize
from drivers.words import N_

_KEYS: Final = ("obis", "item", "text", "clock")
_ITEMS: Final = re.compile(r"[1-9][0-9]{0,2}/[1-9][0-9]{0,2}(?: [1-9][0-9]{0,2}/[1-9][0-9]{0,2})*")
ANY: Final = "ANY"
"""Address of the meter: a port has one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlace:
    """Where the value of a point stands.

    Attributes:
        names: under which it may stand; the first that is there counts.
        is_text: its bytes are characters.
        is_clock: its bytes are a date-time.
    """

    names: tuple[str, ...]
    is_text: bool = False
    is_clock: bool = False

    @property
    def name(self) -> str:
        """Its first name."""
        return self.names[0]

    def find(self, said: Mapping[str, Quantity]) -> Quantity:
        """Give what a meter said here; NOTHING if nothing was."""
        found = next((said[name] for name in self.names if name in said), NOTHING)
        if not isinstance(found.value, str) or not (self.is_text or self.is_clock):
            return found
        try:
            octets = bytes.fromhex(found.value)
        except ValueError:
            return found  # characters already
        text = clock(octets) if self.is_clock else sanitize(octets.rstrip(b"\x00").decode("utf-8", "replace"))
        return Quantity(quantity=found.quantity, value=text or None)


def place_of(point: Point, where: str) -> PushPlace:
    """Read where a point stands; ProfileError if it is no place of a list."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    if at.has("obis") is at.has("item"):
        raise at.fault("obis", "give obis, or item where the list has no codes")
    if at.has("item"):
        item = at.text("item")
        if not _ITEMS.fullmatch(item):
            raise at.fault("item", f'is {item!r}: place and length of the list, such as "4/13", several with blanks')
        names = tuple(item.split())
    else:
        try:
            names = (obis_text(obis_bytes(at.text("obis"))),)
        except ValueError as error:
            raise at.fault("obis", str(error)) from error
    return PushPlace(
        names=names,
        is_text=at.flag("text", default=False),
        is_clock=at.flag("clock", default=False),
    )


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, profile.id)


def read_address(text: str) -> str:
    """Give ``ANY``: a customer port has one meter. Raises ValueError for anything else."""
    if text.strip().upper() != ANY:
        raise ValueError(N_("any: a customer port has one meter alone"))
    return ANY
