"""Rule 4: where a block belongs."""

from __future__ import annotations

import random

from agent.block import events
from agent.block.record import ZERO_HEAD, Event, EventKind
from agent.block.verify import Verdict, Verifier
from tests.agent.block.chains import (
    Gateway,
    Reader,
    SoftKey,
    clock_at,
    opening,
    payload_of,
    read_up_to,
    remake,
    rows,
    sealed,
)

CHAINED, DUPLICATE, DETACHED = Verdict.CHAINED, Verdict.DUPLICATE, Verdict.DETACHED


def reason(reader: Reader, message: bytes) -> tuple[Verdict, str]:
    outcome = reader.judge(message)
    return outcome.verdict, outcome.reason


def test_blocks_in_order_are_chained_over_epochs() -> None:
    gateway = sealed(4, epochs=3)
    reader = Reader.of(gateway)
    outcomes = reader.take(*gateway.messages)
    assert [outcome.verdict for outcome in outcomes] == [CHAINED] * 12
    assert reader.state.place == (2, 3)
    assert reader.state.next_reading == 18
    assert reader.state.head == gateway.sealed[-1].head


def test_any_order_ends_in_the_same_chain() -> None:
    gateway = sealed(5, epochs=3)
    want = read_up_to(gateway).state
    for seed in range(20):
        messages = gateway.messages * 2
        random.Random(seed).shuffle(messages)
        reader = Reader.of(gateway)
        outcomes = reader.take(*messages)
        assert sum(outcome.verdict is CHAINED for outcome in outcomes) == 15, seed
        assert reader.state == want
        assert reader.shelf.waiting() == ((), 0)


def test_a_block_seen_again_is_a_duplicate_even_from_a_closed_epoch() -> None:
    gateway = sealed(3, epochs=2)
    reader = read_up_to(gateway)
    assert reader.verdicts(*gateway.messages) == [DUPLICATE] * 6
    assert reader.state.place == (1, 2)


def test_a_hole_is_detached_until_it_is_filled() -> None:
    gateway = sealed(5)
    reader = Reader.of(gateway)
    first, second, third, fourth, fifth = gateway.messages
    assert reader.verdicts(first, second) == [CHAINED] * 2
    early = reader.take(fourth, fifth)
    assert [(outcome.verdict, outcome.reason) for outcome in early] == [(DETACHED, "predecessor-missing")] * 2
    assert all(outcome.block is None for outcome in early), "nothing of a detached block is delivered"
    assert reader.state.place == (0, 1)
    assert reader.verdicts(third) == [CHAINED] * 3
    assert reader.state.place == (0, 4)


def test_blocks_of_an_epoch_that_nobody_opened_yet_are_parked() -> None:
    gateway = sealed(3)
    reader = Reader.of(gateway)
    first, second, third = gateway.messages
    assert reason(reader, second) == (Verdict.PARKED, "no-delegation")
    assert reader.verdicts(third, second) == [Verdict.PARKED] * 2
    assert reader.verdicts(first) == [CHAINED, DETACHED, CHAINED, CHAINED]


def test_the_last_epochs_missing_tail_holds_the_next_epoch_back() -> None:
    gateway = sealed(3, epochs=2)
    reader = Reader.of(gateway)
    tail = gateway.messages.pop(2)
    reader.take(*gateway.messages[:2])
    assert reader.verdicts(*gateway.messages[3:]) == [DETACHED] * 3
    assert reader.verdicts(tail) == [CHAINED] * 4


def test_the_same_number_with_other_content_is_a_fork_and_what_was_stored_stays() -> None:
    gateway = sealed(3)
    reader = read_up_to(gateway)
    rival = remake(gateway.messages[2], lambda payload: payload.pop(8), gateway.session)
    before = reader.state
    assert reader.verdicts(rival) == [Verdict.FORK]
    assert reader.state.forked
    assert reader.state.head == before.head
    assert reader.shelf.evidence == [rival]
    gateway.seal(2)
    assert reader.verdicts(gateway.messages[-1]) == [CHAINED], "the chain goes on where it links"
    assert reader.state.forked


def test_the_next_number_that_does_not_link_is_a_fork() -> None:
    gateway = sealed(3)
    reader = read_up_to(gateway)
    stray = gateway.forge(lambda payload: payload.update({4: b"\x01" * 32}))
    assert reason(reader, stray) == (Verdict.FORK, "other-prev")


def test_two_blocks_that_wait_for_one_place_are_a_fork() -> None:
    gateway = sealed(5)
    reader = Reader.of(gateway)
    reader.take(*gateway.messages[:2])
    rival = remake(gateway.messages[4], lambda payload: payload.pop(8), gateway.session)
    assert reader.verdicts(rival) == [DETACHED]
    assert reason(reader, gateway.messages[4]) == (Verdict.FORK, "detached-rival")


