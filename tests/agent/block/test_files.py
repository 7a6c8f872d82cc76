"""Whole files: reading them in the face of damage, and the one verdict at the end."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.block import events
from agent.block.cbseq import BadStretch, read_cbseq, write_cbseq
from agent.block.dictionary import Tables, encode_add, read_cbdict, write_cbdict
from agent.block.errors import BlockError
from agent.block.events import Gap
from agent.block.file_verdict import FileVerdict
from agent.block.record import Event
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from tests.agent.block.chains import UTC, Gateway, SoftKey, meter, read_up_to, remake, sealed


def file_of(*parts: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(parts))


def verdict(gateway: Gateway, *parts: bytes) -> FileVerdict:
    return verify_sequence(read_cbseq(file_of(*parts)), gateway.trust)


# --- reading


def test_a_file_is_read_back_message_by_message() -> None:
    gateway = sealed(20, epochs=3)
    stream = io.BytesIO()
    assert write_cbseq(stream, gateway.messages) == 60
    assert stream.getvalue() == b"".join(gateway.messages)
    stream.seek(0)
    assert list(read_cbseq(stream)) == gateway.messages


def test_an_empty_file_holds_nothing() -> None:
    assert list(read_cbseq(file_of())) == []


def test_bad_bytes_are_one_stretch_and_reading_goes_on_behind_them() -> None:
    first, second, third = sealed(3).messages
    for rubbish in (b"\0", b"\xd2", b"\xd2\x84", b"\xd2\x84\x4d", b"rubbish", first[:40], bytes(3_000_000)):
        got = list(read_cbseq(file_of(rubbish, first, rubbish, second, third, rubbish)))
        size = len(rubbish)
        assert got[0] == BadStretch(offset=0, length=size), rubbish[:9]
        assert got[1] == first
        assert got[2] == BadStretch(offset=size + len(first), length=size)
        assert got[3:5] == [second, third]
        assert got[5] == BadStretch(offset=2 * size + len(first) + len(second) + len(third), length=size)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_loses_a_whole_message_nor_a_byte(data: st.DataObject) -> None:
    messages = sealed(8).messages
    whole = b"".join(messages)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    got = list(read_cbseq(io.BytesIO(bytes(damaged))))
    hit = 0
    while at >= len(messages[hit]):
        at -= len(messages[hit])
        hit += 1
    for index, message in enumerate(messages):
        assert (message in got) == (index != hit)
    sizes = [item.length if isinstance(item, BadStretch) else len(item) for item in got]
    assert sum(sizes) == len(whole)


def test_a_file_that_ends_inside_a_message_ends_with_a_bad_stretch() -> None:
    first, second = sealed(2).messages
    for cut in range(1, len(second)):
        got = list(read_cbseq(file_of(first, second[:cut])))
        assert got[0] == first
        assert got[1] == BadStretch(offset=len(first), length=cut)
        assert len(got) == 2


# --- verdict


def test_an_intact_file_is_proven() -> None:
    gateway = sealed(5, epochs=3)
    result = verdict(gateway, *gateway.messages)
    (chain,) = result.chains
    assert result.proven
    assert chain.proven
    assert (chain.gateway, chain.trusted, chain.begins) == (gateway.identity.kid, True, 0)
    assert chain.epochs == ((0, 5), (1, 5), (2, 5))
    assert (chain.blocks, chain.readings, chain.duplicates) == (15, 24, 0)
    assert (chain.last, chain.head) == ((2, 4), gateway.sealed[-1].head)
    assert chain.first_utc_ms == UTC + 1_002_000
    assert chain.last_utc_ms == UTC + gateway.mono_ms
    assert chain.findings == ()


def test_order_and_duplicates_do_not_hinder_the_proof() -> None:
    gateway = sealed(6, epochs=3)
    messages = gateway.messages * 2
    random.Random(5).shuffle(messages)
    result = verdict(gateway, *messages)
    assert result.proven
    assert result.chains[0].readings == 30
    assert result.chains[0].duplicates > 0


def test_a_missing_block_is_named() -> None:
    gateway = sealed(6, epochs=2)
    for gone in range(12):
        messages = [message for at, message in enumerate(gateway.messages) if at != gone]
        result = verdict(gateway, *messages)
        chain = result.chains[0]
        if gone == 11:
            assert result.proven, "a file cannot show that its tail is missing"
            assert chain.last == (1, 4)
            continue
        assert not result.proven
        if gone not in (0, 6):
            place = (gateway.sealed[gone].epoch, gateway.sealed[gone].number)
            assert chain.missing[0].first == place
            assert chain.detached == 11 - gone
            assert chain.blocks == gone
        else:
            assert chain.parked == 5, "without block 0 nobody can say who signed"


@pytest.mark.parametrize("bit", [0, 150, 900, 1700])
def test_a_flipped_bit_makes_no_file_proven(bit: int) -> None:
    gateway = sealed(4)
    damaged = bytearray(gateway.messages[2])
    damaged[bit // 8 % len(damaged)] ^= 1 << bit % 8
    result = verdict(gateway, *gateway.messages[:2], bytes(damaged), *gateway.messages[3:])
    assert not result.proven
    chain = result.chains[0]
    assert (chain.blocks, chain.detached) == (2, 1)
    assert chain.missing[0].first == (0, 2)
    assert chain.refused + result.bad_count == 1


def test_a_fork_is_shown_whichever_side_comes_first() -> None:
    gateway = sealed(4)
    rival = remake(gateway.messages[3], lambda payload: payload.pop(8), gateway.session)
    for sides in ((gateway.messages[3], rival), (rival, gateway.messages[3])):
        result = verdict(gateway, *gateway.messages[:3], *sides)
        assert not result.proven
        assert result.chains[0].forks == 1
        assert result.chains[0].bad[0].reason == "same-number"
        assert result.chains[0].bad[0].place == (0, 3)


def test_an_unreadable_block_is_shown_and_its_readings_are_not_counted() -> None:
    gateway = sealed(3)
    broken = gateway.forge(lambda payload: payload.update({8: {0: 1, 1: [0], 2: [99], 3: [1]}}))
    result = verdict(gateway, *gateway.messages, broken)
    assert not result.proven
    chain = result.chains[0]
    assert (chain.unreadable, chain.readings, chain.last) == (1, 4, (0, 3))
    assert chain.bad[0].reason == "point-index"


def test_a_declared_loss_is_listed_and_does_not_hinder() -> None:
    gateway = sealed(5)
    start, end = gateway.sealed[2], gateway.sealed[3]
    gap = Gap(first_reading=2, last_reading=5, reason=1, first=(0, 2), last=(0, 3), head=end.head)
    gateway.seal(2, events=[events.gap(gateway.mono_ms, gap)])
    messages = [message for at, message in enumerate(gateway.messages) if at not in (2, 3)]
    result = verdict(gateway, *messages)
    assert result.proven
    (loss,) = result.chains[0].declared
    assert loss.first == (start.epoch, start.number)
    assert loss.readings == (2, 6)
    late = verdict(gateway, *messages, gateway.messages[2])
    assert not late.proven
    assert late.chains[0].detached == 1


def test_strangers_and_rubbish_are_shown_beside_the_chain() -> None:
    gateway, other = sealed(3), Gateway("other")
    other.seal()
    result = verdict(gateway, *gateway.messages, *other.messages, b"rubbish")
    assert not result.proven
    mine, strange = result.chains
    assert mine.proven
    assert (strange.trusted, strange.proven, strange.refused) == (False, False, 1)
    assert strange.bad[0].reason == "unknown-gateway"
    assert (result.bad_count, result.bad[0].reason) == (1, "bad-stretch")
    both = verify_sequence(
        [*gateway.messages, *other.messages], Trust.of([gateway.identity.spki, other.identity.spki])
    )
    assert both.proven
    assert len(both.chains) == 2


def test_nothing_proves_nothing() -> None:
    assert not verify_sequence([], Trust.of([SoftKey("k").spki])).proven


def test_a_file_from_a_later_epoch_is_proven_with_the_dictionary_beside_it() -> None:
    gateway = sealed(4, epochs=3)
    tables = read_up_to(gateway).state.tables
    tail = gateway.messages[4:]
    assert not verify_sequence(tail, gateway.trust).proven
    result = verify_sequence(tail, gateway.trust, {gateway.identity.kid: tables})
    assert result.proven
    assert (result.chains[0].begins, result.chains[0].blocks) == (1, 8)
    wrong = verify_sequence(tail, gateway.trust, {gateway.identity.kid: Tables()})
    assert not wrong.proven
    assert wrong.chains[0].unreadable == 7


# --- .cbdict


def test_tables_are_written_and_read_back() -> None:
    gateway = sealed(2)
    adds = [encode_add(events.addition_of(event)) for event in read_additions(gateway)]
    assert len(adds) == 2
    tables = gateway.writer.position.tables
    assert Tables.from_adds(adds) == tables
    assert read_cbdict(write_cbdict(adds)) == tables
    assert read_cbdict(write_cbdict([])) == Tables()
    for wrong in (
        b"",
        b"\x00",
        write_cbdict(adds)[:-1],
        write_cbdict(reversed(adds)),
        write_cbdict([*adds, adds[-1]]),
    ):
        with pytest.raises(BlockError):
            read_cbdict(wrong)


def read_additions(gateway: Gateway) -> list[Event]:
    change = gateway.writer.dictionary_add([meter("second")], [], 5)
    gateway.seal(events=change.events)
    reader = read_up_to(gateway)
    assert reader.state.tables.adds == 2
    first = gateway.messages[0]
    block = type(reader).of(gateway).judge(first).block
    assert block is not None
    return [*(event for event in block.events if event.kind == 3), *change.events]
