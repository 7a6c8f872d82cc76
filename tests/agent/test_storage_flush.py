"""What was handed over is sealed on demand while storage stays open: receipts for it still come in before the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.config import BlockRules
from agent.errors import StorageError
from agent.storage import Storage, StoragePort
from agent.storing.inline import InlineStorage
from agent.storing.stored import ReceiptOutcome, StoredBlock
from tests.agent.storage_site import DEVICES, Bench, batch, receipt

PLATFORM = b"platform"


@pytest.mark.parametrize("kind", [Storage, InlineStorage])
async def test_flushed_readings_are_told_and_receipted_before_the_end(
    tmp_path: Path, kind: type[StoragePort]
) -> None:
    bench = Bench(tmp_path, destinations=(PLATFORM,), rules=BlockRules(max_age_s=3600))
    clock = SystemClock()
    told: list[StoredBlock] = []
    storage = kind(bench.settings, bench.keys, clock)
    storage.register(DEVICES)
    storage.on_sealed(told.append)
    storage.start()
    for _ in range(3):
        assert storage.offer(batch(clock.mono_ns() // 1_000_000))
        await storage.flush()
        await asyncio.sleep(0)
    assert sum(block.readings for block in told) == 9
    assert [block.seq for block in told] == sorted(block.seq for block in told)
    count = len(told)
    await storage.flush()
    await asyncio.sleep(0)
    assert len(told) == count, "nothing waits, so nothing is sealed"
    assert await storage.receipted(PLATFORM, receipt(told[-1])) is ReceiptOutcome.ACCEPTED
    assert storage.status().pending_blocks == 0
    await storage.close()
    with pytest.raises(StorageError):
        await storage.flush()
    assert bench.verdict().proven
    again = kind(bench.settings, bench.keys, clock)
    again.start()
    assert again.status().destinations[0].receipted == (told[-1].epoch, told[-1].number)
    await again.close()


@pytest.mark.parametrize("kind", [Storage, InlineStorage])
async def test_a_flush_that_the_disk_refuses_says_so_and_what_it_was_to_store_comes_when_the_disk_is_back(
    tmp_path: Path, kind: type[StoragePort]
) -> None:
    bench = Bench(tmp_path, rules=BlockRules(max_age_s=3600))
    clock = SystemClock()
    storage = kind(bench.settings, bench.keys, clock)
    storage.register(DEVICES)
    storage.start()
    assert storage.offer(batch(clock.mono_ns() // 1_000_000))
    await storage.flush()
    (tmp_path / "outbox.db").rename(tmp_path / "away.db")
    assert storage.offer(batch(clock.mono_ns() // 1_000_000))
    with pytest.raises(StorageError, match="not in its place"):
        await storage.flush()
    with pytest.raises(StorageError, match="not in its place"):
        await storage.flush()
    (tmp_path / "away.db").rename(tmp_path / "outbox.db")
    await storage.flush()
    await storage.close()
    assert bench.verdict().proven
    assert bench.verdict().chains[0].readings == 6
