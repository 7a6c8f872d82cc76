"""The part of a plan that looks for Modbus devices: speeds by likelihood, low addresses first, parity last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from drivers.profile import LineSettings, Parity
from drivers.scan.probe import Ask, Manner
from drivers.scan.stage import Place, Rank, Stage, Wanted

BAUDS: Final = (9600, 4800, 2400, 19200, 115200, 38400, 57600, 1200)
LOW_ADDRESSES: Final = 32
PARITIES: Final = (Parity.NONE, Parity.EVEN, Parity.ODD)
_MODBUS: Final = "modbus"
_MOST_UNITS: Final = 256  # factories use 248 to 255 too
MakeAsk = Callable[[int], Ask]


def modbus_stages(units: Sequence[int], exact: MakeAsk, blind: MakeAsk, wanted: Wanted) -> Iterator[Stage]:
    """Give the stages.

    Args:
        units: every address there is, likely ones first.
        exact: makes the question that one parity alone takes.
        blind: makes the one that two parities take, or the exact one where there is none.
        wanted: what the plan is made from.
    """
    tried = tuple(unit for unit in units if not wanted.units or unit in set(wanted.units))
    speeds = tuple(wanted.bauds) or _by_likelihood(wanted)
    inside = frozenset(wanted.units or range(_MOST_UNITS))
    known = [place for place in wanted.known_of(_MODBUS) if place.address in inside]
    factory = [place for place in wanted.factory if place.address in inside and place.line.baud in frozenset(speeds)]
    yield from _places(Rank.KNOWN, exact, known)
    yield from _places(Rank.FACTORY, exact, factory)
    low, high = (tried, ()) if wanted.units else (tried[:LOW_ADDRESSES], tried[LOW_ADDRESSES:])
    for first, second, part in ((Rank.LOW, Rank.LOW_EVEN, low), (Rank.HIGH, Rank.HIGH_EVEN, high)):
        yield from (_blind(first, blind, baud, part) for baud in speeds)
        # even parity, the standard's own (V1.02, 2.5.1), is asked for where the blind question does not cover it
        left = [unit for unit in part if Parity.EVEN not in blind(unit).parities]
        yield from (_exact(second, exact, baud, Parity.EVEN, left) for baud in speeds)
    if wanted.deep:
        yield from (_exact(Rank.DEEP, exact, baud, parity, tried) for parity in PARITIES for baud in speeds)


def _by_likelihood(wanted: Wanted) -> tuple[int, ...]:
    weights: Counter[int] = Counter()
    for place in wanted.known_of(_MODBUS):
        weights[place.line.baud] += 100
    for line in wanted.neighbours:
        weights[line.baud] += 10
    for place in wanted.factory:
        weights[place.line.baud] += 1
    order = {baud: number for number, baud in enumerate(BAUDS)}
    return tuple(sorted({*BAUDS, *weights}, key=lambda baud: (-weights[baud], order.get(baud, len(order)))))


def _places(rank: Rank, exact: MakeAsk, places: Sequence[Place]) -> Iterator[Stage]:
    by_line: dict[LineSettings, dict[Ask, None]] = {}
    for place in places:
        ask = replace(exact(int(place.address)), parities=(place.line.parity,))
        by_line.setdefault(place.line, {})[replace(ask, request=place.request or ask.request)] = None
    for line, asks in by_line.items():
        yield Stage(rank=rank, protocol=_MODBUS, line=line, asks=tuple(asks), patient=True)


def _blind(rank: Rank, blind: MakeAsk, baud: int, units: Sequence[int]) -> Stage:
    line = LineSettings(baud=baud, parity=Parity.NONE, stop_bits=2)
    asks = tuple(replace(blind(unit), manner=Manner.BLIND) for unit in units)
    return Stage(rank=rank, protocol=_MODBUS, line=line, asks=asks)


def _exact(rank: Rank, exact: MakeAsk, baud: int, parity: Parity, units: Sequence[int]) -> Stage:
    asks = tuple(replace(exact(unit), parities=(parity,)) for unit in units)
    line = LineSettings(baud=baud, parity=parity)
    return Stage(rank=rank, protocol=_MODBUS, line=line, asks=asks, patient=rank is Rank.DEEP)
