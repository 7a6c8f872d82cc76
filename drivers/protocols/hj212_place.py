"""``at`` of an HJ 212 point: the code of what is monitored, the kind of value, and the packet that carries it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.codec.hj212_factors import CODE
from drivers.profile import NamedLocation, Point, Profile
from drivers.words import N_

ANY: Final = "ANY"
"""Address of a station whatever it calls itself; one port carries one."""
_KEYS: Final = ("factor", "value", "data")
_VALUES: Final = (
    "Rtd", "Min", "Avg", "Max", "Cou", "ZsRtd", "ZsMin", "ZsAvg", "ZsMax", "Flag", "EFlag", "SampleTime",
    "RS", "RT", "Data", "DayData", "NightData",
)  # fmt: skip
_ADDRESS: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")


class Carrier(Enum):
    """The upload that carries a value; the number is its command (table 9)."""

    REALTIME = "2011"
    STATE = "2021"
    DAY = "2031"
    RUNTIME = "2041"
    MINUTE = "2051"
    HOUR = "2061"

    @property
    def is_past(self) -> bool:
        """Whether it tells of a period that is over."""
        return self not in (Carrier.REALTIME, Carrier.STATE)


_CARRIERS: Final = {carrier.name.lower(): carrier for carrier in Carrier}
_USUAL: Final = {"RS": Carrier.STATE, "RT": Carrier.RUNTIME}
_NOW: Final = ("Rtd", "ZsRtd", "Flag", "EFlag", "SampleTime", "Data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands.

    Attributes:
        factor: such as ``w01018``, or ``SB1`` for a treatment facility.
        value: end of its field name, such as ``Rtd``.
    """

    factor: str
    value: str
    carrier: Carrier

    @property
    def field(self) -> str:
        """Name of the field."""
        return f"{self.factor}-{self.value}"


def place_of(point: Point, profile_id: str) -> Place:
    """Read where a point stands; ProfileError if the standard has no such place."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{profile_id}: point[{point.name}].at", _KEYS)
    factor = at.text("factor")
    if not CODE.fullmatch(factor):
        raise at.fault("factor", f"is {factor!r}: letters and digits, such as w01018")
    value = at.choice("value", {value: value for value in _VALUES}, "Rtd")
    usual = _USUAL.get(value, Carrier.REALTIME if value in _NOW else Carrier.MINUTE)
    return Place(factor=factor, value=value, carrier=at.choice("data", _CARRIERS, usual))


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, profile.id)


def read_address(text: str) -> str:
    """Give the identity ``MN`` of a station, or ANY.

    Raises:
        ValueError: it cannot be one.
    """
    address = text.strip()
    if address.upper() == ANY:
        return ANY
    if not _ADDRESS.fullmatch(address):
        raise ValueError(N_("the station's MN, 24 letters and digits by the standard, or ANY"))
    return address
