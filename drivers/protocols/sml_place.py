"""``at`` of an SML point: the OBIS code of its list entry, and addresses as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.codec.obis import obis_bytes, obis_text
from drivers.decoded import Quantity
from drivers.named_values import NOTHING
from drivers.profile import NamedLocation, Point, Profile
from drivers.protocols.sml_told import SERVER_ID, STATUS, UNSIGNED
from drivers.sanitize import sanitize
from drivers.words import N_

_KEYS: Final = ("obis", "part", "unsigned", "text")
_PARTS: Final = {"status": STATUS, "server_id": SERVER_ID}
_HEX: Final = re.compile(r"(?:[0-9A-F]{2}){1,32}")
ANY: Final = "ANY"
"""Address of the only meter that an optical head sits on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmlPlace:
    """Where the value of a point stands.

    Attributes:
        name: of the entry, its times and its signature.
        suffix: of what is taken beside the value, such as its status word.
        unsigned: the meter puts positive numbers into too few signed bytes.
        is_text: the bytes are characters.
    """

    name: str
    suffix: str = ""
    unsigned: bool = False
    is_text: bool = False

    def find(self, said: Mapping[str, Quantity]) -> Quantity:
        """Give what a meter said here; NOTHING if nothing was."""
        found = said.get(self.name + self.suffix, NOTHING)
        if self.unsigned:
            found = said.get(self.name + UNSIGNED, found)
        if self.is_text and isinstance(found.value, str):
            text = bytes.fromhex(found.value).rstrip(b"\x00").decode("utf-8", "replace")
            return Quantity(quantity=found.quantity, value=sanitize(text) or None)
        return found


def place_of(point: Point, where: str) -> SmlPlace:
    """Read where a point stands; ProfileError if it is no place of a list."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    suffix = at.choice("part", _PARTS) if at.has("part") else ""
    if suffix == SERVER_ID:
        return SmlPlace(name=SERVER_ID)
    try:
        code = obis_text(obis_bytes(at.text("obis")))
    except ValueError as error:
        raise at.fault("obis", str(error)) from error
    return SmlPlace(
        name=code,
        suffix=suffix,
        unsigned=at.flag("unsigned", default=False),
        is_text=at.flag("text", default=False),
    )


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, profile.id)


def read_address(text: str) -> str:
    """Give an address in its one form: ``ANY`` for the only meter of a head, or a server id in hexadecimal.

    Raises:
        ValueError: it is none.
    """
    address = text.replace(" ", "").replace("-", "").upper()
    if address != ANY and not _HEX.fullmatch(address):
        raise ValueError(N_("any, where the meter is the only one, or its server id in hexadecimal"))
    return address
