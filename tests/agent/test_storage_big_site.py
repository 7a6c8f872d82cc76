"""A site of many devices: its first block does not wait for the dictionary of all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.block.events import addition_of
from agent.block.record import Event, EventKind
from agent.config import SiteDevice
from agent.storing.inline import InlineStorage
from agent.storing.seal_rules import GRID_MS
from agent.storing.stored import StoredBlock
from hil.virtualtime import virtual
from tests.agent.storage_site import Bench, batch, events_of, point, profile, stop

POINTS = 20
MODEL = profile(tuple(point(f"quantity.{number}") for number in range(POINTS)))
BIG = tuple(SiteDevice(name=f"meter-{number}", bus="b", unit=number + 1, profile=MODEL) for number in range(60))
VALUES = tuple(range(POINTS))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, devices=BIG)


def told(block: StoredBlock) -> list[str]:
    """Names of the devices that a block tells, in the order of the dictionary."""
    additions = [addition_of(event) for event in events_of(block.message) if event.kind == EventKind.DICTIONARY]
    return [device.name for addition in additions for device in addition.devices]


def bus_fault(mono_ms: int) -> Event:
    return Event(kind=EventKind.BUS_FAULT, mono_ms=mono_ms, fields=("b", "link-down", "gone"))


def test_the_first_block_tells_the_devices_up_to_the_one_that_was_read(bench: Bench) -> None:
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms, 2, VALUES))
    (first,) = desk.turn()
    assert told(first) == ["meter-0", "meter-1", "meter-2"]
    assert first.readings == POINTS
    desk.intake.take(batch(bench.clock.mono_ms, 1, VALUES))
    desk.intake.take(batch(bench.clock.mono_ms, len(BIG) - 1, VALUES))
    bench.clock.mono_ms += 10_000
    (second,) = desk.turn()
    assert told(second) == [device.name for device in BIG[3:]]
    assert second.readings == 2 * POINTS
    stop(desk)
    assert bench.verdict().proven


def test_what_nobody_reads_is_told_in_the_next_blocks_and_what_was_noted_of_it_with_it(bench: Bench) -> None:
    desk = bench.desk()
    desk.intake.note(bus_fault(bench.clock.mono_ms), bench.clock.mono_ms)
    desk.intake.take(batch(bench.clock.mono_ms, 0, VALUES))
    (first,) = desk.turn()
    assert EventKind.BUS_FAULT not in [event.kind for event in events_of(first.message)]
    assert not desk.intake.empty()
    blocks: list[StoredBlock] = []
    while not desk.intake.empty():
        assert EventKind.BUS_FAULT not in [event.kind for block in blocks for event in events_of(block.message)]
        bench.clock.mono_ms += GRID_MS
        (block,) = desk.turn()
        blocks.append(block)
    assert len(blocks) > 1
    assert [name for block in blocks for name in told(block)] == [device.name for device in BIG[1:]]
    assert [event.kind for event in events_of(blocks[-1].message)][-1] == EventKind.BUS_FAULT
    stop(desk)
    assert bench.verdict().proven


def test_without_a_reading_everything_is_told_at_once(bench: Bench) -> None:
    desk = bench.desk()
    bench.clock.mono_ms += 10_000
    (first,) = desk.turn()
    assert told(first) == [device.name for device in BIG]
    stop(desk)


def test_a_stop_right_after_the_start_tells_everything(bench: Bench) -> None:
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms, 5, VALUES))
    assert [name for block in stop(desk) for name in told(block)] == [device.name for device in BIG]
    assert bench.verdict().proven


def test_indexes_given_before_a_device_is_told_are_those_it_is_told_with(bench: Bench) -> None:
    desk = bench.desk()
    promised = desk.intake.register(BIG, bench.clock.mono_ms)
    assert [list(indexes) for indexes in promised] == [
        list(range(start, start + POINTS)) for start in range(0, len(BIG) * POINTS, POINTS)
    ]
    desk.intake.take(batch(bench.clock.mono_ms, 0, VALUES))
    stop(desk)
    again = bench.desk()
    assert again.intake.register(BIG, bench.clock.mono_ms) == promised
    assert again.intake.register(BIG[::-1], bench.clock.mono_ms) == promised[::-1]
    more = SiteDevice(name="new", bus="b", unit=99, profile=MODEL)
    assert again.intake.register((more, *BIG), bench.clock.mono_ms)[1:] == promised
    stop(again)
    assert bench.verdict().proven


@virtual
async def test_the_first_block_holds_one_exchange_however_many_came_meanwhile(tmp_path: Path) -> None:
    bench = Bench(tmp_path, devices=BIG)
    storage = InlineStorage(bench.settings, bench.keys, bench.clock)
    sealed: list[int] = []
    storage.on_sealed(lambda block: sealed.append(block.readings))
    storage.register(BIG)
    storage.start()
    for device in range(len(BIG)):
        assert storage.offer(batch(bench.clock.mono_ms, device, VALUES))
    await asyncio.sleep(1)
    assert sealed == [POINTS]
    await storage.close()
    assert sum(sealed) == len(BIG) * POINTS
    assert bench.verdict().proven
