"""The two faces of storage: with its thread in real time, without one under virtual time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.block.record import ClockSample, Event, EventKind
from agent.clock import Discipline, SealingClock, SystemClock, sample_of
from agent.config import BlockRules
from agent.errors import ChainDamagedError, KeyUnavailableError, StorageError
from agent.killpoint import KillPoint
from agent.storage import ReceiptOutcome, Storage, StoragePort, StoredBlock
from agent.storing.inline import InlineStorage
from hil.virtualtime import VirtualClock, here, virtual
from tests.agent.storage_site import DEVICES, Bench, batch, events_of, receipt

PLATFORM = b"platform"


@dataclass(slots=True)
class VirtualSealingClock:
    clock: VirtualClock

    def mono_ns(self) -> int:
        return self.clock.mono_ns()

    def utc_ns(self) -> int:
        return self.clock.utc_ns()

    def sample(self) -> ClockSample:
        return sample_of(b"boot-one", self.mono_ns(), self.utc_ns(), Discipline(max_error_us=900, hardware=False))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, destinations=(PLATFORM,))


@pytest.fixture
async def storage(bench: Bench) -> AsyncIterator[Storage]:
    made = Storage(bench.settings, bench.keys, SystemClock())
    made.register(DEVICES)
    made.start()
    yield made
    await made.close()
    assert bench.verdict().proven
    assert not [thread for thread in threading.enumerate() if thread.name == "storage"]


def now_ms() -> int:
    return SystemClock().mono_ns() // 1_000_000


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_blocks_are_told_in_the_loop_in_chain_order_after_their_commit(bench: Bench, storage: Storage) -> None:
    told: list[StoredBlock] = []
    threads: set[str] = set()
    committed: list[bool] = []

    def sealed(block: StoredBlock) -> None:
        threads.add(threading.current_thread().name)
        committed.append(block.message in bench.messages())
        told.append(block)

    storage.on_sealed(sealed)
    for _ in range(400):
        assert storage.offer(batch(now_ms()))
    await until(lambda: sum(block.readings for block in told) >= 1000)
    await storage.close()
    assert [(block.epoch, block.number) for block in told] == [(0, number) for number in range(len(told))]
    assert sum(block.readings for block in told) == 1200
    assert all(committed)
    assert threads == {threading.current_thread().name}


async def test_the_first_reading_is_sealed_without_being_waited_for(storage: Storage) -> None:
    told: list[StoredBlock] = []
    storage.on_sealed(told.append)
    storage.offer(batch(now_ms()))
    await until(lambda: bool(told))
    assert (told[0].number, told[0].readings) == (0, 3)


async def test_an_urgent_reading_wakes_the_thread(storage: Storage) -> None:
    told: list[StoredBlock] = []
    storage.on_sealed(told.append)
    storage.offer(batch(now_ms()))
    await until(lambda: len(told) == 1)
    storage.offer(batch(now_ms()))
    storage.offer(batch(now_ms(), urgent=True))
    await until(lambda: len(told) == 2)
    assert told[1].readings == 6


async def test_points_have_their_dictionary_index_as_soon_as_storage_has_started(storage: Storage) -> None:
    assert [storage.point_index(1, point) for point in range(4)] == [3, 4, 5, None]
    assert storage.point_index(2, 0) is None
    assert storage.point_index(-1, 0) is None


async def test_receipts_and_resends_go_through_the_thread(storage: Storage) -> None:
    told: list[StoredBlock] = []
    storage.on_sealed(told.append)
    for _ in range(3):
        storage.offer(batch(now_ms(), urgent=True))
        count = len(told)
        await until(lambda count=count: len(told) > count)  # type: ignore[misc]
    assert await storage.receipted(PLATFORM, receipt(told[0])) is ReceiptOutcome.ACCEPTED
    assert await storage.receipted(PLATFORM, receipt(told[1], head=bytes(32))) is ReceiptOutcome.FOREIGN_HEAD
    assert [block.number for block in await storage.peek(PLATFORM, -1, 9)] == [1, 2]
    assert await storage.fetch(0, 1, 1) == (told[1],)
    assert await storage.fetch(0, 1, None) == tuple(told[1:])
    assert await storage.fetch(5, 0, None) == ()
    assert storage.status().destinations[0].receipted == (0, 0)


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room(bench: Bench) -> None:
    hold = threading.Event()

    def reached(point: KillPoint) -> None:
        if point is KillPoint.BEFORE_SIGN:
            hold.wait(20)

    storage = Storage(bench.settings, bench.keys, SystemClock(), reached=reached, queue_readings=30)
    storage.register(DEVICES)
    storage.start()
    taken = [storage.offer(batch(now_ms())) for _ in range(20)]
    assert taken == [True] * 10 + [False] * 10
    assert storage.status().waiting_readings == 30
    hold.set()
    await storage.close()
    assert storage.offer(batch(now_ms())) is False
    assert bench.verdict().chains[0].readings == 30


async def test_events_of_others_are_sealed_and_storages_own_are_refused(bench: Bench, storage: Storage) -> None:
    good = Event(kind=EventKind.BUS_FAULT, mono_ms=now_ms(), fields=("roof", "link-down", "gone"))
    storage.note(good)
    for event in (
        Event(kind=EventKind.GAP, mono_ms=1, fields=()),
        Event(kind=EventKind.EPOCH_CLOSE, mono_ms=1),
        Event(kind=EventKind.BUS_FAULT, mono_ms=-1, fields=()),
        Event(kind=EventKind.BUS_FAULT, mono_ms=1, fields=("x" * 256,)),
        Event(kind=EventKind.BUS_FAULT, mono_ms=1, fields=(1.5,)),
        Event(kind=70_000, mono_ms=1),
    ):
        with pytest.raises(ValueError, match=r"."):
            storage.note(event)
    await storage.close()
    assert good in [event for message in bench.messages() for event in events_of(message)]


async def test_closing_seals_what_was_offered_and_ends_twice_without_harm(bench: Bench, storage: Storage) -> None:
    for _ in range(7):
        storage.offer(batch(now_ms()))
    await storage.close()
    await storage.close()
    assert bench.verdict().chains[0].readings == 21
    with pytest.raises(StorageError, match="ended"):
        await storage.peek(PLATFORM, -1, 1)


async def test_a_thread_that_dies_is_told_and_keeps_nobody_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)

    def reached(point: KillPoint) -> None:
        if point is KillPoint.RECEIPTED:
            raise ZeroDivisionError("a fault of the program")

    storage = Storage(bench.settings, bench.keys, SystemClock(), reached=reached)
    storage.register(DEVICES)
    told: list[StoredBlock] = []
    storage.on_sealed(told.append)
    storage.start()
    storage.offer(batch(now_ms()))
    await until(lambda: bool(told))
    asked = [asyncio.ensure_future(storage.receipted(PLATFORM, receipt(told[0]))) for _ in range(3)]  # noqa: TID251
    for one in asked:
        with pytest.raises(StorageError):
            await asyncio.wait_for(one, 20)
    assert storage.offer(batch(now_ms())) is False
    assert storage.status().fault == "the storage thread died"
    await storage.close()
    assert [one.exc_type for one in died] == [ZeroDivisionError]
    died.clear()


@pytest.mark.parametrize("kind", [Storage, InlineStorage])
async def test_what_stops_the_start_is_raised_where_it_was_started(bench: Bench, kind: type[StoragePort]) -> None:
    bench.keys.new_session(4)
    with pytest.raises(ChainDamagedError):
        kind(bench.settings, bench.keys, SystemClock()).start()
    (bench.folder / "keys" / "identity.pem").unlink()
    storage = kind(bench.settings, bench.keys, SystemClock())
    with pytest.raises(KeyUnavailableError):
        storage.start()
    await storage.close()


def inline(bench: Bench) -> tuple[InlineStorage, SealingClock, list[StoredBlock]]:
    clock = VirtualSealingClock(VirtualClock(here()))
    storage = InlineStorage(bench.settings, bench.keys, clock, written=lambda: 0, random=bench.random)
    told: list[StoredBlock] = []
    storage.on_sealed(told.append)
    storage.register(DEVICES)
    storage.start()
    return storage, clock, told


@virtual
async def test_a_day_of_virtual_time_gives_the_blocks_of_a_day(bench: Bench) -> None:
    storage, clock, told = inline(bench)
    for _ in range(25 * 240):
        assert storage.offer(batch(clock.mono_ns() // 1_000_000))
        await asyncio.sleep(15)
    await storage.close()
    verdict = bench.verdict()
    assert verdict.proven
    assert verdict.chains[0].readings == 3 * 25 * 240
    assert 25 * 240 <= len(told) <= 25 * 240 + 3
    assert [epoch for epoch, _ in verdict.chains[0].epochs] == [0, 1]
    assert not verdict.chains[0].findings


@virtual
async def test_readings_that_wake_nobody_are_sealed_in_time_all_the_same(bench: Bench) -> None:
    bench.rules = BlockRules(max_age_s=10)
    storage, clock, told = inline(bench)
    storage.offer(batch(clock.mono_ns() // 1_000_000))
    await asyncio.sleep(3)
    taken_ms: list[int] = []
    sealed_ms: list[int] = []
    storage.on_sealed(lambda _: sealed_ms.append(clock.mono_ns() // 1_000_000))
    for pause_s in (0.5, 17, 31, 58, 2, 90):
        taken_ms.append(clock.mono_ns() // 1_000_000)
        storage.offer(batch(taken_ms[-1]))
        await asyncio.sleep(pause_s)
    await storage.close()
    assert sum(block.readings for block in told) == 21
    for taken in taken_ms:
        assert min(sealed - taken for sealed in sealed_ms if sealed >= taken) <= 10_000
    assert bench.verdict().proven


@virtual
async def test_inline_storage_answers_like_the_thread(bench: Bench) -> None:
    storage, clock, told = inline(bench)
    storage.offer(batch(clock.mono_ns() // 1_000_000))
    await asyncio.sleep(0.1)
    storage.offer(batch(clock.mono_ns() // 1_000_000, urgent=True))
    await asyncio.sleep(0.1)
    assert [block.number for block in await storage.peek(PLATFORM, -1, 9)] == [0, 1]
    assert await storage.receipted(PLATFORM, receipt(told[1])) is ReceiptOutcome.ACCEPTED
    assert storage.status().pending_blocks == 0
    await storage.close()
    with pytest.raises(StorageError, match="ended"):
        await storage.fetch(0, 0, None)
