"""What a new destination is offered, and what one that has left no longer holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.block.dictionary import Tables
from agent.block.events import gap_of
from agent.block.record import EventKind
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.config import BlockRules, OutboxLimits, SiteDevice
from agent.keys import key_id
from tests.agent.storage_site import METER, Bench, events_of, here, kinds_of, numbers, receipt, seal, stop

ONE, TWO = b"platform", b"backup-1"
DAY_MS = 86_400_000
OLD_LIMITS = OutboxLimits(archive_days=0, archive_bytes=0)
"""Whatever every destination has receipted may go at once."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, destinations=(ONE,), limits=OLD_LIMITS)
    made.rules = BlockRules(epoch_max_days=1000)
    return made


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
