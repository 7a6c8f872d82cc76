"""``at`` of an IEC 62056-21 point: the id of its data set, and addresses as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from drivers.codec.iec62056_21_data import Obis, parse_obis
from drivers.decoded import Quantity
from drivers.meter_clock import OFFSET
from drivers.named_values import NOTHING
from drivers.profile import Kind, NamedLocation, Point, Profile
from drivers.words import N_

_KEYS: Final = ("obis", "part", "clock")
_PARTS: Final = re.compile(r"time|[2-9]")
_ADDRESS: Final = re.compile(r"[0-9A-Z]{1,32}")
_DIGITS: Final = re.compile(r"[0-9]{1,30}")
ANY: Final = "ANY"
"""Address of the only meter of a line: the sign-on names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the value of a point stands.

    Attributes:
        id: as the profile writes it.
        obis: the same taken apart; the meter may send it longer or shorter. None for the difference of the clocks.
        suffix: ``.time`` or ``#2`` for a group beside the value.
        amount: whether a row of digits is a number here rather than a text.
    """

    id: str
    obis: Obis | None
    suffix: str
    amount: bool

    def find(self, said: Mapping[str, Quantity]) -> Quantity:
        """Give what a meter said here, by the very id or else by one that means the same; NOTHING without."""
        found = said.get(self.id + self.suffix)
        if found is None:
            found = next((one for name, one in said.items() if self._is_meant(name)), NOTHING)
        if self.amount and isinstance(found.value, str) and _DIGITS.fullmatch(found.value):
            return Quantity(quantity=found.quantity, value=Decimal(found.value), unit=found.unit)
        return found

    def _is_meant(self, name: str) -> bool:
        if self.obis is None or not name.endswith(self.suffix):
            return False
        other = parse_obis(name[: len(name) - len(self.suffix)])
        return other is not None and self.obis.fits(other)


def place_of(point: Point, where: str) -> Place:
    """Read where a point stands; ProfileError if it is no id of a data set."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    if at.has("clock") and at.choice("clock", {"offset": True}, default=True):
        if at.has("obis"):
            raise at.fault("clock", "stands without obis: the meter's own is 1.0.0, or 0.9.1 with 0.9.2")
        return Place(id=OFFSET, obis=None, suffix="", amount=False)
    name = at.text("obis")
    obis = parse_obis(name)
    if obis is None:
        raise at.fault("obis", f"is {name!r}: an id such as 1.8.0, 1-0:1.8.0*255 or F.F")
    part = at.text("part") if at.has("part") else ""
    if part and not _PARTS.fullmatch(part):
        raise at.fault("part", f"is {part!r}: time, or 2 to 9 for a later group in parentheses")
    suffix = ".time" if part == "time" else f"#{part}" if part else ""
    return Place(id=name, obis=obis, suffix=suffix, amount=point.kind in (Kind.GAUGE, Kind.COUNTER))


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, profile.id)


def read_address(text: str) -> str:
    """Give an address as the sign-on carries it, without zeros in front; ``ANY`` for the only meter of a line.

    Raises:
        ValueError: it is none.
    """
    address = text.replace(" ", "").upper()
    if not _ADDRESS.fullmatch(address):
        raise ValueError(N_("up to 32 digits or letters as on the meter, or any where it is the only one"))
    return address.lstrip("0") or "0"
