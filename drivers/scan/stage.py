"""What a plan is made of: questions at one setting, with a rank; and what a plan is made from."""

from __future__ import annotations

import math
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
    LISTEN = 3
    """Saying nothing for a few seconds: those who speak by themselves."""
    LOW = 4
    WILD_RARE = 5
    """A question to everybody at less likely settings, or in less likely words."""
    LISTEN_RARE = 6
    """Saying nothing at less likely settings, or for those who speak every ten seconds."""
    LOW_EVEN = 7
    HIGH = 8
    HIGH_EVEN = 9
    SWEEP = 10
    """Every address of a protocol whose devices should have answered a question to everybody."""
    LISTEN_LONG = 11
    """Saying nothing for a minute."""
    DEEP = 12


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

    @property
    def listens(self) -> bool:
        """Whether nothing is said in it."""
        return not any(ask.request for ask in self.asks)


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
        most_listen_s: longest time to listen without a word, for a line that others wait for.
    """

    known: Sequence[Place] = ()
    neighbours: Sequence[LineSettings] = ()
    factory: Sequence[Place] = ()
    bauds: Sequence[int] = ()
    units: Sequence[int] = ()
    deep: bool = False
    most_listen_s: float = math.inf

    def known_of(self, protocol: str) -> tuple[Place, ...]:
        """Give the known places of one protocol."""
        return tuple(place for place in self.known if place.protocol == protocol)

    def allows(self, baud: int) -> bool:
        """Tell whether a speed is to be tried."""
        return not self.bauds or baud in self.bauds
