"""In which order a line is searched. Nothing is left out; what is likely comes first.

1. what the site file says stands on this line, 2. factory settings of the profiles, 3. low addresses at every speed
by parity-blind probes, then with even parity where the blind ones cannot show it, 4. the same for the high addresses,
5. with ``deep``: every address at every speed and parity once more, as patiently as the slowest device wants.
Speeds that neighbours use come before those that profiles use, those before the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.profile import LineSettings, Parity, Profile
from drivers.scan.probe import Manner, ProbeMaker

BAUDS: Final = (9600, 4800, 2400, 19200, 115200, 38400, 57600, 1200)
LOW_ADDRESSES: Final = 32
PARITIES: Final = (Parity.NONE, Parity.EVEN, Parity.ODD)


class Rank(IntEnum):
    """What a stage is for, first first."""

    KNOWN = 0
    FACTORY = 1
    LOW = 2
    LOW_EVEN = 3
    HIGH = 4
    HIGH_EVEN = 5
    DEEP = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Addresses that are asked one after the other at one setting.

    Attributes:
        line: what the port is set to.
        asks: (address, request, parities that take it).
        patient: whether slow devices are waited for from the start.
    """

    rank: Rank
    protocol: str
    line: LineSettings
    manner: Manner
    asks: tuple[tuple[int, bytes, tuple[Parity, ...]], ...]
    patient: bool

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
    address: int
    request: bytes = b""
    name: str = ""


def factory_places(profiles: Iterable[Profile], protocol: str = "modbus") -> tuple[Place, ...]:
    """Give the factory settings of ``profiles``, each once, those of many models first."""
    counts = Counter((p.line, p.unit) for p in profiles if p.protocol == protocol and p.unit)
    return tuple(Place(line=line, address=unit) for (line, unit), _ in counts.most_common())


def make_plan(
    maker: ProbeMaker,
    *,
    known: Sequence[Place] = (),
    neighbours: Sequence[LineSettings] = (),
    factory: Sequence[Place] = (),
    bauds: Sequence[int] = (),
    addresses: Sequence[int] = (),
    deep: bool = False,
) -> tuple[Stage, ...]:
    """Lay out the search.

    Args:
        maker: the protocol.
        known: what the site file says of this line.
        neighbours: settings of the site's lines, the most telling first.
        factory: where new devices are expected.
        bauds: the only speeds to try; empty for all, likely ones first.
        addresses: the only addresses to try; empty for all.
        deep: go on with the slow exact pass.
    """
    wanted = tuple(address for address in maker.addresses if not addresses or address in set(addresses))
    speeds = tuple(bauds) or _by_likelihood(known, neighbours, factory)
    allowed, inside = frozenset(speeds), frozenset(addresses or range(256))  # factories use 248 to 255 too
    stages = [
        *_places(Rank.KNOWN, maker, [p for p in known if p.address in inside]),
        *_places(Rank.FACTORY, maker, [p for p in factory if p.address in inside and p.line.baud in allowed]),
    ]
    low, high = wanted[:LOW_ADDRESSES], wanted[LOW_ADDRESSES:]
    if addresses:
        low, high = wanted, ()
    for blind, even, part in ((Rank.LOW, Rank.LOW_EVEN, low), (Rank.HIGH, Rank.HIGH_EVEN, high)):
        stages += [_blind(blind, maker, baud, part) for baud in speeds if part]
        stages += [_even(even, maker, baud, part) for baud in speeds if part]
    if deep:
        stages += [_exact(Rank.DEEP, maker, baud, parity, wanted) for parity in PARITIES for baud in speeds]
    return tuple(stage for stage in stages if stage.asks)


def _by_likelihood(
    known: Sequence[Place], neighbours: Sequence[LineSettings], factory: Sequence[Place]
) -> tuple[int, ...]:
    weights: Counter[int] = Counter()
    for place in known:
        weights[place.line.baud] += 100
    for line in neighbours:
        weights[line.baud] += 10
    for place in factory:
        weights[place.line.baud] += 1
    order = {baud: number for number, baud in enumerate(BAUDS)}
    return tuple(sorted({*BAUDS, *weights}, key=lambda baud: (-weights[baud], order.get(baud, len(order)))))


def _places(rank: Rank, maker: ProbeMaker, places: Sequence[Place]) -> list[Stage]:
    by_line: dict[LineSettings, dict[tuple[int, bytes], None]] = {}
    for place in places:
        by_line.setdefault(place.line, {})[place.address, place.request or maker.exact(place.address)] = None
    return [
        Stage(
            rank=rank,
            protocol=maker.protocol,
            line=line,
            manner=Manner.EXACT,
            asks=tuple((address, request, (line.parity,)) for address, request in asks),
            patient=True,
        )
        for line, asks in by_line.items()
    ]


def _blind(rank: Rank, maker: ProbeMaker, baud: int, addresses: Sequence[int]) -> Stage:
    asks: list[tuple[int, bytes, tuple[Parity, ...]]] = []
    for address in addresses:
        found = maker.blind(address)
        if found is None:
            asks.append((address, maker.exact(address), (Parity.NONE,)))
        else:
            asks.append((address, found[0], (Parity.NONE, found[1])))
    line = LineSettings(baud=baud, parity=Parity.NONE, stop_bits=2)
    return Stage(rank=rank, protocol=maker.protocol, line=line, manner=Manner.BLIND, asks=tuple(asks), patient=False)


def _even(rank: Rank, maker: ProbeMaker, baud: int, addresses: Sequence[int]) -> Stage:
    """Ask with even parity, the standard's own (V1.02, 2.5.1), those whose blind probe does not cover it."""
    covered = {address for address in addresses if (found := maker.blind(address)) and found[1] is Parity.EVEN}
    left = [address for address in addresses if address not in covered]
    return _exact(rank, maker, baud, Parity.EVEN, left)


def _exact(rank: Rank, maker: ProbeMaker, baud: int, parity: Parity, addresses: Sequence[int]) -> Stage:
    line = LineSettings(baud=baud, parity=parity)
    asks = tuple((address, maker.exact(address), (parity,)) for address in addresses)
    patient = rank is Rank.DEEP
    return Stage(rank=rank, protocol=maker.protocol, line=line, manner=Manner.EXACT, asks=asks, patient=patient)
