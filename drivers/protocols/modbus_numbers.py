"""One raw number of a device -> the mantissa that is sealed: integer arithmetic, rounded half to even.

A float becomes its shortest decimal first, then scale and rounding; beyond int64 there is no value (block format,
'Meaning').
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from drivers.batch import Value
from drivers.profile import NumberType, Point, WordOrder
from drivers.protocols.modbus_forms import Field, field_of, words_of
from drivers.quality import Quality
from drivers.shortest import divide_half_even, shortest_f32, shortest_f64

Convert: TypeAlias = Callable[[Any], Value]
"""Raw number, as ``struct`` unpacks it, to mantissa; None is 'no value', ``reason_of`` says why."""

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1
_LAST_TEXT: Final = "\U0010ffff"
_NO_POWER: Final = -0x8000  # SunSpec: the scale factor is not implemented
_MOST_POWER: Final = 10
_F32_SLACK: Final = (
    2.0**-23
)  # twice the half step of a binary32 against its value: also covers the double's own error
_F64_SLACK: Final = 2.0**-50  # the half step is 2**-53, product and factor are rounded once each
_F32_NORMAL: Final = 2.0**-126  # below it the steps of a binary32 are wider against its value
_F64_NORMAL: Final = 2.0**-1022


def convert_of(point: Point) -> Convert | None:
    """Compile the conversion of ``point``; None when the raw number is the mantissa (codes for no value aside).

    A point with a scale register has none here: see ``rescaled``.
    """
    location = point.location
    if location.bit is not None:
        return _bit(location.bit)
    if location.type is NumberType.BIT:
        return bool
    if location.type.is_words:
        return words_of(location)
    if location.type.is_float:
        return _guard(_float(point), codes_of(point))
    times, per = _ratio(point)
    field = field_of(location)
    if times == per == 1 and location.type is not NumberType.U64:
        return None if field is None else _taken(field, _guard(int, codes_of(point)))
    convert = _guard(_integer(times, per), codes_of(point))
    return convert if field is None else _taken(field, convert)


def codes_of(point: Point) -> dict[int, int]:
    """Give the numbers that are no value, with the status of each."""
    return dict.fromkeys(point.sentinels, int(Quality.BAD_NO_DATA)) | dict.fromkeys(
        point.saturated, int(Quality.BAD_OUT_OF_RANGE)
    )


def rescaled(point: Point) -> Callable[[int, int], tuple[Value, int]]:
    """Compile a point with a scale register: raw number and power of ten to mantissa and status.

    The power is a SunSpec scale factor: -10 to 10, 0x8000 for 'not there'; or a number of decimals. Whatever it is at
    the moment, the value is rounded half to even to the exponent that the profile promises.
    """
    field, codes, scale, exponent = field_of(point.location), codes_of(point), point.scale, point.exponent
    sign = -1 if point.location.scale_is_places else 1

    def convert(raw: int, power: int) -> tuple[Value, int]:
        number = raw if field is None else field(raw)
        if number is None or power == _NO_POWER:
            return None, int(Quality.BAD_NO_DATA)
        if number in codes:
            return None, codes[number]
        value = scaled(number, sign * power, scale, exponent) if -_MOST_POWER <= power <= _MOST_POWER else None
        return value, int(Quality.GOOD if value is not None else Quality.BAD_OUT_OF_RANGE)

    return convert


def bounds_of(point: Point) -> tuple[Any, Any]:
    """Give the smallest and largest mantissa that is plausible; int64 where the profile sets no bound.

    For words it is the smallest and largest text, so that one comparison fits a whole block.
    """
    if point.location.type.is_words:
        return "", _LAST_TEXT
    low, high = INT64_MIN, INT64_MAX
    if point.low is not None:
        low = max(low, math.ceil(point.low.scaleb(-point.exponent)))
    if point.high is not None:
        high = min(high, math.floor(point.high.scaleb(-point.exponent)))
    return low, high


def reorder_of(registers: int, words: WordOrder) -> Callable[[bytes], bytes] | None:
    """Give what turns the bytes of so many registers into big-endian order; None when they already are."""
    if words is WordOrder.BIG or (words is WordOrder.LITTLE and registers == 1):
        return None
    size = 2 * registers
    if words is WordOrder.DCBA:
        order = tuple(range(size - 1, -1, -1))
    elif words is WordOrder.LITTLE:
        order = tuple(i + odd for i in range(size - 2, -1, -2) for odd in (0, 1))
    else:
        order = tuple(i ^ 1 for i in range(size))
    return lambda data: bytes([data[i] for i in order])


def reason_of(point: Point, raw: float) -> Quality:
    """Tell why ``raw`` gave no value: the device had none, or the number is too large for it or for the record."""
    if point.location.type.is_words or raw != raw:  # NaN is the one number that differs from itself
        return Quality.BAD_NO_DATA
    field = None if point.location.type.is_float else field_of(point.location)
    number = raw if field is None else field(int(raw))
    if number is None or number in point.sentinels:
        return Quality.BAD_NO_DATA
    return Quality.BAD_OUT_OF_RANGE


def scaled(mantissa: int, power: int, scale: Decimal, exponent: int) -> int | None:
    """Give ``mantissa * 10**power * scale / 10**exponent`` rounded half to even; None beyond int64."""
    sign, digits, scale_power = scale.as_tuple()
    assert isinstance(scale_power, int)  # a profile's scale is finite
    product = mantissa * int("".join(map(str, digits))) * (-1 if sign else 1)
    shift = power + scale_power - exponent
    value = product * 10**shift if shift >= 0 else divide_half_even(product, 10**-shift)
    return value if INT64_MIN <= value <= INT64_MAX else None


def _ratio(point: Point) -> tuple[int, int]:
    """Give the ratio of mantissa to raw number as a fraction in lowest terms, the denominator positive."""
    return (point.scale.scaleb(-point.exponent)).as_integer_ratio()


def _bit(number: int) -> Convert:
    mask = 1 << number
    return lambda raw: raw & mask != 0


def _taken(field: Field, convert: Convert) -> Convert:
    def taken(raw: int) -> Value:
        number = field(raw)
        return None if number is None else convert(number)

    return taken


def _guard(convert: Convert, codes: dict[int, int]) -> Convert:
    if not codes:
        return convert
    nothing = frozenset(codes)
    return lambda raw: None if raw in nothing else convert(raw)


def _integer(times: int, per: int) -> Convert:
    def exact(raw: int) -> int | None:
        value = raw * times if per == 1 else divide_half_even(raw * times, per)
        return value if INT64_MIN <= value <= INT64_MAX else None

    return exact


def _float(point: Point) -> Convert:
    """Compile a float: a double product where it provably rounds like the shortest decimal, exact digits elsewhere.

    The shortest decimal differs from the float by at most half a step. Where the product stays further than that away
    from the next tie, both round to the same integer.
    """
    short = point.location.type is NumberType.F32
    shortest, slack = (shortest_f32, _F32_SLACK) if short else (shortest_f64, _F64_SLACK)
    scale, exponent = point.scale, point.exponent
    factor = float(scale.scaleb(-exponent))
    # Among subnormals the slack is wrong; harmless while even the largest of them is far below half a unit.
    usable = math.isfinite(factor) and abs(factor) * (_F32_NORMAL if short else _F64_NORMAL) < 2.0**-8
    limit = 0.5 / slack if usable else 0.0

    def convert(raw: float) -> int | None:
        product = raw * factor
        if -limit < product < limit:
            nearest = round(product)
            if abs(product - nearest) + abs(product) * slack < 0.5:
                return nearest
        if not math.isfinite(raw):
            return None
        return scaled(*shortest(raw), scale, exponent)

    return convert
