"""Custody: what is pruned, what never is, what gives way when the outbox is full, and who is offered what."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.block.dictionary import Tables
from agent.block.events import gap_of
from agent.block.form import RECEIPTS, read_form
from agent.block.record import EventKind
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.config import BlockRules, OutboxLimits, SiteDevice
from agent.keys import key_id
from agent.storing.desk import Desk
from agent.storing.stored import Pressure, ReceiptOutcome, StoredBlock
from tests.agent.storage_site import METER, Bench, batch, events_of, kinds_of, receipt, stop

ONE, TWO = b"platform", b"backup-1"
DAY_MS = 86_400_000
OLD_LIMITS = OutboxLimits(archive_days=0, archive_bytes=0)
"""Whatever every destination has receipted may go at once."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, destinations=(ONE,), limits=OLD_LIMITS)
    made.rules = BlockRules(epoch_max_days=1000)
    return made


def seal(bench: Bench, desk: Desk, count: int = 1, step_ms: int = 10_000) -> list[StoredBlock]:
    blocks: list[StoredBlock] = []
    for _ in range(count):
        bench.clock.mono_ms += step_ms
        desk.intake.take(batch(bench.clock.mono_ms))
        blocks += desk.turn(flush=True)
    return blocks


def here(desk: Desk) -> list[tuple[int, int]]:
    return [(block.epoch, block.number) for block in desk.fetch(0, 0, None, 10_000)]


def numbers(blocks: tuple[StoredBlock, ...]) -> list[int]:
    return [block.number for block in blocks]


def test_nothing_goes_before_its_receipt_and_then_with_the_next_block(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 5)
    assert len(here(desk)) == 5
    assert desk.receipted(ONE, receipt(blocks[2])) is ReceiptOutcome.ACCEPTED
    assert len(here(desk)) == 5
    seal(bench, desk)
    assert here(desk) == [(0, 0), (0, 3), (0, 4), (0, 5)]
    stop(desk)


def test_a_block_goes_only_when_every_destination_has_receipted_it(bench: Bench) -> None:
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    blocks = seal(bench, desk, 5)
    desk.receipted(ONE, receipt(blocks[4]))
    seal(bench, desk)
    assert len(here(desk)) == 6
    desk.receipted(TWO, receipt(blocks[1]))
    seal(bench, desk)
    assert here(desk) == [(0, number) for number in (0, 2, 3, 4, 5, 6)]
    assert [(to.kid, to.receipted, to.pending_blocks) for to in desk.status().destinations] == [
        (ONE, (0, 4), 2),
        (TWO, (0, 1), 5),
    ]
    stop(desk)


def test_custody_is_remembered_over_a_restart(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 4)
    desk.receipted(ONE, receipt(blocks[2]))
    seal(bench, desk)
    desk._outbox.close()  # as a crash leaves it
    desk = bench.desk()
    assert numbers(desk.peek(ONE, -1, 99)) == [3, 4]
    assert desk.status().destinations[0].receipted == (0, 2)
    stop(desk)


def test_the_last_block_and_kept_blocks_are_never_pruned(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 3)
    bench.clock.mono_ms += 1
    desk.receipted(ONE, receipt(blocks[-1]))
    for _ in range(3):
        bench.clock.mono_ms += 60_000
        (heartbeat,) = desk.turn()
        desk.receipted(ONE, receipt(heartbeat))
    stop(desk)
    desk = bench.desk()
    assert here(desk)[0] == (0, 0)
    assert len(here(desk)) == 3
    seal(bench, desk)
    stop(desk)


def test_peek_gives_what_is_not_receipted_in_chain_order(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 6)
    assert numbers(desk.peek(ONE, -1, 4)) == [0, 1, 2, 3]
    assert numbers(desk.peek(ONE, blocks[3].seq, 4)) == [4, 5]
    desk.receipted(ONE, receipt(blocks[4]))
    assert numbers(desk.peek(ONE, -1, 99)) == [5]
    assert desk.peek(TWO, -1, 99) == ()
    stop(desk)


def test_a_receipt_is_held_against_what_was_sealed(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 4)
    assert desk.receipted(TWO, receipt(blocks[1])) is ReceiptOutcome.UNKNOWN_DESTINATION
    assert desk.receipted(ONE, receipt(blocks[1], head=bytes(32))) is ReceiptOutcome.FOREIGN_HEAD
    assert desk.status().fault_code == "chain-damaged"
    assert len(desk.peek(ONE, -1, 99)) == 4
    assert desk.receipted(ONE, receipt(blocks[1])) is ReceiptOutcome.ACCEPTED
    assert desk.receipted(ONE, receipt(blocks[0])) is ReceiptOutcome.KNOWN
    assert desk.receipted(ONE, receipt(blocks[1])) is ReceiptOutcome.KNOWN
    seal(bench, desk)
    stop(desk)
    assert len(bench.messages()) == 4


