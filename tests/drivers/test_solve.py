"""Registers and display to type, order and scale: what fits is found, what is ambiguous is said."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest

from drivers.solve import Order, Pair, Reading, solve


def pair(registers: str, shown: str | None) -> Pair:
    return Pair(registers=bytes.fromhex(registers), shown=None if shown is None else Decimal(shown))


def first(*pairs: Pair) -> Reading:
    return solve(pairs).readings[0]


@pytest.mark.parametrize(
    ("registers", "shown", "type_", "order", "scale"),
    [
        ("43663333", "230.2", "f32", Order.BIG, "1"),
        ("33334366", "230.2", "f32", Order.LITTLE, "1"),
        ("66433333", "230.2", "f32", Order.BADC, "1"),
        ("33336643", "230.2", "f32", Order.DCBA, "1"),
        ("08FE", "230.2", "u16", Order.BIG, "0.1"),
        ("FF9B", "-10.1", "i16", Order.BIG, "0.1"),
        ("0012D687", "12345.67", "u32", Order.BIG, "0.01"),
        ("D6870012", "12345.67", "u32", Order.LITTLE, "0.01"),
        ("12345678", "123456.78", "bcd32", Order.BIG, "0.01"),
        ("45103600", "2307.4", "f32", Order.BIG, "1"),
    ],
)
def test_the_usual_ways_are_found_first(registers: str, shown: str, type_: str, order: Order, scale: str) -> None:
    found = first(pair(registers, shown))
    if registers == "45103600":
        assert struct.unpack(">f", bytes.fromhex(registers))[0] == pytest.approx(2307.375)
    assert (found.type, found.order, found.scale) == (type_, order, scale)


def test_a_place_in_a_longer_block_is_found() -> None:
    found = first(pair("000000000000436633330000", "230.2"))
    assert (found.type, found.offset) == ("f32", 3)


def test_signed_and_unsigned_are_twins_and_do_not_make_it_ambiguous() -> None:
    solution = solve([pair("08FE", "230.2")])
    assert not solution.ambiguous
    assert [one.type for one in solution.twins] == ["i16"]


def test_zero_is_ambiguous_and_a_second_pair_settles_it() -> None:
    zero = pair("00000000", "0.0")
    assert solve([zero]).ambiguous
    solution = solve([zero, pair("00000929", "234.5")])
    assert not solution.ambiguous
    best = solution.readings[0]
    assert (best.power, best.values) == (-1, (Decimal("0.0"), Decimal("234.5")))


def test_what_cannot_be_made_of_the_registers_is_not_found() -> None:
    assert solve([pair("0001", "777")]).readings == ()


def test_without_a_display_every_way_to_read_is_shown() -> None:
    ways = {
        (one.type, one.order): one.values[0] for one in solve([pair("43663333", None)]).readings if not one.offset
    }
    assert ways["f32", Order.BIG] == Decimal("230.2")
    assert ways["u32", Order.BIG] == Decimal(0x43663333)
    assert ways["u16", Order.BADC] == Decimal(0x6643)


def test_a_display_that_cuts_off_digits_fits_too() -> None:
    assert first(pair("0012D68F", "12345.7")).values == (Decimal("12345.75"),)


@pytest.mark.parametrize("registers", [["00"], [""], ["0001", "00010002"]])
def test_halves_of_registers_are_refused(registers: list[str]) -> None:
    with pytest.raises(ValueError, match="whole registers"):
        solve([pair(one, "1") for one in registers])
