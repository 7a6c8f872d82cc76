"""Custody: what is pruned after its receipts, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.block.form import RECEIPTS, read_form
from agent.config import BlockRules, OutboxLimits
from agent.storing.stored import Pressure, ReceiptOutcome, StoredBlock
from tests.agent.storage_site import Bench, here, numbers, receipt, seal, stop

ONE, TWO = b"platform", b"backup-1"
DAY_MS = 86_400_000
OLD_LIMITS = OutboxLimits(archive_days=0, archive_bytes=0)
"""Whatever every destination has receipted may go at once."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, destinations=(ONE,), limits=OLD_LIMITS)
    made.rules = BlockRules(epoch_max_days=1000)
    return made


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


def test_dropped_blocks_that_are_receipted_after_all_change_nothing(bench: Bench) -> None:
    bench.limits = OutboxLimits(keep_bytes=20_000, archive_days=0, archive_bytes=0)
    desk = bench.desk()
    blocks: list[StoredBlock] = []
    while not desk.status().dropped_blocks:
        blocks += seal(bench, desk)
    assert desk.receipted(ONE, receipt(blocks[1])) is ReceiptOutcome.GONE
    assert numbers(desk.peek(ONE, -1, 1)) == [0]
    stop(desk)
