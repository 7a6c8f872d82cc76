"""The dictionary grows and long blocks are cut, and everything is still read in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.block.dictionary import add_value
from agent.block.errors import SealError
from agent.block.events import addition_of
from agent.block.record import (
    MAX_SEAL_BYTES,
    Columns,
    DeviceEntry,
    Event,
    PointEntry,
)
from agent.block.seal import fits, split
from tests.agent.block.chains import (
    COUNTER,
    EVENT,
    GAUGE,
    STATE,
    Gateway,
    Reader,
    clock_at,
    meter,
    points,
    read_up_to,
    sealed,
)

KINDS = (GAUGE, COUNTER, STATE, EVENT)


def test_an_entry_keeps_its_index_and_a_changed_one_gets_a_new_one() -> None:
    gateway = Gateway()
    writer = gateway.writer
    first = writer.dictionary_add([meter("a"), meter("b")], points([GAUGE, GAUGE]), 1)
    assert (first.devices, first.points, len(first.events)) == ((0, 1), (0, 1), 1)
    again = writer.dictionary_add([meter("b"), meter("a")], [], 2)
    assert (again.devices, again.events) == ((1, 0), ())
    of_b = writer.dictionary_add([meter("b")], points([GAUGE]), 3)
    assert (of_b.devices, of_b.points) == ((1,), (2,)), "the same quantity of another device is another point"
    renamed = writer.dictionary_add([meter("a"), meter("c")], points([COUNTER]), 4)
    assert (renamed.devices, renamed.points) == ((0, 2), (3,))
    twice = writer.dictionary_add([meter("d"), meter("d")], [*points([GAUGE]), *points([GAUGE])], 5)
    assert (twice.devices, twice.points) == ((3, 3), (4, 4))


def test_a_reading_needs_its_dictionary_sealed_first() -> None:
    gateway = Gateway(kinds=(GAUGE,))
    gateway.seal()
    change = gateway.writer.dictionary_add([meter()], points([GAUGE, STATE]), 1)
    assert change.points == (0, 1)
    readings = Columns(mono_ms=(5,), points=(1,), values=("on",))
    with pytest.raises(SealError, match="point-index"):
        gateway.writer.seal(clock=clock_at(9), columns=readings)
    gateway.seal(columns=readings, events=change.events)
    assert gateway.sealed[-1].keep
    read_up_to(gateway)


def test_events_3_out_of_order_are_not_sealed() -> None:
    gateway = Gateway(kinds=(GAUGE,))
    gateway.seal()
    gateway.writer.dictionary_add([meter("a")], [], 1)
    second = gateway.writer.dictionary_add([meter("b")], [], 1)
    with pytest.raises(SealError, match="dictionary-order"):
        gateway.seal(events=second.events)


def test_an_entry_that_the_format_does_not_allow_is_not_planned() -> None:
    gateway = Gateway(kinds=(GAUGE,))
    gateway.seal()
    (point,) = points([GAUGE])
    for bad_device, bad_point in (
        (meter("x" * 256), point),
        (replace(meter(), name="\ud800"), point),
        (replace(meter(), id=b"short"), point),
        (meter("new"), replace(point, exponent=19)),
        (meter("new"), replace(point, kind=4)),
        (meter("new"), replace(point, quantity="é" * 128)),
    ):
        with pytest.raises(SealError):
            gateway.writer.dictionary_add([bad_device], [bad_point], 1)
    good = gateway.writer.dictionary_add([meter("good")], [point], 1)
    assert (good.devices, good.points) == ((1,), (1,))
    gateway.seal(events=good.events)
    read_up_to(gateway)


def test_a_long_dictionary_is_split_over_blocks() -> None:
    gateway = Gateway()
    gateway.seal()
    devices = [
        DeviceEntry(id=at.to_bytes(8, "big"), name=f"{at} " + "x" * 200, profile="p" * 200, profile_hash=bytes(16))
        for at in range(300)
    ]
    quantities = [
        PointEntry(device=at % 300, quantity=f"{at} " + "q" * 200, unit="V", exponent=0, kind=0, klass=0)
        for at in range(1000)
    ]
    change = gateway.writer.dictionary_add(devices, quantities, 5)
    assert change.devices[-1] == 300
    assert change.points[-1] == 1003
    assert not fits(None, change.events)
    readings = Columns(mono_ms=(5,), points=(1003,), values=(7,))
    portions = split(readings, change.events)
    assert len(portions) > 2
    for portion in portions:
        block = gateway.seal(columns=portion.columns, events=portion.events)
        assert len(block.message) <= MAX_SEAL_BYTES
    reader = read_up_to(gateway)
    assert reader.state.tables == gateway.writer.position.tables
    assert len(reader.state.tables.points) == 1004
    assert reader.state.next_reading == 1


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_whatever_was_split_fits_and_nothing_is_lost(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 9000))
    width = data.draw(st.sampled_from([0, 1, 300, 1024]))
    values = tuple(b"x" * width if width else at * 7919 % 2**40 for at in range(count))
    kept = tuple(range(0, count, data.draw(st.integers(1, 50))))
    readings = Columns(
        mono_ms=tuple(range(count)),
        points=(3,) * count,
        values=values,
        statuses=tuple((row, 0x40000000 + row) for row in kept),
        raws=tuple((row, b"raw" * 40) for row in kept),
        device_times=tuple((row, 2**60, None, 1) for row in kept),
    )
    happened = [Event(kind=64, mono_ms=at, fields=(b"y" * 1000,) * 4) for at in range(data.draw(st.integers(0, 100)))]
    gateway = Gateway(kinds=KINDS)
    gateway.seal()
    got: list[Any] = []
    seen: list[Event] = []
    for portion in split(readings if count else None, happened):
        block = gateway.seal(columns=portion.columns, events=portion.events)
        assert len(block.message) <= MAX_SEAL_BYTES
        seen += portion.events
    for outcome in Reader.of(gateway).take(*gateway.messages)[1:]:
        assert outcome.block is not None, outcome.reason
        part = outcome.block.columns
        if part is not None:
            status, raw, times = dict(part.statuses), dict(part.raws), {row: rest for row, *rest in part.device_times}
            got += [
                (mono, value, status.get(row), raw.get(row), times.get(row))
                for row, (mono, value) in enumerate(zip(part.mono_ms, part.values, strict=True))
            ]
    sparse = set(kept)
    assert got == [
        (at, value, 0x40000000 + at, b"raw" * 40, [2**60, None, 1]) if at in sparse else (at, value, None, None, None)
        for at, value in enumerate(values)
    ]
    assert seen == happened


def test_nothing_to_say_is_one_empty_block() -> None:
    (portion,) = split(None, ())
    assert (portion.events, portion.columns) == ((), None)
    gateway = sealed(2)
    assert len(gateway.seal().message) < 220


def test_a_dictionary_event_that_was_not_planned_counts_as_the_verifier_will_count_it() -> None:
    gateway = Gateway()
    gateway.seal()
    tables = gateway.writer.position.tables
    (planned,) = gateway.writer.dictionary_add([meter("planned")], points([GAUGE]), 1).events
    foreign = Event(kind=planned.kind, mono_ms=1, fields=(add_value(replace(addition_of(planned), points=())),))
    gateway.seal(events=[foreign])
    after = tables.add(addition_of(foreign))
    assert gateway.writer.position.tables == after
    with pytest.raises(SealError, match="dictionary-order"):
        gateway.seal(events=[planned])
    assert gateway.writer.position.tables == after
