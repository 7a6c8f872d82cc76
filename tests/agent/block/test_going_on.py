"""Rule 5: an unreadable block delivers nothing and the chain goes on; and what is reported of readable ones."""

from __future__ import annotations

from typing import Any

import pytest

from agent.block.dictionary import read_add
from agent.block.findings import FindingCode
from agent.block.record import ClockSample, Event, EventKind
from agent.block.verify import Outcome, Verdict
from tests.agent.block.chains import (
    BOOT,
    COUNTER,
    EVENT,
    GAUGE,
    STATE,
    UTC,
    Gateway,
    Reader,
    clock_at,
    no_utc,
    read_up_to,
)

BAD = 0x80000000
KINDS = (GAUGE, COUNTER, STATE, EVENT)
I64 = 2**63
MONO = 1_002_000


def opened() -> tuple[Gateway, Reader]:
    gateway = Gateway(kinds=KINDS)
    gateway.seal()
    return gateway, read_up_to(gateway)


def with_keys(changed: dict[int, Any]) -> Outcome:
    gateway, reader = opened()
    return reader.judge(gateway.forge(lambda payload: payload.update(changed)))


def unreadable(outcome: Outcome) -> str:
    assert outcome.verdict is Verdict.UNREADABLE, outcome.verdict
    assert outcome.block is None
    return outcome.reason


# --- reading numbers, dictionary, going on


@pytest.mark.parametrize("number", [1, 2**63 - 1])
def test_a_reading_number_that_is_not_the_next_is_unreadable(number: int) -> None:
    assert unreadable(with_keys({5: number})) == "reading-number"


def test_a_hash_that_is_not_of_the_tables_is_unreadable() -> None:
    assert unreadable(with_keys({7: bytes(16)})) == "dictionary-hash"


def test_after_an_unreadable_block_the_next_one_sets_the_reading_number() -> None:
    gateway, reader = opened()
    gateway.seal(4)
    reader.take(gateway.messages[-1])
    broken = gateway.forge(lambda payload: payload.update({8: {}}))
    outcome = reader.take(broken)[0]
    assert outcome.verdict is Verdict.UNREADABLE
    assert reader.state.place == (0, 2)

    def after(number: int) -> bytes:
        def change(payload: dict[int, Any]) -> None:
            payload.update({3: 3, 4: reader.state.head, 5: number})

        return gateway.forge(change)

    assert unreadable(reader.judge(after(3))) == "reading-number", "never below the last one known"
    assert reader.judge(after(4)).verdict is Verdict.CHAINED
    assert reader.take(after(9))[0].state.next_reading == 9
    assert not reader.state.reading_open


def test_the_dictionary_of_an_unreadable_block_counts_when_it_can_be_told() -> None:
    gateway, reader = opened()
    addition = (1, (), 4, ((0, "new", "V", 0, 0, 0),))
    after = gateway.writer.position.tables.add(read_add(addition))
    broken = {9: [[3, 5, addition]], 8: {}, 7: after.short_hash}
    outcome = reader.judge(gateway.forge(lambda payload: payload.update(broken)))
    assert unreadable(outcome) == "columns-form"
    assert outcome.state.tables == after
    assert len(outcome.adds) == 1
    assert not outcome.state.torn


def test_torn_tables_read_no_columns_but_the_chain_goes_on() -> None:
    gateway, reader = opened()
    torn = reader.take(gateway.forge(lambda payload: payload.update({7: b"\x01" * 16})))[0]
    assert torn.verdict is Verdict.UNREADABLE
    assert reader.state.torn

    def after(payload: dict[int, Any]) -> None:
        payload.update({3: 2, 4: reader.state.head})

    assert reader.judge(gateway.forge(after)).verdict is Verdict.CHAINED

    def with_readings(payload: dict[int, Any]) -> None:
        after(payload)
        payload.update({8: {0: 1, 1: [0], 2: [0], 3: [1]}})

    assert unreadable(reader.judge(gateway.forge(with_readings))) == "tables-torn"


# --- reported, never refused


def codes(*clocks: ClockSample, events: tuple[Event, ...] = ()) -> list[str]:
    gateway = Gateway()
    gateway.seal(clock=clocks[0])
    for clock in clocks[1:]:
        gateway.seal(clock=clock, events=events)
    outcomes = Reader.of(gateway).take(*gateway.messages)
    assert all(outcome.verdict is Verdict.CHAINED for outcome in outcomes)
    return [finding.code.value for outcome in outcomes for finding in outcome.findings]


def test_a_clock_in_step_is_not_reported() -> None:
    assert codes(clock_at(1000), clock_at(61_000), clock_at(121_000)) == []
    assert codes(clock_at(1000), clock_at(2000, utc_ms=UTC + 2041)) == [], "within both errors and the drift"


def test_steps_silence_and_clocks_running_backwards_are_reported() -> None:
    assert codes(clock_at(1000), clock_at(2000, utc_ms=UTC + 2042)) == ["clock-step"]
    assert codes(clock_at(1000), clock_at(121_001)) == ["silence"]
    assert codes(clock_at(1000), clock_at(2000, utc_ms=UTC)) == ["utc-backwards", "clock-step"]
    assert codes(clock_at(3000), clock_at(2000, utc_ms=UTC + 3001)) == ["mono-backwards", "clock-step"]
    assert codes(no_utc(1000), no_utc(2000)) == []
    assert codes(no_utc(2000), no_utc(1000)) == ["mono-backwards"]


def test_a_restart_is_told_by_the_boot_event() -> None:
    other = b"otherone"
    boot = Event(kind=EventKind.BOOT, mono_ms=5, fields=(BOOT, 1000, True))
    crash = Event(kind=EventKind.BOOT, mono_ms=5, fields=(BOOT, 1000, False))
    later = clock_at(50, utc_ms=UTC + 300_000, boot=other)
    soon = clock_at(50, utc_ms=UTC + 60_000, boot=other)
    assert codes(clock_at(1000), soon, events=(boot,)) == []
    assert codes(clock_at(1000), soon, events=(crash,)) == ["unclean-restart"]
    assert codes(clock_at(1000), soon) == ["boot-changed-without-event"]
    assert codes(clock_at(1000), later, events=(boot,)) == ["silence"]
    missed = Event(kind=EventKind.MISSED_POLLS, mono_ms=5, fields=(0, 3, 40, 100, 200, 1))
    assert codes(clock_at(1000), clock_at(2000), events=(missed,)) == ["missed-polls"]
    assert FindingCode("silence") is FindingCode.SILENCE