@pytest.mark.parametrize(("epoch", "number"), [(0, 99), (7, 0), (0, 2**40), (2**63 - 1, 2**63 - 1)])
def test_a_receipt_above_the_chain_stops_all_signing(bench: Bench, epoch: int, number: int) -> None:
    desk = bench.desk()
    (block,) = seal(bench, desk)
    assert desk.receipted(ONE, receipt(block, epoch=epoch, number=number)) is ReceiptOutcome.ABOVE_CHAIN
    assert seal(bench, desk, 3) == []
    assert desk.due_ms() is None
    assert desk.status().fault_code == "chain-damaged"
    assert "restored backup" in desk.status().fault
    stop(desk)
    assert len(bench.messages()) == 1


def test_a_block_names_each_receipt_once_and_never_goes_back(bench: Bench) -> None:
    def marks(block: StoredBlock) -> object:
        return read_form(block.message).payload.get(RECEIPTS)

    desk = bench.desk()
    blocks = seal(bench, desk, 3)
    desk.receipted(ONE, receipt(blocks[1]))
    blocks += seal(bench, desk, 2)
    desk._outbox.close()
    desk = bench.desk()
    blocks += seal(bench, desk)
    desk.receipted(ONE, receipt(blocks[4]))
    blocks += seal(bench, desk)
    assert [marks(block) for block in blocks] == [None, None, None, ((ONE, 0, 1),), None, None, ((ONE, 0, 4),)]
    stop(desk)


def test_the_archive_is_bounded_by_bytes_and_by_the_time_lived(bench: Bench) -> None:
    bench.limits = OutboxLimits(archive_days=2, archive_bytes=3_000)
    desk = bench.desk()
    for block in seal(bench, desk, 40):
        desk.receipted(ONE, receipt(block))
    for block in seal(bench, desk, 3):
        desk.receipted(ONE, receipt(block))
    assert 2_000 < desk.status().kept_bytes <= 4_000
    bench.limits = OutboxLimits(archive_days=2, archive_bytes=10**9)
    bench.clock.utc_offset_ms += 1000 * DAY_MS  # a false UTC deletes nothing
    seal(bench, desk)
    assert len(here(desk)) > 5
    stop(desk)
    bench.clock.mono_ms += 3 * DAY_MS
    desk = bench.desk()
    seal(bench, desk, 2)
    assert len(here(desk)) <= 4
    stop(desk)


def test_without_a_destination_the_archive_is_all_there_is_and_keeps_its_bounds(bench: Bench) -> None:
    bench.destinations = ()
    bench.limits = OutboxLimits(archive_days=2, archive_bytes=3_000)
    desk = bench.desk()
    seal(bench, desk, 60)
    assert 2_000 < desk.status().kept_bytes <= 4_000
    assert desk.status().pending_blocks == 0
    assert desk.status().pressure is Pressure.NONE
    stop(desk)


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


def test_dropped_blocks_that_are_receipted_after_all_change_nothing(bench: Bench) -> None:
    bench.limits = OutboxLimits(keep_bytes=20_000, archive_days=0, archive_bytes=0)
    desk = bench.desk()
    blocks: list[StoredBlock] = []
    while not desk.status().dropped_blocks:
        blocks += seal(bench, desk)
    assert desk.receipted(ONE, receipt(blocks[1])) is ReceiptOutcome.GONE
    assert numbers(desk.peek(ONE, -1, 1)) == [0]
    stop(desk)


def test_a_new_destination_gets_everything_when_nothing_is_gone(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 3)
    stop(desk)
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    assert numbers(desk.peek(TWO, -1, 99)) == [0, 1, 2]
    (block,) = seal(bench, desk)
    added = [event.fields for event in events_of(block.message) if event.kind == EventKind.DESTINATION_ADDED]
    assert added == [(TWO,)]
    assert EventKind.GAP not in kinds_of(block.message)
    desk.receipted(ONE, receipt(blocks[2]))
    seal(bench, desk)
    assert len(here(desk)) == 5
    stop(desk)
    desk = bench.desk()
    assert EventKind.DESTINATION_ADDED not in kinds_of(seal(bench, desk)[0].message)
    stop(desk)
    assert bench.verdict().proven


