"""Answers that only the site knows - CT, PT - applied to a profile: exact decimals, no rounding of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from drivers.profile import Kind, NamedLocation, Point, Profile

_FINEST: Final = -18  # block format: exponent is -18..18
_MOST_DIGITS: Final = 18


def read_ratio(answer: object) -> Decimal | None:
    """Read an answer as a person writes it: 40, 1.5, ``"40"`` or ``"200/5"``; None for what is no exact decimal.

    A TOML float counts as the decimal that was written: the shortest one that reads back as it.
    """
    if isinstance(answer, bool) or not isinstance(answer, int | float | str | Decimal):
        return None
    parts = str(answer).split("/")
    if len(parts) > 2:
        return None
    try:
        numbers = [Decimal(part.strip()) for part in parts]
    except ArithmeticError:
        return None
    if not all(n.is_finite() and n > 0 and len(n.as_tuple().digits) <= _MOST_DIGITS for n in numbers):
        return None
    ratio = Fraction(numbers[0]) / (Fraction(numbers[1]) if len(numbers) == 2 else 1)
    exact = Decimal(ratio.numerator) / Decimal(ratio.denominator)
    return exact.normalize() if Fraction(exact) == ratio else None


def with_ratios(profile: Profile, answers: Mapping[str, Decimal]) -> Profile:
    """Give the profile as it is at a place: every point times the ratios that name it, its plausible range too.

    A whole number stays exact: where a ratio has decimals, the point gets them. A float keeps those of the profile.

    Args:
        profile: as its file says.
        answers: one for each of ``profile.ratios``.
    """
    factors: dict[str, Decimal] = {}
    for ratio in profile.ratios:
        for name in ratio.points:
            factors[name] = factors.get(name, Decimal(1)) * answers[ratio.name]
    if all(factor == 1 for factor in factors.values()):
        return profile
    points = tuple(_times(point, factors.get(point.name, Decimal(1))) for point in profile.points)
    return replace(profile, points=points)


def _times(point: Point, factor: Decimal) -> Point:
    if factor == 1 or point.kind in (Kind.STATE, Kind.EVENT):
        return point
    scale = (point.scale * factor).normalize()
    return replace(
        point,
        scale=scale,
        exponent=_exponent(point, scale),
        low=None if point.low is None else point.low * factor,
        high=None if point.high is None else point.high * factor,
    )


def _exponent(point: Point, scale: Decimal) -> int:
    place = point.place
    if isinstance(place, NamedLocation) or place.type.is_float or place.scale_address is not None:
        return point.exponent
    finest = scale.as_tuple().exponent
    assert isinstance(finest, int)  # answers are finite
    return max(_FINEST, min(point.exponent, finest))
