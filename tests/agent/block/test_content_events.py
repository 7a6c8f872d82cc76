"""Rule 5: events and receipts of a block that stands in its place."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from agent.block.record import Event, ReceiptMark
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


# --- events

DELEGATION = cbor2.CBORTag(18, [b"\xa0", {}, b"\xa0", bytes(64)])

EVENTS: list[tuple[Any, str]] = [
    ([[1, 5, None, None, True]], ""),
    ([[1, 5, BOOT, 4, False]], ""),
    ([[1, 5, BOOT, 4, 0]], "event-form"),
    ([[1, 5, BOOT[:7], 4, True]], "event-form"),
    ([[1, 5, BOOT, -4, True]], "event-form"),
    ([[1, 5, BOOT, 4]], "event-form"),
    ([[1, 5, BOOT, 4, True, 0]], "event-form"),
    ([[2, 5, UTC, 3, 20]], ""),
    ([[2, 5, UTC, 0, 20]], "event-form"),
    ([[2, 5, UTC, 6, 20]], "event-form"),
    ([[2, 5, 12345, 3, 20]], "event-form"),
    ([[2, 5, None, 3, 20]], "event-form"),
    ([[2, 5, UTC, 3, 20], [2, 6, UTC, 3, 20]], "event-twice"),
    ([[1, 5, None, None, True], [1, 5, None, None, True]], "event-twice"),
    ([[3, 5]], "event-form"),
    ([[3, 5, [1, [], 4, []]]], "dictionary-empty"),
    ([[3, 5, [0, [], 4, [[0, "q", None, 0, 0, 0]]]]], "dictionary-order"),
    ([[3, 5, [1, [], 5, [[0, "q", None, 0, 0, 0]]]]], "dictionary-order"),
    ([[3, 5, [1, [], 4, [[1, "q", None, 0, 0, 0]]]]], "dictionary-device"),
    ([[3, 5, [1, [], 4, [[0, "q", None, 19, 0, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, "q", None, -19, 0, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, "q", None, 0, 4, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, "q", None, 0, 0, 3]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, "q", None, 0, False, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, "q" * 256, None, 0, 0, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, None, None, 0, 0, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [], 4, [[0, "q", None, 0, 0]]]]], "dictionary-form"),
    ([[3, 5, [1, [[b"x" * 7, "n", "p", bytes(16), None]], 4, []]]], "dictionary-form"),
    ([[3, 5, [1, [[b"x" * 8, "n", "p", bytes(15), None]], 4, []]]], "dictionary-form"),
    ([[3, 5, [1, [[b"x" * 8, "n", "p", bytes(16), 5]], 4, []]]], "dictionary-form"),
    ([[3, 5, [1, [], 4]]], "dictionary-form"),
    ([[3, 5, [1, [[b"x" * 8, "n", "p", bytes(16), None]], 4, []]]], "dictionary-hash"),
    ([[4, 5, 3, 9, 1, [0, 1], [0, 4], bytes(32)]], ""),
    ([[4, 5, 3, 2, 1, [0, 1], [0, 1], bytes(32)]], ""),
    ([[4, 5, 3, 1, 1, [0, 1], [0, 1], bytes(32)]], "event-form"),
    ([[4, 5, 3, 9, 0, [0, 1], [0, 4], bytes(32)]], "event-form"),
    ([[4, 5, 3, 9, 4, [0, 1], [0, 4], bytes(32)]], "event-form"),
    ([[4, 5, 3, 9, 1, [0, 5], [0, 4], bytes(32)]], "event-form"),
    ([[4, 5, 3, 9, 1, [0, 1], [0, 4], bytes(31)]], "event-form"),
    ([[4, 5, 3, 9, 1, [0], [0, 4], bytes(32)]], "event-form"),
    ([[4, 5, 3, 9, 1, [0, 1], [0, True], bytes(32)]], "event-form"),
    ([[4, 5, -1, 9, 1, [0, 1], [0, 4], bytes(32)]], "event-form"),
    ([[5, 5, DELEGATION]], "event-form"),
    ([[6, 5]], ""),
    ([[6, 5, 0]], "event-form"),
    ([[7, 5, DELEGATION]], "event-form"),
    ([[7, 5, b""]], "event-form"),
    ([[8, 5]], ""),
    ([[22, 5, 0, 3, 40, 100, 200, 1]], ""),
    ([[65535, 5, 1, -1, True, None, "x" * 255, b"x" * 1024]], ""),
    ([[65536, 5]], "event-form"),
    ([[0, 5]], "event-form"),
    ([[64, 5, "x" * 256]], "event-form"),
    ([[64, 5, b"x" * 1025]], "event-form"),
    ([[64, 5, [1]]], "event-form"),
    ([[64, 5, {}]], "event-form"),
    ([[64, 5, DELEGATION]], "event-form"),
    ([[64, -5]], "event-form"),
    ([[64, True]], "event-form"),
    ([[64]], "event-form"),
    ([[True, 5]], "event-form"),
    ([[]], "event-form"),
    ([64, 5], "event-form"),
    ([], "event-form"),
    ({}, "event-form"),
    (None, "event-form"),
    ([[6, 5]] * 64, ""),
    ([[6, 5]] * 65, "event-form"),
]


@pytest.mark.parametrize(("events", "reason"), EVENTS)
def test_events_keep_their_form(events: Any, reason: str) -> None:
    outcome = with_keys({9: events})
    assert outcome.reason == reason
    assert outcome.verdict is (Verdict.UNREADABLE if reason else Verdict.CHAINED)


def test_a_second_delegation_outside_block_0_is_unreadable() -> None:
    gateway, reader = opened()
    first = cbor2.loads(gateway.messages[0])
    event = cbor2.loads(first.value[2])[9][0]
    outcome = reader.judge(gateway.forge(lambda payload: payload.update({9: [event]})))
    assert unreadable(outcome) == "epoch-open-misplaced"


def test_unknown_events_are_kept_as_they_are() -> None:
    gateway, _ = opened()
    event = Event(kind=777, mono_ms=5, fields=(1, -1, True, None, "x", b"y"))
    gateway.seal(events=[event])
    reader = Reader.of(gateway)
    block = reader.take(*gateway.messages)[-1].block
    assert block is not None
    assert block.events == (event,)


# --- receipts

KID = b"platform"


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ([[KID, 0, 0]], ""),
        ([[KID, 0, 1]], "receipt-ahead"),
        ([[KID, 1, 0]], "receipt-ahead"),
        ([[KID, 0, 0], [KID, 0, 0]], "receipt-twice"),
        ([[KID[:7], 0, 0]], "receipt-form"),
        ([[KID, 0]], "receipt-form"),
        ([[KID, 0, False]], "receipt-form"),
        ([[KID, 0, -1]], "receipt-form"),
        ([KID, 0, 0], "receipt-form"),
        ([], "receipt-form"),
        ([[bytes((at,)) * 8, 0, 0] for at in range(8)], ""),
        ([[bytes((at,)) * 8, 0, 0] for at in range(9)], "receipt-form"),
        (None, "receipt-form"),
    ],
)
def test_receipts_keep_their_form(marks: Any, reason: str) -> None:
    assert with_keys({10: marks}).reason == reason


def test_a_receipt_never_goes_back_and_one_left_out_stays() -> None:
    gateway, _ = opened()
    for _ in range(3):
        gateway.seal()
    gateway.seal(receipts=[ReceiptMark(destination=KID, epoch=0, number=2)])
    gateway.seal()
    reader = read_up_to(gateway)
    assert reader.state.receipts == (ReceiptMark(destination=KID, epoch=0, number=2),)
    outcome = reader.judge(gateway.forge(lambda payload: payload.update({10: [[KID, 0, 1]]})))
    assert unreadable(outcome) == "receipt-back"