def test_a_detached_block_that_does_not_link_when_its_turn_comes_is_a_fork() -> None:
    gateway = sealed(5)
    reader = Reader.of(gateway)
    reader.take(*gateway.messages[:2])
    rival = remake(gateway.messages[3], lambda payload: payload.update({4: b"\x01" * 32}), gateway.session)
    assert reader.verdicts(rival, gateway.messages[2]) == [DETACHED, CHAINED, Verdict.FORK]
    assert reader.verdicts(*gateway.messages[3:]) == [CHAINED] * 2


def test_an_epoch_that_opens_on_an_older_block_is_a_fork() -> None:
    gateway = sealed(4)
    clone = Gateway()
    clone.writer = type(clone.writer).resume(gateway.identity.kid, gateway.messages[:2])
    clone.sealed = gateway.sealed[:2]
    clone.open()
    clone.session = SoftKey("gateway session 1")
    opening = clone.seal().message
    reader = read_up_to(gateway)
    assert reason(reader, opening) == (Verdict.FORK, "opens-elsewhere")
    reader.take(opening, clone.seal(2).message)
    assert reader.state.place == (0, 3)
    assert reader.state.forked


def test_a_second_block_0_of_an_epoch_is_a_fork_and_the_first_one_keeps_the_key() -> None:
    gateway = sealed(2)
    reader = read_up_to(gateway)
    thief = SoftKey("thief")
    rival = opening(gateway, session=thief, epoch=0, prev=ZERO_HEAD)
    assert reason(reader, rival) == (Verdict.FORK, "second-opening")
    reader.take(rival)
    gateway.seal(2)
    assert reader.verdicts(gateway.messages[-1]) == [CHAINED]


def test_a_block_of_a_closed_epoch_is_refused_and_changes_nothing() -> None:
    gateway = sealed(3)
    old_session = gateway.session
    late = gateway.seal(2).message
    gateway.sealed.pop()
    position = gateway.sealed[-1]
    gateway.writer = type(gateway.writer).resume(gateway.identity.kid, gateway.messages)
    gateway.open()
    gateway.seal()
    reader = read_up_to(gateway)
    before = reader.state
    assert reader.state.place == (1, 0)
    assert reason(reader, late) == (Verdict.REFUSED, "epoch-closed")
    forged = remake(position.message, lambda payload: payload.pop(8), old_session)
    assert reason(reader, forged) == (Verdict.REFUSED, "epoch-closed")
    assert reader.take(late)[0].state is before


def test_a_genesis_that_links_to_something_is_refused() -> None:
    gateway = Gateway()
    genesis = opening(gateway, session=SoftKey("s"), epoch=0, prev=b"\x01" * 32)
    assert reason(Reader.of(gateway), genesis) == (Verdict.REFUSED, "genesis-prev")


def test_a_later_epoch_without_its_genesis_is_detached() -> None:
    gateway = sealed(2, epochs=2)
    reader = Reader.of(gateway)
    assert reader.verdicts(*gateway.messages[2:]) == [DETACHED] * 2


def test_a_chain_may_begin_at_a_later_epoch_with_the_tables_before_it() -> None:
    gateway = sealed(3, epochs=3)
    tables = read_up_to(gateway).state.tables
    verifier = Verifier(gateway.trust)
    state = verifier.begin(gateway.identity.kid, epoch=1, tables=tables)
    assert state is not None
    reader = Reader(verifier=verifier, state=state)
    assert reader.verdicts(*gateway.messages[3:]) == [CHAINED] * 6
    assert reader.state.begins == 1
    empty = verifier.begin(gateway.identity.kid, epoch=1)
    assert empty is not None
    blind = Reader(verifier=verifier, state=empty)
    assert [o.reason for o in blind.take(*gateway.messages[3:6])] == ["dictionary-hash", "tables-torn", "tables-torn"]


def test_the_boot_event_stands_before_the_one_that_opens_the_epoch() -> None:
    gateway = sealed(2)
    gateway.open()
    boot = events.boot(gateway.mono_ms, boot_before=None, last_sealed_mono_ms=None, clean=True)
    other = Event(kind=EventKind.SOFTWARE, mono_ms=1, fields=(bytes(32), "1.0"))
    block = gateway.seal(columns=rows(gateway.mono_ms, 4), events=[other, boot], clock=clock_at(gateway.mono_ms))
    outcome = read_up_to(gateway).state
    assert outcome.head == block.head
    assert [event[0] for event in payload_of(block.message)[9]] == [1, 5, 12]
