"""Shortest decimals against a search that knows nothing of binary formats but their values."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.shortest import divide_half_even, shortest_f32, shortest_f64

_ALL_F32 = st.integers(0, 0x7F7FFFFF).map(lambda bits: struct.unpack(">f", bits.to_bytes(4, "big"))[0])


def _bits(value: float) -> int:
    return int.from_bytes(struct.pack(">f", value), "big")


def _neighbour(value: float, step: int) -> Fraction:
    bits = _bits(value) + step
    if bits == 0x7F800000:  # what would come after the largest one
        return Fraction(2) ** 128
    return Fraction(struct.unpack(">f", bits.to_bytes(4, "big"))[0])


def _reference(value: float) -> Decimal:
    """Fewest digits inside the half-way marks to both neighbours, the nearest of them: IEEE 754 as fractions."""
    exact, even = Fraction(value), _bits(value) % 2 == 0
    low = (exact + (_neighbour(value, -1) if _bits(value) else -exact)) / 2
    high = (exact + _neighbour(value, 1)) / 2
    for place in range(39, -60, -1):
        unit = Fraction(10) ** place
        around = [int(exact / unit) + d for d in (0, 1)]
        inside = [m for m in around if low < m * unit < high or (even and m * unit in (low, high))]
        if inside:
            best = min(inside, key=lambda m: (abs(m * unit - exact), m % 2))
            return Decimal(best).scaleb(place)
    raise AssertionError(value)


@given(_ALL_F32)
def test_an_f32_becomes_the_nearest_of_the_shortest_decimals(value: float) -> None:
    if value == 0:
        assert shortest_f32(value) == (0, 0)
        return
    mantissa, place = shortest_f32(value)
    assert Decimal(mantissa).scaleb(place) == _reference(value)
    assert shortest_f32(-value) == (-mantissa, place)


@pytest.mark.parametrize("power", range(-149, 128))
def test_powers_of_two_have_a_narrower_step_below(power: int) -> None:
    value = 2.0**power
    mantissa, place = shortest_f32(value)
    assert Decimal(mantissa).scaleb(place) == _reference(value)


@pytest.mark.parametrize(
    ("wire", "decimal"),
    [
        ("43663333", "230.2"),
        ("43696978", "233.41199"),
        ("43e8d47a", "465.65997"),
        ("3f6aee63", "0.9177"),
        ("00000001", "1E-45"),
        ("7f7fffff", "3.4028235E+38"),
        ("4e800000", "1073741800"),
        ("4c000004", "33554450"),  # half way to the next float: ties go to even, so it still reads back as this one
        ("4c000005", "33554452"),  # the same half way mark does not belong to its odd neighbour
    ],
)
def test_what_meters_send(wire: str, decimal: str) -> None:
    mantissa, place = shortest_f32(struct.unpack(">f", bytes.fromhex(wire))[0])
    assert Decimal(mantissa).scaleb(place) == Decimal(decimal)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_f64_reads_back_as_itself(value: float) -> None:
    mantissa, place = shortest_f64(value)
    assert float(Decimal(mantissa).scaleb(place)) == value
    assert len(str(abs(mantissa)).strip("0")) <= 17


@given(st.integers(-(10**25), 10**25), st.integers(1, 10**12))
def test_division_rounds_half_to_even(numerator: int, denominator: int) -> None:
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))
