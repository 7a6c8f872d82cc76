"""What a search has seen: who is where, bytes that nobody could be found for, and how far it came."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from drivers.profile import LineSettings
from drivers.scan.probe import Address, Probe, Verdict

Spot: TypeAlias = tuple[str, Address, LineSettings]
"""Protocol, address and setting: what tells one device of a line from another."""
_MOST_VOICES: Final = 64
_ANY_DIGIT: Final = "A"


@dataclass(slots=True, kw_only=True)
class Sighting:
    """Somebody at an address and a setting.

    Attributes:
        address: as the site file writes it; a pattern where several answered at once and cannot be told apart.
        line: exact settings at which the reply came.
        tries: how often it was asked there.
        whole: how many whole replies came.
        damaged: how many replies came with a wrong checksum, or two at once.
        fastest_s: shortest time to the first byte.
        slowest_s: longest time to the first byte.
        frame: first whole reply, of Modbus without its checksum; b"" if there was none.
        who: what it says of itself, empty where its protocol has nothing of the kind.
        family: what it measures, if it says so: water, heat, gas, electricity.
        unasked: it was heard to speak by itself.
    """

    protocol: str
    address: Address
    line: LineSettings
    tries: int = 0
    whole: int = 0
    damaged: int = 0
    fastest_s: float = 0.0
    slowest_s: float = 0.0
    frame: bytes = b""
    who: str = ""
    family: str = ""
    unasked: bool = False

    @property
    def crowded(self) -> bool:
        """Whether the replies look as if several devices sent them at once."""
        return self.damaged > 0 and self.damaged * 4 >= self.tries

    @property
    def spot(self) -> Spot:
        """What tells it from others."""
        return self.protocol, self.address, self.line

    def is_of(self, pattern: Address) -> bool:
        """Tell whether its address, of digits, is one of those that ``pattern`` means."""
        own, meant = str(self.address), str(pattern)
        return len(own) == len(meant) and all(
            digit in (one, _ANY_DIGIT) for one, digit in zip(own, meant, strict=True)
        )

    def learn(self, answered_s: float | None) -> None:
        """Remember how fast it was."""
        if answered_s is not None:
            self.fastest_s = min(self.fastest_s or answered_s, answered_s)
            self.slowest_s = max(self.slowest_s, answered_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Bytes that nobody could be found for."""

    address: Address
    line: LineSettings
    raw: bytes
    verdict: Verdict


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a search came; what a state file keeps.

    Attributes:
        done: questions done of each stage, by its key.
        open: questions that an answer has raised, next one first.
        later: such questions that can wait, since those who are known explain the answer.
        slowest_s: longest answer time seen, by protocol.
        parted: protocols and settings at which several were told apart.
        refused: settings that the port does not take.
    """

    done: dict[str, int] = field(default_factory=dict)
    open: deque[Probe] = field(default_factory=deque)
    later: deque[Probe] = field(default_factory=deque)
    sightings: list[Sighting] = field(default_factory=list)
    voices: list[Voice] = field(default_factory=list)
    slowest_s: dict[str, float] = field(default_factory=dict)
    parted: list[tuple[str, LineSettings]] = field(default_factory=list)
    refused: list[LineSettings] = field(default_factory=list)
    echo: bool = False
    probes: int = 0

    def find(self, protocol: str, address: Address, line: LineSettings) -> Sighting | None:
        """Give who was seen there, whatever the stop bits."""
        at = (protocol, address)
        return next((s for s in self.sightings if (s.protocol, s.address) == at and alike(s.line, line)), None)

    def kin(self, protocol: str, line: LineSettings) -> list[Sighting]:
        """Give who was met at these settings of all editions of a protocol: names that begin alike up to a dash."""
        family = protocol.partition("-")[0]
        return [s for s in self.sightings if s.protocol.partition("-")[0] == family and alike(s.line, line)]

    def named(self, who: str, line: LineSettings) -> Sighting | None:
        """Give the one that said ``who`` of itself at these settings."""
        return next((s for s in self.sightings if who and s.who == who and s.line == line), None)

    def note(self, probe: Probe, raw: bytes, verdict: Verdict) -> None:
        """Keep bytes that nobody was found for, as many as tell something."""
        del self.voices[: max(0, len(self.voices) - _MOST_VOICES + 1)]
        self.voices.append(Voice(address=probe.address, line=probe.line, raw=raw[:64], verdict=verdict))

    def took(self, protocol: str, seconds: float) -> None:
        """Learn how slow devices of a protocol are."""
        self.slowest_s[protocol] = max(self.slowest_s.get(protocol, 0.0), seconds)


def alike(one: LineSettings, other: LineSettings) -> bool:
    """Tell whether two settings differ in their stop bits at most."""
    return (one.baud, one.parity, one.data_bits) == (other.baud, other.parity, other.data_bits)
