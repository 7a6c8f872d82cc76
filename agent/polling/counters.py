"""Counters that do not go on from where they were: what a person sees of it, beside event 18."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final

from drivers.profile import ModbusLocation, Point

_NEAR: Final = 10  # within a tenth of its range from the end, and after that from the beginning
_RESET: Final = 100  # what is left of it is a hundredth at most


class Break(Enum):
    """How a counter went back, or came back; the value is what stands in event 18 and in tables."""

    ROLL_OVER = "roll-over"
    """It came to the end of its register and began again: nothing is lost."""
    RESET = "reset"
    """It began at 0 or close to it: somebody set it back, or a new device stands there."""
    BACKWARDS = "backwards"
    """It is smaller than before and neither of these: another device, or a wrong value before or now."""
    RETURNED = "returned"
    """It is back where it was before the reading that went back: that one was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discontinuity:
    """A counter that did not go on (event 18).

    Attributes:
        point: index into the profile's points.
        last: mantissa before.
        first: mantissa now.
        kind: what it looks like.
    """

    point: int
    last: int
    first: int
    kind: Break = Break.BACKWARDS


class Counts:
    """What is remembered of the counters of one device; survives a new site file."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._before: dict[int, int] = {}  # of counters whose newest reading went back: the one before that
        self._firsts: dict[int, int] = {}

    def take(self, points: Sequence[Point], index: int, value: int) -> Discontinuity | None:
        """Take the next reading of the point with this index; give what is the matter with it."""
        last = self._last.get(index)
        self._last[index] = value
        if last is None:
            self._firsts[index] = value
            return None
        if value >= last and not self._before:
            return None
        before = self._before.pop(index, None)
        if value < last:
            kind = kind_of(points[index], last, value)
            if kind is not Break.ROLL_OVER:
                self._before[index] = last
        elif before is not None and value >= before:
            kind = Break.RETURNED
        else:
            return None
        return Discontinuity(point=index, last=last, first=value, kind=kind)

    def forget(self) -> None:
        """Begin anew: another device stands there, whose counters do not go on from these."""
        self._last.clear()
        self._before.clear()
        self._firsts.clear()

    @property
    def unsettled(self) -> bool:
        """Whether there is something for ``settle``."""
        return bool(self._firsts)

    def settle(self, points: Sequence[Point], last_of: Callable[[int], int | None]) -> list[Discontinuity]:
        """Compare the first readings of this run with the last ones before it, which are known a little later.

        Args:
            points: of the profile.
            last_of: index of a point -> mantissa of the last reading that was sealed before; None if there is none.
        """
        firsts, self._firsts = self._firsts, {}
        pairs = [(index, first, last_of(index)) for index, first in firsts.items()]
        return [
            Discontinuity(point=index, last=last, first=first, kind=kind_of(points[index], last, first))
            for index, first, last in pairs
            if last is not None and first < last
        ]


def kind_of(point: Point, last: int, now: int) -> Break:
    """Tell what it looks like that a counter stood at ``last`` and stands at ``now``, which is less."""
    whole = range_of(point)
    if whole is not None and now >= 0 and (whole - last) * _NEAR <= whole and now * _NEAR <= whole:
        return Break.ROLL_OVER
    return Break.RESET if 0 <= now * _RESET <= last else Break.BACKWARDS


def range_of(point: Point) -> Fraction | None:
    """Give the mantissa at which a counter begins at 0 again; None if nobody knows."""
    one = Fraction(point.scale) / Fraction(10) ** point.exponent
    if point.digits:
        return one * int(10**point.digits)
    place = point.place
    if not isinstance(place, ModbusLocation) or place.scale_address is not None:
        return None
    if place.type.is_bcd:
        return one * int(10 ** (4 * place.type.registers))
    if not place.type.value.startswith("u") or place.type.value.startswith("unix"):
        return None
    mask = place.mask
    return one * ((1 << place.type.bits) if mask is None else mask // (mask & -mask) + 1)
