"""Rule 4, holes: what event 4 declares lost, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from agent.block import events
from agent.block.events import Gap
from agent.block.record import Event
from agent.block.verify import Verdict
from tests.agent.block.chains import (
    Gateway,
    Reader,
    sealed,
)

CHAINED, DUPLICATE, DETACHED = Verdict.CHAINED, Verdict.DUPLICATE, Verdict.DETACHED


def reason(reader: Reader, message: bytes) -> tuple[Verdict, str]:
    outcome = reader.judge(message)
    return outcome.verdict, outcome.reason


def lost(gateway: Gateway, first: int, last: int, /, **changed: Any) -> Event:
    """Event 4 for blocks ``first`` to ``last`` (indexes of ``gateway.sealed``)."""
    start, end = gateway.sealed[first], gateway.sealed[last]
    fields: dict[str, Any] = {
        "first_reading": start.first_reading,
        "last_reading": end.first_reading + end.readings - 1,
        "reason": 1,
        "first": (start.epoch, start.number),
        "last": (end.epoch, end.number),
        "head": end.head,
    } | changed
    return events.gap(gateway.mono_ms, Gap(**fields))


def without(gateway: Gateway, first: int, last: int) -> list[bytes]:
    return [message for at, message in enumerate(gateway.messages) if not first <= at <= last]


def test_a_declared_loss_is_stepped_over_and_listed() -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 3)])
    gateway.seal(2)
    reader = Reader.of(gateway)
    outcomes = reader.take(*without(gateway, 2, 3))
    assert [outcome.verdict for outcome in outcomes[-4:]] == [CHAINED] * 4
    assert reader.state.place == (0, 7)
    (loss,) = reader.state.losses
    assert (loss.first, loss.until, loss.readings) == ((0, 2), (0, 4), (2, 6))
    assert reader.state.next_reading == 14


def test_several_events_may_cover_one_hole() -> None:
    gateway = sealed(7)
    gateway.seal(2, events=[lost(gateway, 4, 4), lost(gateway, 2, 3)])
    reader = Reader.of(gateway)
    assert reader.take(*without(gateway, 2, 4))[-1].verdict is CHAINED
    assert reader.state.place == (0, 7)


def test_a_loss_at_the_end_of_an_epoch_is_known_by_its_hash() -> None:
    for right in (True, False):
        gateway = sealed(5)
        gateway.open()
        head = {} if right else {"head": b"\x01" * 32}
        gateway.seal(events=[lost(gateway, 3, 4, **head)])
        reader = Reader.of(gateway)
        reader.take(*without(gateway, 3, 4))
        assert reader.state.place == ((1, 0) if right else (0, 2))


@pytest.mark.parametrize(
    "changed",
    [{"first": (0, 3)}, {"last": (0, 2)}, {"head": b"\x01" * 32}, {"last_reading": 3}],
    ids=lambda changed: next(iter(changed)),
)
def test_an_event_that_does_not_cover_the_hole_declares_nothing(changed: dict[str, Any]) -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 3, **changed)])
    reader = Reader.of(gateway)
    reader.take(*without(gateway, 2, 3))
    assert reader.state.place == (0, 1)
    assert reader.state.losses == ()
    assert len(reader.shelf.waiting()[0]) == 3


def test_a_range_that_runs_on_over_blocks_that_are_there_covers_the_hole() -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 4)])
    reader = Reader.of(gateway)
    reader.take(*without(gateway, 2, 3))
    assert reader.state.place == (0, 6), "block 4 is there, so it is not lost"
    assert reader.state.losses[0].until == (0, 4)


def test_a_late_block_of_a_declared_loss_is_kept_and_reported() -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 3)])
    reader = Reader.of(gateway)
    reader.take(*without(gateway, 2, 3))
    assert [(o.verdict, o.reason) for o in reader.take(gateway.messages[2])] == [(DETACHED, "late-block")]
    gateway.open()
    gateway.seal()
    reader.take(gateway.messages[-1])
    assert [(o.verdict, o.reason) for o in reader.take(gateway.messages[3])] == [(DETACHED, "late-block")]
