"""Counters that do not go on: what it looks like, and that nothing of it is hidden."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from agent.polling.counters import Break, Counts, Discontinuity, kind_of, range_of
from drivers.profile import Kind, ModbusLocation, NamedLocation, NumberType, Point, Table
from tests.agent.storage_site import point

COUNTER = point("energy", kind=Kind.COUNTER)
METER = replace(
    COUNTER, place=NamedLocation(words=(("di", "00010000"),)), scale=Decimal(1), exponent=-2, digits=6, unit="kW.h"
)
"""999999.99 kWh, as DL/T 645 meters count."""


def register(kind: NumberType, scale: str = "1", exponent: int = 0, **more: object) -> Point:
    place = ModbusLocation(table=Table.INPUT_REGISTER, address=0, type=kind, **more)  # type: ignore[arg-type]
    return replace(COUNTER, place=place, scale=Decimal(scale), exponent=exponent)


@pytest.mark.parametrize(
    ("counter", "whole"),
    [
        (METER, 100_000_000),
        (register(NumberType.U16), 65_536),
        (register(NumberType.U32, "0.1", -1), 2**32),
        (register(NumberType.U32, "4", 0), 4 * 2**32),  # behind a transformer of 4
        (register(NumberType.BCD32, "0.01", -2), 100_000_000),
        (register(NumberType.U16, mask=0x0FF0), 256),
        (register(NumberType.I32), None),
        (register(NumberType.F32, "1", -2), None),
        (register(NumberType.U16, scale_address=9), None),
        (replace(METER, digits=0), None),
    ],
)
def test_where_a_counter_begins_anew_follows_from_its_register(counter: Point, whole: int | None) -> None:
    assert range_of(counter) == whole


@pytest.mark.parametrize(
    ("last", "now", "kind"),
    [
        (99_999_999, 3, Break.ROLL_OVER),
        (90_000_000, 10_000_000, Break.ROLL_OVER),
        (89_000_000, 3, Break.RESET),
        (99_999_999, 20_000_000, Break.BACKWARDS),
        (50_000, 0, Break.RESET),
        (50_000, 500, Break.RESET),
        (50_000, 501, Break.BACKWARDS),
        (50_000, 49_999, Break.BACKWARDS),
        (50_000, -1, Break.BACKWARDS),
        (-5, -9, Break.BACKWARDS),
    ],
)
def test_a_roll_over_a_reset_and_running_backwards_are_told_apart(last: int, now: int, kind: Break) -> None:
    assert kind_of(METER, last, now) is kind


def run(*values: int) -> list[tuple[int, int, str]]:
    counts = Counts()
    found = [counts.take((METER,), 0, value) for value in values]
    return [(one.last, one.first, one.kind.value) for one in found if one is not None]


def test_a_single_value_that_jumps_down_and_back_is_told_twice() -> None:
    assert run(50_000, 3, 50_001, 50_002) == [(50_000, 3, "reset"), (3, 50_001, "returned")]
    assert run(50_000, 49_000, 50_000) == [(50_000, 49_000, "backwards"), (49_000, 50_000, "returned")]


def test_a_single_value_that_jumps_up_is_told_when_it_comes_back() -> None:
    assert run(50_000, 900_000, 50_001, 50_002) == [(900_000, 50_001, "backwards")]


def test_a_counter_that_was_set_back_goes_on_in_silence() -> None:
    assert run(50_000, 3, 4, 50_001) == [(50_000, 3, "reset")]
    assert run(99_999_999, 1, 2) == [(99_999_999, 1, "roll-over")]


def test_first_readings_are_settled_once_with_what_was_before() -> None:
    counts = Counts()
    points = (METER, METER, METER)
    for index, value in enumerate((10, 20, 30)):
        counts.take(points, index, value)
    counts.take(points, 0, 11)
    before = {0: 2_000, 1: 20}
    assert counts.settle(points, before.get) == [Discontinuity(point=0, last=2_000, first=10, kind=Break.RESET)]
    assert counts.settle(points, before.get) == []


def test_another_device_begins_anew() -> None:
    counts = Counts()
    counts.take((METER,), 0, 50_000)
    counts.forget()
    assert counts.take((METER,), 0, 3) is None
