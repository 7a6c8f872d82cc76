"""Faults of a bus: what may happen to one exchange, chosen by seed or by script."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """What happens to one exchange on the wire."""

    NONE = "none"
    DROP = "drop"  # the reply never comes
    LOSE_BYTE = "lose-byte"  # one byte of the reply is missing
    FLIP = "flip"  # one bit of the reply is inverted
    ECHO = "echo"  # the adapter gives the request back first
    GLITCH = "glitch"  # 00, FF or FE before and after the reply: bus bias, direction switching
    GARBAGE = "garbage"  # any bytes before and after the reply
    SPLIT = "split"  # the reply pauses somewhere in its middle, as an adapter's buffer makes it
    LATE = "late"  # the reply comes after the client has given up; until then the unit hears nothing else
    DUPLICATE = "duplicate"  # the reply comes twice
    OTHER_UNIT = "other-unit"  # another unit answers in the place of the one that was asked
    TRUNCATE = "truncate"  # the reply ends early
    TWO_AT_ONCE = "two-at-once"  # another unit answers at the same time: bits are ANDed
    BABBLE = "babble"  # a unit sends random bytes in the place of the reply
    STUCK = "stuck"  # the line is held low: endless 00


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSizes:
    """How large the faults are.

    Attributes:
        late_ns: (least, most) time added to the turnaround by LATE.
        babble_bytes: random bytes of BABBLE.
        split_ns: (least, most) length of the pause of SPLIT.
        split_at: bytes before that pause, None for any.
        stuck_ns: how long STUCK holds the line.
    """

    late_ns: tuple[int, int] = (500_000_000, 1_500_000_000)
    babble_bytes: int = 100
    split_ns: tuple[int, int] = (1_000_000, 20_000_000)
    split_at: int | None = None
    stuck_ns: int = 300_000_000


class Injector:
    """Chooses the fault of each exchange and counts what it chose.

    Attributes:
        random: the one source of randomness of the bus that uses this injector.
        happened: how often each fault was really put on the wire.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[Fault, float] | None = None,
        script: Mapping[int, Fault] | None = None,
        sizes: FaultSizes | None = None,
    ) -> None:
        """Take the seed, a probability for each fault (together at most 1) and faults fixed by exchange number."""
        self.random = random.Random(seed)
        self.rates: dict[Fault, float] = dict(rates or {})
        if sum(self.rates.values()) > 1:
            raise ValueError("fault rates add up to more than 1")
        self.script: dict[int, Fault] = dict(script or {})
        self.sizes = sizes or FaultSizes()
        self.happened: Counter[Fault] = Counter()

    def pick(self, number: int) -> Fault:
        """Choose the fault of exchange ``number`` (counted from 0 on each bus)."""
        if number in self.script:
            return self.script[number]
        roll = self.random.random()
        for fault, rate in self.rates.items():
            roll -= rate
            if roll < 0:
                return fault
        return Fault.NONE
