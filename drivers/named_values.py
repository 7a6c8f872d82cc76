"""What a device said under a name -> the mantissa that its point seals, for every protocol but Modbus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from drivers.batch import Value, in_columns
from drivers.conversion import factor
from drivers.decoded import Quantity
from drivers.profile import Kind, Point
from drivers.quality import Quality
from drivers.shortest import divide_half_even

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

NOTHING = Quantity(quantity="", value=None)
"""Nothing was said."""


def sealed(point: Point, said: Quantity) -> tuple[Value, int]:
    """Give value and status of ``point`` as a batch takes them.

    A number is brought into the point's unit, times its scale, rounded half to even to its exponent; no number is
    ever made of what was no number. Without a unit of its own (``None``) it is taken to be in the point's.

    Status is BAD_NO_DATA where the device has no value, BAD_OUT_OF_RANGE beyond the plausible range or int64,
    BAD_CONFIGURATION_ERROR where the unit, or text for number, is not what the profile promises.
    """
    value = said.value
    if value is None:
        return None, Quality.BAD_NO_DATA
    if point.kind in (Kind.STATE, Kind.EVENT):
        return _state(point, value)
    if not isinstance(value, Decimal) or not value.is_finite():
        return None, Quality.BAD_CONFIGURATION_ERROR
    if value in point.sentinels:
        return None, Quality.BAD_NO_DATA
    if value in point.saturated:
        return None, Quality.BAD_OUT_OF_RANGE
    ratio = (1, 1) if said.unit is None else factor(said.unit, point.unit)
    if ratio is None:
        return None, Quality.BAD_CONFIGURATION_ERROR
    if abs(value.adjusted()) > 60:  # beyond int64 at every exponent; spares the power of ten
        return (0, 0) if value.adjusted() < 0 else (None, Quality.BAD_OUT_OF_RANGE)
    exact = Fraction(value) * Fraction(point.scale) * Fraction(*ratio)
    if _outside(exact, point):
        return None, Quality.BAD_OUT_OF_RANGE
    exact /= Fraction(10) ** point.exponent
    mantissa = divide_half_even(exact.numerator, exact.denominator)
    if not INT64_MIN <= mantissa <= INT64_MAX:
        return None, Quality.BAD_OUT_OF_RANGE
    return mantissa, 0


def columns(
    points: Sequence[Point], keys: Sequence[str], said: Mapping[str, Quantity]
) -> tuple[tuple[Value, ...], tuple[int, ...]]:
    """Give the columns of a batch: for each point what was said under its key, BAD_NO_DATA if nothing was."""
    return in_columns([sealed(point, said.get(key, NOTHING)) for point, key in zip(points, keys, strict=True)])


def _state(point: Point, value: Decimal | bool | str) -> tuple[Value, int]:
    if not isinstance(value, Decimal):
        return value, 0
    if not value.is_finite() or value != value.to_integral_value() or abs(value) > INT64_MAX:
        return None, Quality.BAD_CONFIGURATION_ERROR
    number = int(value)
    if number in point.sentinels:
        return None, Quality.BAD_NO_DATA
    if _outside(Fraction(number), point):
        return None, Quality.BAD_OUT_OF_RANGE
    return number, 0


def _outside(exact: Fraction, point: Point) -> bool:
    return (point.low is not None and exact < Fraction(point.low)) or (
        point.high is not None and exact > Fraction(point.high)
    )