def test_a_new_destination_starts_at_the_oldest_epoch_that_is_whole(bench: Bench) -> None:
    bench.rules = BlockRules(epoch_max_days=60 / 86_400)
    desk = bench.desk()
    blocks = seal(bench, desk, 30)
    first_pruned = next(block for block in blocks if block.epoch == 2)
    desk.receipted(ONE, receipt(first_pruned))
    seal(bench, desk)
    stop(desk)
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    offered = desk.peek(TWO, -1, 99)
    assert (offered[0].epoch, offered[0].number) == (2, 0)
    block = seal(bench, desk)[0]
    (gap,) = [gap_of(event) for event in events_of(block.message) if event.kind == EventKind.GAP]
    before = [block for block in blocks if block.epoch == 1][-1]
    assert (gap.reason, gap.first, gap.last) == (3, (0, 0), (1, before.number))
    assert gap.head == before.head
    assert gap.last_reading + 1 == sum(block.readings for block in blocks if block.epoch < 2)
    stop(desk)


def test_the_tables_before_an_epoch_prove_what_follows(bench: Bench) -> None:
    bench.rules = BlockRules(epoch_max_days=60 / 86_400)
    desk = bench.desk()
    seal(bench, desk, 20)
    stop(desk)
    bench.devices = (*bench.devices, SiteDevice(name="meter-3", bus="b", unit=3, profile=METER))
    desk = bench.desk()
    seal(bench, desk, 8)
    additions = [desk.dictionary_before(epoch) for epoch in range(5)]
    assert [len(adds) for adds in additions] == [0, 1, 1, 1, 2]
    later = [block.message for block in desk.fetch(2, 0, None, 99)]
    stop(desk)
    identity = bench.keys.identity()
    tables = {key_id(identity.spki): Tables.from_adds(additions[2])}
    verdict = verify_sequence(later, Trust.of([identity.spki]), tables)
    assert verdict.proven
    assert verdict.chains[0].begins == 2


def test_a_new_destination_gets_an_epoch_of_its_own_when_none_is_whole(bench: Bench) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 6)
    desk.receipted(ONE, receipt(blocks[4]))
    seal(bench, desk)
    stop(desk)
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    last, first = seal(bench, desk)
    assert (last.epoch, first.epoch, first.number) == (0, 1, 0)
    assert [(block.epoch, block.number) for block in desk.peek(TWO, -1, 99)] == [(1, 0)]
    stop(desk)


@pytest.mark.parametrize("receipted", [2, 4])
def test_what_another_destination_still_waits_for_is_not_told_to_be_gone(bench: Bench, receipted: int) -> None:
    desk = bench.desk()
    blocks = seal(bench, desk, 6)
    desk.receipted(ONE, receipt(blocks[receipted]))
    blocks += seal(bench, desk)
    stop(desk)
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    new = seal(bench, desk)
    gaps = [gap_of(event) for block in new for event in events_of(block.message) if event.kind == EventKind.GAP]
    assert [(gap.first, gap.last, gap.head) for gap in gaps] == [((0, 0), (0, receipted), blocks[receipted].head)]
    assert [gap.last_reading for gap in gaps] == [sum(block.readings for block in blocks[: receipted + 1]) - 1]
    stop(desk)
    # new blocks overtake the backlog on their way to ONE
    arrived = (*blocks[: receipted + 1], *new, *blocks[receipted + 1 :])
    verdict = verify_sequence([block.message for block in arrived], Trust.of([bench.keys.identity().spki]))
    assert verdict.proven
    assert verdict.chains[0].declared == ()


def test_a_new_destination_never_makes_the_outbox_overflow(bench: Bench) -> None:
    bench.destinations = ()
    bench.limits = OutboxLimits(keep_bytes=10_000)
    bench.rules = BlockRules(epoch_max_days=100 / 86_400)
    desk = bench.desk()
    seal(bench, desk, 100)
    stop(desk)
    bench.destinations = (ONE,)
    desk = bench.desk()
    status = desk.status()
    assert 0 < status.pending_bytes <= 8_000
    seal(bench, desk, 3)
    assert desk.status().dropped_blocks == 0
    stop(desk)
    assert bench.verdict().proven


def test_a_destination_taken_out_of_the_site_no_longer_holds_anything(bench: Bench) -> None:
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    blocks = seal(bench, desk, 4)
    desk.receipted(TWO, receipt(blocks[1]))
    seal(bench, desk)
    desk.receipted(ONE, receipt(blocks[3]))
    stop(desk)
    bench.destinations = (ONE,)
    desk = bench.desk()
    seal(bench, desk, 2)
    assert here(desk)[:2] == [(0, 0), (0, 4)]
    stop(desk)
    bench.destinations = (ONE, TWO)
    desk = bench.desk()
    events = events_of(seal(bench, desk)[0].message)
    assert [event.fields for event in events if event.kind == EventKind.DESTINATION_ADDED] == [(TWO,)]
    stop(desk)
