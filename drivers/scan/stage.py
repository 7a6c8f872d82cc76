"""What a plan is made of: questions at one setting, with a rank; and what a plan is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from drivers.profile import LineSettings

if TYPE_CHECKING:
    from drivers.scan.probe import Address, Ask


class Rank(IntEnum):
    """What a stage is for, first first."""

    KNOWN = 0
    FACTORY = 1
    WILD = 2
    """One question to everybody at a likely setting."""
    LOW = 3
    WILD_RARE = 4
    """The same at less likely settings, or in less likely words."""
    LOW_EVEN = 5
    HIGH = 6
    HIGH_EVEN = 7
    SWEEP = 8
    """Every address of a protocol whose devices should have answered a question to everybody."""
    DEEP = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Questions that are asked one after the other at one setting.

    Attributes:
        line: what the port is set to.
        patient: whether slow devices are waited for from the start.
    """

    rank: Rank
    protocol: str
    line: LineSettings
    asks: tuple[Ask, ...]
    patient: bool = False

    @property
    def key(self) -> str:
        """Name in the state file."""
        line = self.line
        speed = f"{line.baud}/{line.data_bits}{line.parity.value}{line.stop_bits}"
        return f"{self.rank.name.lower()}/{self.protocol}/{speed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somebody is said to be there.

    Attributes:
        request: what to ask, b"" for the protocol's usual question.
        name: of the device in the site file, empty if it stands in none.
    """

    line: LineSettings
    address: Address
    protocol: str = "modbus"
    request: bytes = b""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a plan is made from.

    Attributes:
        known: what the site file says of this line.
        neighbours: settings of the site's lines, the most telling first.
        factory: where new devices are expected.
        bauds: the only speeds to try; empty for all, likely ones first.
        units: the only Modbus addresses to try; empty for all.
        deep: go on with every address at every setting, patiently.
    """

    known: Sequence[Place] = ()
    neighbours: Sequence[LineSettings] = ()
    factory: Sequence[Place] = ()
    bauds: Sequence[int] = ()
    units: Sequence[int] = ()
    deep: bool = False

    def known_of(self, protocol: str) -> tuple[Place, ...]:
        """Give the known places of one protocol."""
        return tuple(place for place in self.known if place.protocol == protocol)

    def allows(self, baud: int) -> bool:
        """Tell whether a speed is to be tried."""
        return not self.bauds or baud in self.bauds
