"""Rules for the writer, 1: when a block is sealed, and what stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.block.record import ClockQuality, Event, EventKind
from agent.config import BlockRules, SiteDevice
from agent.storing.desk import Desk
from agent.storing.flash import FlashBudget
from agent.storing.stored import StoredBlock
from drivers.profile import Kind
from tests.agent.storage_site import DEVICES, METER, Bench, batch, events_of, kinds_of, point, profile, stop


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def desk(bench: Bench) -> Iterator[Desk]:
    made = bench.desk()
    yield made
    stop(made)
    assert bench.verdict().proven


def run(bench: Bench, desk: Desk, until_ms: int) -> list[StoredBlock]:
    """Let time pass in steps of the due times."""
    stored: list[StoredBlock] = []
    while True:
        due_ms = desk.due_ms()
        if due_ms is None or due_ms > until_ms:
            bench.clock.mono_ms = until_ms
            return stored
        bench.clock.mono_ms = max(due_ms, bench.clock.mono_ms)
        stored += desk.turn()


def started(bench: Bench, desk: Desk) -> int:
    """Seal the first readings; gives the time."""
    desk.intake.take(batch(bench.clock.mono_ms))
    assert len(desk.turn()) == 1
    return bench.clock.mono_ms


def test_the_first_readings_are_sealed_at_once_with_boot_epoch_facts_and_dictionary(bench: Bench, desk: Desk) -> None:
    assert desk.turn() == ()
    desk.intake.take(batch(bench.clock.mono_ms))
    (block,) = desk.turn()
    assert (block.epoch, block.number, block.readings) == (0, 0, 3)
    assert kinds_of(block.message) == [1, 5, 11, 12, 3]
    assert events_of(block.message)[0].fields == (None, None, True)


def test_without_readings_the_boot_event_is_sealed_alone_after_max_age(bench: Bench, desk: Desk) -> None:
    begun = bench.clock.mono_ms
    assert run(bench, desk, begun + 9_999) == []
    (block,) = run(bench, desk, begun + 10_000)
    assert (block.readings, kinds_of(block.message)[0]) == (0, 1)


def test_a_block_is_sealed_when_its_oldest_reading_is_ten_seconds_old(bench: Bench, desk: Desk) -> None:
    begun = started(bench, desk)
    for after_ms in (3_000, 6_000, 12_000):
        assert run(bench, desk, begun + after_ms) == []
        desk.intake.take(batch(bench.clock.mono_ms))
    assert run(bench, desk, begun + 12_999) == []
    (block,) = run(bench, desk, begun + 13_000)
    assert block.readings == 9


def test_a_block_is_sealed_when_it_is_full_and_the_rest_waits(bench: Bench) -> None:
    bench.rules = BlockRules(max_readings=10)
    desk = bench.desk()
    begun = started(bench, desk)
    run(bench, desk, begun + 1_000)
    for _ in range(8):
        desk.intake.take(batch(bench.clock.mono_ms))
    assert [block.readings for block in desk.turn()] == [10, 10]
    assert [block.readings for block in run(bench, desk, begun + 11_000)] == [4]
    stop(desk)
    assert bench.verdict().proven


def test_urgent_readings_are_sealed_at_once_but_twenty_times_a_second_at_most(bench: Bench, desk: Desk) -> None:
    begun = started(bench, desk)
    run(bench, desk, begun + 1_000)
    sealed = 0
    for _ in range(1_000):
        bench.clock.mono_ms += 1
        desk.intake.take(batch(bench.clock.mono_ms, urgent=True))
        due_ms = desk.due_ms()
        assert due_ms is not None
        assert due_ms <= bench.clock.mono_ms + 50
        sealed += len(desk.turn())
    assert sealed == 20
    assert run(bench, desk, bench.clock.mono_ms + 50)[0].readings > 0


def test_an_urgent_reading_takes_all_others_along(bench: Bench, desk: Desk) -> None:
    begun = started(bench, desk)
    run(bench, desk, begun + 1_000)
    desk.intake.take(batch(bench.clock.mono_ms))
    assert desk.turn() == ()
    desk.intake.take(batch(bench.clock.mono_ms, urgent=True))
    assert [block.readings for block in desk.turn()] == [6]


def test_an_empty_block_a_minute_after_the_last_one_is_the_heartbeat(bench: Bench, desk: Desk) -> None:
    begun = started(bench, desk)
    stored = run(bench, desk, begun + 185_000)
    assert [(block.readings, events_of(block.message)) for block in stored] == [(0, ())] * 3
    assert [block.number for block in stored] == [1, 2, 3]


def test_an_event_waits_no_longer_than_a_reading(bench: Bench, desk: Desk) -> None:
    begun = started(bench, desk)
    run(bench, desk, begun + 1_000)
    fault = Event(kind=EventKind.BUS_FAULT, mono_ms=bench.clock.mono_ms, fields=("roof", "link-down", "gone"))
    desk.intake.note(fault, bench.clock.mono_ms)
    (block,) = run(bench, desk, begun + 11_000)
    assert events_of(block.message) == (fault,)


def test_the_boot_event_tells_how_the_run_before_ended(bench: Bench) -> None:
    desk = bench.desk()
    begun = started(bench, desk)
    stop(desk)
    bench.clock.mono_ms += 5_000
    desk = bench.desk()
    (block,) = run(bench, desk, bench.clock.mono_ms + 10_000)
    assert events_of(block.message)[0].fields == (b"boot-one", begun, True)
    desk._outbox.close()  # as a crash leaves it
    bench.clock.boot, bench.clock.mono_ms = b"boot-two", 3_000
    desk = bench.desk()
    (block,) = run(bench, desk, bench.clock.mono_ms + 10_000)
    assert events_of(block.message)[0].fields == (b"boot-one", begun + 15_000, False)
    assert kinds_of(block.message) == [1, 11, 12]
    stop(desk)
    assert bench.verdict().proven


def test_setting_utc_is_told_once_and_a_step_each_time(bench: Bench) -> None:
    bench.clock.quality = ClockQuality.NONE
    desk = bench.desk()
    assert EventKind.CLOCK_SET not in kinds_of(run(bench, desk, bench.clock.mono_ms + 10_000)[0].message)
    seen: list[list[int]] = []

    def heartbeat() -> None:
        seen.append(kinds_of(run(bench, desk, bench.clock.mono_ms + 60_000)[0].message))

    heartbeat()
    bench.clock.quality = ClockQuality.SAVED
    heartbeat()
    bench.clock.quality = ClockQuality.NTP
    heartbeat()
    heartbeat()
    bench.clock.utc_offset_ms += 100
    heartbeat()
    bench.clock.utc_offset_ms -= 101
    heartbeat()
    assert seen == [[], [2], [2], [], [], [2]]
    stop(desk)
    assert bench.verdict().proven


def test_a_long_dictionary_is_spread_over_blocks_before_its_first_reading(bench: Bench) -> None:
    big = profile(tuple(point(f"a-rather-long-name-of-a-quantity.{index}") for index in range(400)))
    bench.devices = tuple(SiteDevice(name=f"d{n}", bus="b", unit=n, profile=big) for n in range(20))
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms, 19, tuple(range(400))))
    blocks = desk.turn()
    assert len(blocks) > 3
    assert max(len(block.message) for block in blocks) <= 65_536
    assert sum(block.readings for block in blocks) == 400
    stop(desk)
    assert bench.verdict().proven


def test_a_device_keeps_its_id_and_any_change_is_a_new_entry(bench: Bench) -> None:
    def first_kinds(devices: tuple[SiteDevice, ...]) -> list[int]:
        bench.devices = devices
        desk = bench.desk()
        desk.intake.take(batch(bench.clock.mono_ms, len(devices) - 1))
        (block,) = desk.turn()
        entries.append(desk._sealing._writer.position.tables)
        stop(desk)
        return kinds_of(block.message)

    entries: list[object] = []
    assert EventKind.DICTIONARY in first_kinds(DEVICES)
    assert EventKind.DICTIONARY not in first_kinds(DEVICES)
    assert EventKind.DICTIONARY not in first_kinds(DEVICES[::-1])
    changed = replace(DEVICES[1], profile=replace(METER, digest=b"another profile!"))
    assert EventKind.DICTIONARY in first_kinds((DEVICES[0], changed))
    renamed = replace(DEVICES[1], name="meter-9")
    assert EventKind.DICTIONARY in first_kinds((DEVICES[0], renamed))
    tables = entries[-1]
    devices = [(entry.name, entry.id) for entry in tables.devices]  # type: ignore[attr-defined]
    assert [name for name, _ in devices] == ["meter-1", "meter-2", "meter-2", "meter-9"]
    assert devices[1][1] == devices[2][1]
    assert len({device_id for _, device_id in devices}) == 3
    assert len(tables.points) == 12  # type: ignore[attr-defined]
    assert bench.verdict().proven


def test_a_reading_that_no_block_can_hold_costs_itself_and_nothing_else(bench: Bench) -> None:
    states = profile((point("voltage"), point("mode", kind=Kind.STATE)))
    bench.devices = (SiteDevice(name="m", bus="b", unit=1, profile=states),)
    desk = bench.desk()
    good = batch(bench.clock.mono_ms, 0, (1, 2))
    desk.intake.take(good)
    desk.intake.take(replace(good, values=("text in a gauge", "x" * 2000)))
    desk.intake.take(replace(good, values=(2**70, "auto")))
    desk.intake.take(replace(good, values=(None, None), statuses=(0, 0)))
    assert [block.readings for block in desk.turn()] == [0, 8]
    bench.clock.mono_ms += 10_000
    (after,) = desk.turn()
    assert [event.fields for event in events_of(after.message)] == [("cannot-seal", "value-range")]
    stop(desk)
    assert bench.verdict().proven


def test_over_the_flash_budget_readings_wait_longer_but_a_minute_at_most(bench: Bench) -> None:
    bench.rules = BlockRules(flash_budget_mb_day=10)
    desk = bench.desk()
    started(bench, desk)
    ages: list[float] = []
    for _ in range(4_000):
        bench.clock.mono_ms += 1_000
        desk.intake.take(batch(bench.clock.mono_ms))
        stored = desk.turn()
        if stored:
            assert bench.written_bytes is not None
            bench.written_bytes += 12_000
            ages.append(desk.status().max_age_s)
    assert ages[0] == 10.0
    assert 10.0 < max(ages) <= 60.0
    assert desk.status().max_age_s > 10.0
    stop(desk)
    assert bench.verdict().proven


def test_the_budget_settles_where_writes_cost_what_it_allows() -> None:
    budget = FlashBudget(budget_mb_day=100, max_age_s=10.0, now_ms=0)
    now_ms, written = 0, 0
    for _ in range(20_000):
        now_ms += int(budget.age_s(now_ms) * 1000)
        budget.wrote(30_000, now_ms)
        written += 30_000 if now_ms > 86_400_000 else 0
    days = (now_ms - 86_400_000) / 86_400_000
    assert 90e6 < written / days < 110e6
    assert 90e6 < budget.bytes_day(now_ms) < 110e6
    assert 20.0 < budget.age_s(now_ms) < 40.0


def test_the_budget_forgives_what_lies_back_and_never_shortens_the_age() -> None:
    budget = FlashBudget(budget_mb_day=24, max_age_s=10.0, now_ms=0)
    budget.wrote(1_000_000_000, 0)
    assert budget.age_s(0) == 60.0
    assert budget.age_s(86_400_000 * 50) == 10.0
    assert FlashBudget(budget_mb_day=1, max_age_s=90.0, now_ms=0).age_s(0) == 90.0
