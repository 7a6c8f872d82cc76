"""IEEE 754 -> decimal: the shortest digits that read back as the same float, and exact integer division.

A meter that sends 43 66 33 33 means 230.2, not 230.1999969482421875: of the decimals that round to the float, the one
with the fewest digits is meant, and of several such the nearest (block format, 'Meaning').
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = 7  # where the search begins; most binary32 take 6 to 9
_SMALLEST: Final = -149  # exponent of the last place of a subnormal binary32
_HIDDEN: Final = 0x800000
_F32: Final = struct.Struct(">f")
_U32: Final = struct.Struct(">I")


def shortest_f32(value: float) -> tuple[int, int]:
    """Give ``(m, e)``: ``m * 10**e`` is the shortest decimal of a finite binary32.

    Args:
        value: exactly a binary32, as ``struct`` unpacks one.
    """
    if value == 0:
        return 0, 0
    span = _span(abs(value))
    place = math.floor(math.log10(abs(value))) - _DIGITS + 1  # only where to begin: an error of one does no harm
    found = span.decimal(place)
    while found is None:
        place -= 1
        found = span.decimal(place)
    while (shorter := span.decimal(place + 1)) is not None:
        place, found = place + 1, shorter
    return (-found if value < 0 else found), place


def shortest_f64(value: float) -> tuple[int, int]:
    """Give ``(m, e)``: ``m * 10**e`` is the shortest decimal of a finite binary64, which is what ``repr`` finds."""
    digits, _, power = repr(value).partition("e")
    whole, _, fraction = digits.partition(".")
    return int(whole + fraction), int(power or 0) - len(fraction)


def divide_half_even(numerator: int, denominator: int) -> int:
    """Divide by a positive ``denominator``, rounding to the nearest integer, ties to even."""
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient & 1):
        return quotient + 1
    return quotient


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The numbers that round to one binary32: ``low`` to ``high``, in units of ``1 / unit``, around ``middle``.

    The ends belong to it when the significand is even, since ties go to even.
    """

    low: int
    middle: int
    high: int
    unit: int
    closed: bool

    def decimal(self, place: int) -> int | None:
        """Give the ``m`` for which ``m * 10**place`` lies inside and nearest to the middle; None if none does."""
        times, unit = (1, self.unit * 10**place) if place > 0 else (10**-place, self.unit)
        quotient, rest = divmod(self.middle * times, unit)
        first = quotient + (2 * rest > unit or (2 * rest == unit and quotient & 1))
        for m in (first, 2 * quotient + 1 - first):
            low, here, high = self.low * times, m * unit, self.high * times
            if low < here < high or (self.closed and here in (low, high)):
                return m
        return None


def _span(value: float) -> _Span:
    """Find the numbers that round to a positive binary32 (IEEE 754, 3.4 and 4.3.1)."""
    bits: int = _U32.unpack(_F32.pack(value))[0]
    biased, fraction = bits >> 23, bits & (_HIDDEN - 1)
    significand = fraction | _HIDDEN if biased else fraction
    # Quarters of the last place; just above a power of two the step downwards is half as wide.
    below = 1 if fraction == 0 and biased > 1 else 2
    power = _SMALLEST + max(biased, 1) - 1 - 2
    up, unit = (1 << power, 1) if power > 0 else (1, 1 << -power)
    return _Span(
        low=(4 * significand - below) * up,
        middle=4 * significand * up,
        high=(4 * significand + 2) * up,
        unit=unit,
        closed=significand % 2 == 0,
    )
