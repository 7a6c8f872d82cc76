"""``at`` of an SDI-12 point: the command that starts the measurement, and which of its values; addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import ProfileError
from drivers.profile import NamedLocation, Point, Profile
from drivers.words import N_

_KEYS: Final = ("command", "value")
_COMMAND: Final = re.compile(r"([MC])(C?)[1-9]?|(R)(C?)[0-9]|(V)")
_ADDRESS: Final = re.compile(r"[0-9A-Za-z]")
_MOST_VALUES: Final = 99


@dataclass(frozen=True, slots=True)
class Command:
    """What starts a measurement, as it stands behind the address: ``M``, ``MC1``, ``C``, ``R0``, ``V``."""

    text: str

    @property
    def concurrent(self) -> bool:
        """Whether others may be asked while it is carried out (4.4.7)."""
        return self.text.startswith("C")

    @property
    def continuous(self) -> bool:
        """Whether the values come at once (4.4.9)."""
        return self.text.startswith("R")

    @property
    def crc(self) -> bool:
        """Whether the data have a CRC (4.4.12)."""
        return self.text[1:2] == "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the value of a point stands.

    Attributes:
        value: its number in all that the measurement gives, from 1.
    """

    command: Command
    value: int


def place_of(point: Point, where: str) -> Place:
    """Read where a point stands; ProfileError if the standard has no such place."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    text = at.text("command")
    if not _COMMAND.fullmatch(text):
        raise at.fault("command", f"is {text!r}: M, M1 to M9, C, C1 to C9, R0 to R9 or V; MC, CC, RC with a CRC")
    return Place(command=Command(text), value=at.integer("value", 1, _MOST_VALUES))


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none, or that spoils the measurement of another."""
    commands = [(point, place_of(point, profile.id).command) for point in profile.points]
    others = [point.name for point, command in commands if not command.concurrent]
    if others and len(others) < len(commands):
        where = f"{profile.id}: point[{others[0]}].at.command"
        raise ProfileError(
            where, "a command to the sensor ends its concurrent measurement; give all points C, or none"
        )


def read_address(text: str) -> str:
    """Give an address, one digit or letter; capitals and small letters are different sensors.

    Raises:
        ValueError: it is none.
    """
    address = text.strip()
    if not _ADDRESS.fullmatch(address):
        raise ValueError(N_("one digit or letter; a sensor leaves its factory as 0"))
    return address
