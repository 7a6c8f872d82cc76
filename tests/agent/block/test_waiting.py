"""What waits has bounds, and far-off blocks do not slow the chain down."""

from __future__ import annotations

from typing import Any

import pytest

from agent.block import memory
from agent.block.chain import ChainState
from agent.block.errors import BlockError
from agent.block.memory import HeadTable
from agent.block.verify import Verdict
from tests.agent.block.chains import Gateway, Reader, read_up_to, remake, sealed


def test_beyond_the_bound_the_highest_detached_block_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "DETACHED_MESSAGES", 3)
    gateway = sealed(8)
    reader = Reader.of(gateway)
    reader.take(gateway.messages[0], *reversed(gateway.messages[2:]))
    assert reader.shelf.waiting()[0] == ((0, 2), (0, 3), (0, 4))
    assert reader.shelf.dropped == 3
    assert reader.verdicts(gateway.messages[1]) == [Verdict.CHAINED] * 4
    assert reader.verdicts(*gateway.messages[5:]) == [Verdict.CHAINED] * 3


def test_beyond_the_bound_the_newest_parked_block_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PARKED_MESSAGES", 3)
    gateway = sealed(8)
    reader = Reader.of(gateway)
    reader.take(*gateway.messages[1:])
    assert reader.shelf.waiting()[1] == 3
    assert reader.shelf.dropped == 4
    reader.take(gateway.messages[0])
    assert reader.state.place == (0, 3)


def test_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "DETACHED_BYTES", 500)
    monkeypatch.setattr(memory, "PARKED_BYTES", 500)
    gateway = sealed(8)
    reader = Reader.of(gateway)
    reader.take(*gateway.messages[1:4])
    assert reader.shelf.waiting()[1] == 2
    reader = Reader.of(gateway)
    reader.take(gateway.messages[0], *gateway.messages[2:])
    assert reader.shelf.waiting()[0] == ((0, 2), (0, 3))


def rival(gateway: Gateway, first_reading: int) -> bytes:
    """Another block 2."""

    def change(payload: dict[int, Any]) -> None:
        payload[5] = first_reading

    return remake(gateway.messages[2], change, gateway.session)


def test_evidence_is_bounded_and_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "DETACHED_BYTES", 500)
    gateway = sealed(3)
    reader = read_up_to(gateway)
    rivals = [rival(gateway, number) for number in range(90, 95)]
    reader.take(*rivals, *rivals)
    assert reader.shelf.evidence == rivals[:2]
    assert reader.shelf.dropped == 6


def test_heads_are_found_by_place_and_place_by_head() -> None:
    table = HeadTable()
    places = [(0, 0), (0, 1), (0, 7), (0, 8), (3, 0), (3, 1)]
    heads = [bytes((at,)) * 31 + bytes((99,)) for at in range(6)]
    for place, head in zip(places, heads, strict=True):
        table.put(place, head)
    assert [table.get(place) for place in places] == heads
    assert [table.find(head) for head in heads] == places
    for absent in ((0, 2), (0, 6), (0, 9), (1, 0), (3, 2)):
        assert table.get(absent) is None
    assert table.find(heads[0][16:] + heads[1][:16]) is None, "only where a head begins"


def test_a_state_survives_a_database() -> None:
    gateway = sealed(4, epochs=2)
    state = read_up_to(gateway).state
    again = ChainState.unpack(state.pack(), state.tables)
    assert again == state
    begun = Reader.of(Gateway()).state
    assert ChainState.unpack(begun.pack(), begun.tables) == begun
    with pytest.raises(BlockError, match="state-version"):
        ChainState.unpack(b"\x81\x02", state.tables)
    reader = Reader.of(gateway)
    for message in gateway.messages:
        reader.state = ChainState.unpack(reader.state.pack(), reader.state.tables)
        assert reader.verdicts(message) == [Verdict.CHAINED]
