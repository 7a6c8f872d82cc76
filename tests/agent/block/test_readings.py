from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.block import events
from agent.block.readings import (
    UtcEstimate,
    decimal_text,
    later_anchor,
    own_anchor,
    rows,
    utc_at,
    utc_between,
)
from agent.block.record import Block, ClockSample, Columns, Event
from agent.block.verify import Outcome
from tests.agent.block.chains import BOOT, EVENT, GAUGE, STATE, UTC, Gateway, Reader, clock_at, no_utc


def chained(gateway: Gateway) -> Outcome:
    outcome = Reader.of(gateway).take(*gateway.messages)[-1]
    assert outcome.block is not None, outcome.reason
    return outcome


def block_of(clock: ClockSample, *happened: Event) -> Block:
    gateway = Gateway()
    gateway.seal()
    gateway.seal(clock=clock, events=happened)
    block = chained(gateway).block
    assert block is not None
    return block


def test_rows_carry_names_numbers_and_status() -> None:
    gateway = Gateway(kinds=(GAUGE, STATE, EVENT))
    gateway.seal(2)
    readings = Columns(
        mono_ms=(900, 950, 1000),
        points=(0, 2, 0),
        values=(2301, "card 7", None),
        statuses=((2, 0x80050000),),
    )
    gateway.seal(columns=readings)
    outcome = chained(gateway)
    assert outcome.block is not None
    read = rows(outcome.block, outcome.state.tables)
    assert read is not None
    assert (read.first_number, read.boot) == (2, BOOT)
    assert read.devices == ("meter-1",) * 3
    assert read.quantities == ("quantity_0", "quantity_2", "quantity_0")
    assert read.units == ("V", None, "V")
    assert read.exponents == (-1, -1, -1)
    assert read.values == (2301, "card 7", None)
    assert read.mono_ms == (900, 950, 1000)
    assert read.statuses == (0, 0, 0x80050000)
    gateway.seal()
    outcome = chained(gateway)
    assert outcome.block is not None
    assert rows(outcome.block, outcome.state.tables) is None


@pytest.mark.parametrize(
    ("mantissa", "exponent", "text"),
    [
        (2301, -1, "230.1"),
        (-2301, -1, "-230.1"),
        (5, -3, "0.005"),
        (-5, -3, "-0.005"),
        (0, -2, "0.00"),
        (7, 0, "7"),
        (7, 3, "7000"),
        (-(2**63), -18, "-9.223372036854775808"),
        (2**63 - 1, 18, "9223372036854775807" + "0" * 18),
    ],
)
def test_a_value_is_written_exactly(mantissa: int, exponent: int, text: str) -> None:
    assert decimal_text(mantissa, exponent) == text


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-18, 18))
def test_no_digit_is_lost(mantissa: int, exponent: int) -> None:
    text = decimal_text(mantissa, exponent)
    assert "E" not in text
    assert Decimal(text) == Decimal(mantissa).scaleb(exponent)


def test_utc_of_a_reading_is_the_blocks_with_a_ten_thousandth_of_the_distance() -> None:
    anchor = own_anchor(block_of(clock_at(50_000, error_ms=20)))
    assert anchor is not None
    assert utc_at(anchor, 50_000) == UtcEstimate(utc_ms=UTC + 50_000, error_ms=20)
    assert utc_at(anchor, 49_999) == UtcEstimate(utc_ms=UTC + 49_999, error_ms=21), "rounded up"
    assert utc_at(anchor, 40_000) == UtcEstimate(utc_ms=UTC + 40_000, error_ms=21)
    assert utc_at(anchor, 39_999) == UtcEstimate(utc_ms=UTC + 39_999, error_ms=22)
    assert utc_at(anchor, 60_001) == UtcEstimate(utc_ms=UTC + 60_001, error_ms=22)


def test_without_utc_the_blocks_own_event_serves() -> None:
    told = events.clock_set(7000, utc_ms=UTC, quality=3, max_error_ms=50)
    anchor = own_anchor(block_of(no_utc(9000), told))
    assert anchor is not None
    assert utc_at(anchor, 8000) == UtcEstimate(utc_ms=UTC + 1000, error_ms=51)
    assert own_anchor(block_of(no_utc(9000))) is None


def test_a_later_block_serves_by_its_event_before_its_clock() -> None:
    told = events.clock_set(7000, utc_ms=UTC, quality=3, max_error_ms=50)
    block = block_of(clock_at(9000, utc_ms=UTC + 2500), told)
    own, later = own_anchor(block), later_anchor(block)
    assert own is not None
    assert later is not None
    assert (own.mono_ms, own.utc_ms) == (9000, UTC + 2500)
    assert (later.mono_ms, later.utc_ms) == (7000, UTC)


def test_a_boot_that_never_knew_utc_lies_between_its_neighbours() -> None:
    before, after = clock_at(0, utc_ms=UTC, error_ms=100), clock_at(0, utc_ms=UTC + 1001, error_ms=200)
    estimate = utc_between(before, after)
    assert estimate is not None
    assert estimate.utc_ms - estimate.error_ms <= UTC - 100
    assert estimate.utc_ms + estimate.error_ms >= UTC + 1201
    assert estimate.error_ms == 651
    assert utc_between(no_utc(0), after) is None
    assert utc_between(after, clock_at(0, utc_ms=UTC, error_ms=0)) is None
