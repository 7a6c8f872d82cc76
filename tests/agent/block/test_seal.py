"""The writer: whatever it seals a verifier reads, and one number never gets two blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.block import events
from agent.block.errors import ChainDamagedError, SealError
from agent.block.record import (
    ZERO_HEAD,
    ClockQuality,
    ClockSample,
    Columns,
    Event,
    EventKind,
    ReceiptMark,
)
from agent.block.seal import Writer
from agent.block.verify import Verdict
from tests.agent.block.chains import (
    BOOT,
    COUNTER,
    EVENT,
    GAUGE,
    STATE,
    UTC,
    Gateway,
    Reader,
    SoftKey,
    clock_at,
    meter,
    no_utc,
    read_up_to,
    rows,
    sealed,
)

I64 = 2**63
KINDS = (GAUGE, COUNTER, STATE, EVENT)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
INTEGERS = st.integers(-I64, I64 - 1)
STATUS = st.integers(0x40000000, 2**32 - 1)
VALUES: tuple[st.SearchStrategy[Any], ...] = (
    INTEGERS | st.none(),
    INTEGERS | st.none(),
    INTEGERS | st.booleans() | TEXT | st.none(),
    INTEGERS | st.booleans() | TEXT | st.binary(max_size=40) | st.none(),
)


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    """Any columns that the format allows over four points, one of each kind."""
    at = draw(st.lists(st.integers(0, 3), min_size=1, max_size=30))
    values = tuple(draw(VALUES[kind]) for kind in at)
    statuses = []
    for row, value in enumerate(values):
        if value is None or draw(st.booleans()):
            statuses.append((row, draw(STATUS)))
    some_rows = st.lists(st.integers(0, len(at) - 1), unique=True).map(sorted)
    any_int = st.none() | st.integers(-(2**64), 2**64 - 1)
    any_uint = st.none() | st.integers(0, 2**64 - 1)
    return Columns(
        mono_ms=tuple(draw(st.integers(0, I64 - 1)) for _ in at),
        points=tuple(at),
        values=values,
        statuses=tuple(statuses),
        raws=tuple((row, draw(st.binary(min_size=1, max_size=40))) for row in draw(some_rows)),
        device_times=tuple((row, draw(any_int), draw(any_uint), draw(st.integers(0, 7))) for row in draw(some_rows)),
    )


CLOCKS = st.one_of(
    st.builds(
        lambda mono, utc, quality, error: ClockSample(
            boot=BOOT, mono_ms=mono, utc_ms=utc, quality=ClockQuality(quality), max_error_ms=error
        ),
        st.integers(0, I64 - 1),
        st.integers(2**40, 2**53 - 1),
        st.integers(1, 5),
        st.integers(0, I64 - 1),
    ),
    st.builds(
        lambda mono: ClockSample(boot=BOOT, mono_ms=mono, utc_ms=None, quality=ClockQuality.NONE, max_error_ms=0),
        st.integers(0, I64 - 1),
    ),
)
FIELDS = st.integers(-(2**64), 2**64 - 1) | st.booleans() | st.none() | TEXT | st.binary(max_size=60)
EVENTS = st.lists(
    st.builds(
        lambda kind, mono, fields: Event(kind=kind, mono_ms=mono, fields=tuple(fields)),
        st.integers(8, 65535),
        st.integers(0, I64 - 1),
        st.lists(FIELDS, max_size=4),
    ),
    max_size=5,
)


@settings(max_examples=300)
@given(columns(), CLOCKS, EVENTS)
def test_what_is_sealed_is_read_back_exactly(readings: Columns, clock: ClockSample, happened: list[Event]) -> None:
    gateway = Gateway(kinds=KINDS)
    gateway.seal()
    block = gateway.seal(columns=readings, clock=clock, events=happened)
    outcome = Reader.of(gateway).take(*gateway.messages)[-1]
    assert outcome.verdict is Verdict.CHAINED, outcome.reason
    assert outcome.block is not None
    assert outcome.block.columns == readings
    assert [type(value) for value in outcome.block.columns.values] == [type(value) for value in readings.values]
    assert outcome.block.clock == clock
    assert list(outcome.block.events) == happened
    assert outcome.form is not None
    assert outcome.form.head == block.head


def test_a_genesis_stands_alone_and_numbers_rise() -> None:
    gateway = sealed(3, epochs=2)
    places = [(block.epoch, block.number, block.first_reading, block.readings) for block in gateway.sealed]
    assert places == [(0, 0, 0, 0), (0, 1, 0, 2), (0, 2, 2, 2), (1, 0, 4, 0), (1, 1, 4, 2), (1, 2, 6, 2)]
    assert [block.keep for block in gateway.sealed] == [True, False, False, True, False, False]


def test_what_was_signed_stays_pending_with_the_same_bytes_until_it_is_committed() -> None:
    gateway = sealed(2)
    first = gateway.writer.seal(clock=clock_at(5), columns=rows(5, 4))
    second = gateway.writer.seal(clock=clock_at(6), columns=rows(6, 4))
    assert list(gateway.writer.pending) == [first, second]
    with pytest.raises(SealError, match="commit-order"):
        gateway.writer.commit(second)
    gateway.writer.commit(first)
    gateway.writer.commit(second)
    assert list(gateway.writer.pending) == []
    with pytest.raises(SealError, match="commit-order"):
        gateway.writer.commit(second)
    reader = read_up_to(gateway)
    assert reader.verdicts(first.message, second.message) == [Verdict.CHAINED] * 2


def test_a_writer_goes_on_where_the_stored_blocks_end() -> None:
    gateway = sealed(4, epochs=2)
    gateway.seal(2, receipts=[ReceiptMark(destination=b"platform", epoch=0, number=3)])
    kept = [block.message for block in gateway.sealed if block.keep]
    for stored in (gateway.messages, [*kept, gateway.messages[-1]], [*kept, kept[-1], gateway.messages[-1]]):
        again = Writer.resume(gateway.identity.kid, stored)
        assert again.position == gateway.writer.position
        with pytest.raises(SealError, match="no-session"):
            again.seal(clock=clock_at(1))
        with pytest.raises(SealError, match="session-key"):
            again.use_session(SoftKey("gateway session 0"))
        again.use_session(gateway.session)
        block = again.seal(clock=clock_at(gateway.mono_ms + 1), columns=rows(gateway.mono_ms, 4))
        assert read_up_to(gateway).verdicts(block.message) == [Verdict.CHAINED]
        assert block.first_reading == gateway.writer.position.next_reading


def test_stored_blocks_that_do_not_fit_together_are_never_signed_over() -> None:
    gateway, other = sealed(3), sealed(3)
    other = Gateway("other")
    other.seal()
    genesis, second, third = gateway.messages
    flipped = third[:-1] + bytes((third[-1] ^ 1,))
    two_tables = Gateway()
    two_tables.seal()
    more = two_tables.writer.dictionary_add([meter("second")], [], 1)
    added = two_tables.seal(events=more.events).message
    last = two_tables.seal(2).message
    cases: list[tuple[list[bytes], str]] = [
        ([genesis, b"rubbish"], "truncated"),
        ([genesis, other.messages[0]], "other-gateway"),
        ([genesis, third, second], "order"),
        ([genesis, flipped], "bad-signature"),
        ([second, third], "dictionary-hash"),
        ([two_tables.messages[0], last], "dictionary-hash"),
    ]
    for stored, why in cases:
        with pytest.raises(ChainDamagedError) as damaged:
            Writer.resume(gateway.identity.kid, stored)
        assert damaged.value.reason == why, stored
    assert Writer.resume(two_tables.identity.kid, [two_tables.messages[0], added, last]).position.number == 2


def test_an_empty_store_is_a_new_life() -> None:
    position = Writer.resume(b"12345678", ()).position
    assert (position.epoch, position.number, position.head) == (-1, -1, ZERO_HEAD)


def wrong(**changed: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"clock": clock_at(1000), "columns": rows(1000, 2, 2)}
    return base | changed


def cols(**changed: Any) -> Columns:
    base: dict[str, Any] = {"mono_ms": (1,), "points": (0,), "values": (1,)}
    return Columns(**(base | changed))


UNSEALABLE: list[tuple[str, dict[str, Any]]] = [
    ("point-index", wrong(columns=cols(points=(4,)))),
    ("point-index", wrong(columns=cols(points=(-1,)))),
    ("point-index", wrong(columns=cols(points=(True,)))),
    ("column-length", wrong(columns=cols(points=(), mono_ms=(), values=()))),
    ("column-length", wrong(columns=cols(values=(1, 2)))),
    ("column-length", wrong(columns=cols(mono_ms=(1, 2)))),
    ("mono-range", wrong(columns=cols(mono_ms=(-1,)))),
    ("mono-range", wrong(columns=cols(mono_ms=(2**63,)))),
    ("mono-range", wrong(columns=cols(mono_ms=(1.0,)))),
    ("value-range", wrong(columns=cols(values=(I64,)))),
    ("value-type", wrong(columns=cols(values=(1.0,)))),
    ("value-type", wrong(columns=cols(values=(True,)))),
    ("value-type", wrong(columns=cols(values=("on",)))),
    ("value-type", wrong(columns=cols(points=(3,), values=("x" * 1025,)))),
    ("null-without-status", wrong(columns=cols(values=(None,)))),
    ("null-without-status", wrong(columns=cols(values=(None,), statuses=((0, 1),)))),
    ("sparse-row", wrong(columns=cols(statuses=((0, 0),)))),
    ("sparse-row", wrong(columns=cols(statuses=((1, 1),)))),
    ("sparse-row", wrong(columns=cols(raws=((0, b""),)))),
    ("bad-text", wrong(columns=cols(points=(3,), values=("\ud800",)))),
    ("bad-text", wrong(events=[Event(kind=64, mono_ms=1, fields=("\ud800",))])),
    ("event-form", wrong(events=[Event(kind=64, mono_ms=1, fields=(2**64,))])),
    ("sparse-row", wrong(columns=cols(device_times=((0, 2**64, None, 0),)))),
    ("clock-quality", wrong(clock=replace(no_utc(1), quality=ClockQuality.NTP))),
    ("clock-form", wrong(clock=no_utc(1, boot=b"short"))),
    ("event-form", wrong(events=[Event(kind=0, mono_ms=1)])),
    ("event-form", wrong(events=[Event(kind=6, mono_ms=1)] * 65)),
    ("event-twice", wrong(events=[events.clock_set(1, utc_ms=UTC, quality=3, max_error_ms=1)] * 2)),
    ("event-kind", wrong(events=[events.epoch_open(1, b"")])),
    ("event-kind", wrong(events=[Event(kind=EventKind.IDENTITY_CHANGE, mono_ms=1, fields=(b"",))])),
    ("receipt-ahead", wrong(receipts=[ReceiptMark(destination=b"platform", epoch=0, number=2)])),
    ("receipt-form", wrong(receipts=[ReceiptMark(destination=b"short", epoch=0, number=0)])),
    ("receipt-twice", wrong(receipts=[ReceiptMark(destination=b"platform", epoch=0, number=0)] * 2)),
    ("too-big", wrong(events=[Event(kind=64, mono_ms=1, fields=(bytes(1000),) * 2)] * 40)),
]


@pytest.mark.parametrize(("why", "arguments"), UNSEALABLE)
def test_what_no_verifier_would_read_is_not_signed_and_its_number_stays_free(
    why: str, arguments: dict[str, Any]
) -> None:
    gateway = Gateway(kinds=KINDS)
    gateway.seal()
    gateway.seal()
    before = gateway.writer.position
    with pytest.raises(SealError) as refused:
        gateway.writer.seal(**arguments)
    assert refused.value.reason == why
    assert gateway.writer.position == before
    assert gateway.writer.pending == ()
    gateway.seal(2)
    read_up_to(gateway)


def test_a_receipt_never_goes_back() -> None:
    gateway = sealed(5)
    gateway.seal(receipts=[ReceiptMark(destination=b"platform", epoch=0, number=3)])
    with pytest.raises(SealError, match="receipt-back"):
        gateway.seal(receipts=[ReceiptMark(destination=b"platform", epoch=0, number=2)])


def test_an_epoch_is_opened_by_the_gateways_own_key_with_a_new_one() -> None:
    gateway = sealed(2)
    with pytest.raises(SealError, match="identity-key"):
        gateway.writer.open_epoch(SoftKey("other"), SoftKey("s"), clock_at(1))
    with pytest.raises(SealError, match="session-key"):
        gateway.writer.open_epoch(gateway.identity, gateway.session, clock_at(1))
    with pytest.raises(SealError, match="session-key"):
        gateway.writer.open_epoch(gateway.identity, gateway.identity, clock_at(1))
    assert gateway.writer.open_epoch(gateway.identity, SoftKey("s"), clock_at(1)) == 1
    with pytest.raises(SealError, match="epoch-not-begun"):
        gateway.writer.open_epoch(gateway.identity, SoftKey("t"), clock_at(1))
