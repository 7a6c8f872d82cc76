"""What gives way when the outbox is full: readings before blocks, the oldest blocks last; all of it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.block.events import gap_of
from agent.block.record import EventKind
from agent.config import BlockRules, OutboxLimits
from agent.storing.stored import Pressure, StoredBlock
from tests.agent.storage_site import Bench, events_of, here, receipt, seal, stop

ONE, TWO = b"platform", b"backup-1"
DAY_MS = 86_400_000
OLD_LIMITS = OutboxLimits(archive_days=0, archive_bytes=0)
"""Whatever every destination has receipted may go at once."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, destinations=(ONE,), limits=OLD_LIMITS)
    made.rules = BlockRules(epoch_max_days=1000)
    return made


def test_pressure_rises_with_what_is_pending_and_falls_with_receipts(bench: Bench) -> None:
    bench.limits = OutboxLimits(keep_bytes=20_000, archive_days=0, archive_bytes=0)
    desk = bench.desk()
    levels: list[Pressure] = []
    blocks: list[StoredBlock] = []
    shares: list[int] = []
    while Pressure.NO_POLL not in levels:
        blocks += seal(bench, desk)
        levels.append(desk.status().pressure)
        shares.append(desk.status().pending_bytes * 100 // 20_000)
    assert sorted(levels) == levels
    for level, floor in ((Pressure.THIN, 80), (Pressure.NO_SEAL, 90), (Pressure.NO_POLL, 97)):
        assert shares[levels.index(level)] >= floor > shares[levels.index(level) - 1]
    desk.receipted(ONE, receipt(blocks[-1]))
    seal(bench, desk)
    assert desk.status().pressure is Pressure.NONE
    stop(desk)


def test_telemetry_is_shed_before_anything_sealed_and_billing_goes_on(bench: Bench) -> None:
    bench.limits = OutboxLimits(keep_bytes=20_000, archive_days=0, archive_bytes=0)
    desk = bench.desk()
    readings: dict[Pressure, set[int]] = {}
    while desk.status().pressure < Pressure.NO_SEAL:
        level = desk.status().pressure
        readings.setdefault(level, set()).add(seal(bench, desk)[-1].readings)
    assert readings[Pressure.NONE] == {3}
    assert readings[Pressure.THIN] == {1, 3}
    assert seal(bench, desk)[-1].readings == 1
    assert desk.status().dropped_blocks == 0
    shed_readings = desk.status().shed_readings
    assert shed_readings > 0
    stop(desk)
    shed = [event for message in bench.messages() for event in events_of(message) if event.kind == 22]
    polls = [event.fields[2] for event in shed]
    assert sum(count for count in polls if isinstance(count, int)) * 2 == shed_readings
    assert {event.fields[:2] + event.fields[5:] for event in shed} == {(0, 1, "shed")}
    assert bench.verdict().proven


def test_as_the_last_resort_the_oldest_blocks_are_dropped_and_declared(bench: Bench) -> None:
    bench.limits = OutboxLimits(keep_bytes=20_000, archive_days=0, archive_bytes=0)
    desk = bench.desk()
    while not desk.status().dropped_blocks:
        seal(bench, desk)
    for _ in range(30):
        seal(bench, desk)
    status = desk.status()
    assert status.pending_bytes <= 20_000 + 1_000
    assert here(desk)[0] == (0, 0)
    stop(desk)
    gaps = [gap_of(event) for message in bench.messages() for event in events_of(message) if event.kind == 4]
    assert all(gap.reason == 1 for gap in gaps)
    verdict = bench.verdict()
    assert verdict.proven
    chain = verdict.chains[0]
    assert chain.declared
    assert chain.missing == ()
    assert chain.blocks + status.dropped_blocks == status.sealed_blocks


def test_kept_blocks_split_what_is_declared(bench: Bench) -> None:
    bench.rules = BlockRules(epoch_max_days=50 / 86_400)
    desk = bench.desk()
    seal(bench, desk, 150)
    stop(desk)
    bench.limits = OutboxLimits(keep_bytes=25_000, archive_days=0, archive_bytes=0)
    desk = bench.desk()
    blocks = seal(bench, desk)
    gaps = [gap_of(event) for event in events_of(blocks[0].message) if event.kind == EventKind.GAP]
    assert len(gaps) == 16
    assert all(gap.first[0] == gap.last[0] and gap.first[1] == 1 for gap in gaps)
    while desk.status().pending_bytes > 25_000:
        seal(bench, desk)
    stop(desk)
    verdict = bench.verdict()
    assert verdict.proven
    assert verdict.chains[0].missing == ()
    assert verdict.chains[0].blocks + desk._dropped == desk._outbox.last.ordinal  # type: ignore[union-attr]
