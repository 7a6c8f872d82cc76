"""What of a CJ/T 188 meter may be written: its clock (A015) and, where the profile has one, its valve (A017).

The standard asks for no password. An acknowledgement has the identifier in either order and the serial number, and of
the valve two bytes of status, which say how it stood when the order came: what became of it the next reading shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from drivers.codec import cjt188
from drivers.codec.cjt188 import CLOCK_IDENTIFIER, WAKE_UP
from drivers.errors import ProfileError
from drivers.profile import NamedLocation, Point, Profile
from drivers.setting import ClockWay

CLOCK_BYTES: Final = 7
_IDENTIFIER: Final = re.compile(r"A0[0-9A-F]{2}")
_RESERVED: Final = frozenset(("A010", "A011", "A012", "A013", "A014", "A015", "A016", "A018", "A019"))
"""Prices, days, money, keys, clock, motor, address, leaving the factory: none of it is an output."""
WAY: Final = ClockWay(name="write", telegram=f"CJ/T 188 function 04, {CLOCK_IDENTIFIER}")
WRITE_OVERHEAD: Final = len(WAKE_UP) + cjt188.OVERHEAD + 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output: the identifier that it is switched under, and its order; None for that of the meter's readings."""

    identifier: str
    low_first: bool | None


def ways(profile: Profile, address: str) -> tuple[ClockWay, ...]:
    """Give the ways that the profile allows; a meter whose address nobody knows in full is never written to."""
    return (WAY,) if profile.clock is not None and address.isdecimal() else ()


def output_of(control: Point, profile: Profile) -> Output:
    """Read where an output stands; ProfileError if it is none."""
    assert isinstance(control.place, NamedLocation)  # the profile names this protocol
    at = control.place.fields(f"{profile.id}: point[{control.name}].at", ("di", "order"))
    identifier = at.text("di")
    if not _IDENTIFIER.fullmatch(identifier) or identifier in _RESERVED:
        raise at.fault("di", f"is {identifier!r}: an output stands under A017 or a maker's own A0..")
    low_first = at.choice("order", {"high": False, "low": True}) if at.has("order") else None
    return Output(identifier=identifier, low_first=low_first)


def check_control(control: Point, profile: Profile) -> None:
    """Raise ProfileError unless a command can write ``control``: words of one byte under an identifier."""
    output_of(control, profile)
    rule = control.write
    assert rule is not None  # the reader of profiles saw to it
    if any(raw > 0xFF for _, raw in rule.values):
        raise ProfileError(f"{profile.id}: point[{control.name}].write.values", "are numbers of one byte")


def clock_of(moment: datetime) -> tuple[int, int, int, int, int, int]:
    """Give a moment as the codec takes it."""
    return moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second
