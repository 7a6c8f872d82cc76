"""What the collector stores of what it is fed: each reading exactly once, whatever order, company or damage."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.block import events
from agent.block.errors import BlockError
from agent.block.events import Gap
from agent.block.verify import Verdict
from agent.collector.ingest import Arrival, Batch, Ingest
from agent.collector.store import Database
from agent.errors import StorageError
from agent.keys import NamedKey
from tests.agent.block.chains import Gateway, SoftKey, clock_at, no_utc, remake

NOW_MS = 1_790_000_000_000


class Collector:
    """An ingest on a database file."""

    def __init__(self, path: Path, *gateways: Gateway) -> None:
        self.db = Database.open(path)
        self.trust = [NamedKey(spki=gateway.identity.spki, name=gateway.name) for gateway in gateways]
        self.ingest = Ingest(self.db, self.trust)

    def take(self, *messages: bytes, now_ms: int = NOW_MS) -> Batch:
        return self.ingest.take([Arrival(message=message) for message in messages], now_ms)

    def verdicts(self, *messages: bytes) -> dict[Verdict, int]:
        return dict(self.take(*messages).verdicts)

    def count(self, table: str) -> int:
        return int(self.db.all(f"SELECT count(*) FROM {table}")[0][0])

    def value(self, sql: str) -> object:
        return self.db.all(sql)[0][0]


@pytest.fixture
def gateway() -> Gateway:
    """Three epochs of seven blocks with 10 readings each."""
    gateway = Gateway()
    for epoch in range(3):
        if epoch:
            gateway.open()
        for _ in range(7):
            gateway.seal(10)
    return gateway


@contextmanager
def collector_of(path: Path, *gateways: Gateway) -> Iterator[Collector]:
    collector = Collector(path, *gateways)
    try:
        yield collector
    finally:
        collector.db.close()


@pytest.fixture
def collector(tmp_path: Path, gateway: Gateway) -> Iterator[Collector]:
    with collector_of(tmp_path / "collector.db", gateway) as made:
        yield made


def reading_numbers(collector: Collector) -> list[int]:
    return [number for (number,) in collector.db.all("SELECT reading FROM readings ORDER BY reading")]


def test_blocks_in_order_are_chained_and_every_reading_is_there_once(collector: Collector, gateway: Gateway) -> None:
    batch = collector.take(*gateway.messages)
    assert dict(batch.verdicts) == {Verdict.CHAINED: 21}
    assert batch.readings == 210
    assert batch.progress[0].place == (2, 6)
    assert batch.progress[0].head == gateway.sealed[-1].head
    assert reading_numbers(collector) == list(range(210))


def test_a_database_opened_anew_goes_on_where_it_was(tmp_path: Path, gateway: Gateway) -> None:
    for start in range(0, 21, 3):
        with collector_of(tmp_path / "c.db", gateway) as collector:
            assert collector.verdicts(*gateway.messages[start : start + 3]) == {Verdict.CHAINED: 3}
    with collector_of(tmp_path / "c.db", gateway) as collector:
        assert reading_numbers(collector) == list(range(210))
        assert collector.verdicts(*gateway.messages) == {Verdict.DUPLICATE: 21}


@pytest.mark.parametrize("seed", range(8))
def test_any_order_in_any_batches_gives_the_same_rows(tmp_path: Path, gateway: Gateway, seed: int) -> None:
    rng = random.Random(seed)
    messages = list(gateway.messages) * 2
    rng.shuffle(messages)
    with collector_of(tmp_path / "c.db", gateway) as collector:
        while messages:
            size = rng.randrange(1, 7)
            batch, messages = messages[:size], messages[size:]
            collector.take(*batch)
        # parked messages beyond an opening that came late are taken out when it comes
        assert reading_numbers(collector) == list(range(210))
        assert collector.count("detached") == 0
        assert collector.count("parked") == 0
        assert collector.value("SELECT hole_since_ms IS NULL FROM gateway") == 1


def test_a_duplicate_is_no_row_and_asks_for_the_receipt_again(collector: Collector, gateway: Gateway) -> None:
    collector.take(*gateway.messages)
    batch = collector.take(gateway.messages[4])
    assert dict(batch.verdicts) == {Verdict.DUPLICATE: 1}
    assert batch.progress[0].repeated
    assert batch.progress[0].chained == 0
    assert collector.count("block") == 21


def test_a_missing_block_holds_back_those_behind_it(collector: Collector, gateway: Gateway) -> None:
    rest = [message for number, message in enumerate(gateway.messages) if number != 3]
    batch = collector.take(*rest)
    assert batch.progress[0].place == (0, 2)
    assert batch.progress[0].waits_at == (0, 4)
    assert reading_numbers(collector) == list(range(30))
    assert collector.db.all("SELECT kind, first_block, next_block FROM gaps") == [("open", "0/3", "0/4")]
    batch = collector.take(gateway.messages[3])
    assert batch.progress[0].place == (2, 6)
    assert batch.progress[0].waits_at is None
    assert reading_numbers(collector) == list(range(210))
    assert collector.count("gaps") == 0


def test_blocks_of_an_epoch_without_opening_are_parked_and_name_it(collector: Collector, gateway: Gateway) -> None:
    batch = collector.take(*gateway.messages[8:10])
    assert dict(batch.verdicts) == {Verdict.PARKED: 2}
    assert batch.progress[0].parked == (1,)
    collector.take(*gateway.messages[8:10])
    assert collector.count("parked") == 2
    assert collector.value("SELECT parked FROM gateway") == 2
    collector.take(*gateway.messages)
    assert reading_numbers(collector) == list(range(210))


def test_a_flipped_bit_is_never_a_reading(collector: Collector, gateway: Gateway) -> None:
    collector.take(*gateway.messages[:3])
    message = gateway.messages[3]
    number = int.from_bytes(message, "big")
    flips = [(number ^ 1 << bit).to_bytes(len(message), "big") for bit in range(len(message) * 8)]
    for start in range(0, len(flips), 500):
        collector.take(*flips[start : start + 500])
    assert reading_numbers(collector) == list(range(30))
    assert collector.count("evidence") == 0
    assert collector.verdicts(message) == {Verdict.CHAINED: 1}


def test_strangers_and_wrong_topics_leave_no_trace(collector: Collector, gateway: Gateway) -> None:
    stranger = Gateway(name="stranger")
    stranger.seal(5)
    batch = collector.ingest.take(
        [
            Arrival(message=stranger.messages[0]),
            Arrival(message=gateway.messages[0], gateway=bytes(8)),
            Arrival(message=b"nonsense"),
        ],
        NOW_MS,
    )
    reasons = dict(batch.reasons)
    assert reasons.pop("stranger") == 1
    assert reasons.pop("wrong-topic") == 1
    assert sum(reasons.values()) == 1
    assert collector.count("gateway") == 0


def test_a_fork_is_kept_as_evidence_and_ends_receipts(collector: Collector, gateway: Gateway) -> None:
    collector.take(*gateway.messages[:20])
    twin = remake(gateway.messages[19], lambda payload: payload[6].__setitem__(4, 77), gateway.session)
    batch = collector.take(twin, gateway.messages[20])
    assert dict(batch.verdicts) == {Verdict.FORK: 1, Verdict.CHAINED: 1}
    assert batch.progress[0].forked
    assert batch.progress[0].place == (2, 6)
    assert collector.db.all("SELECT reason, message FROM evidence") == [("same-number", twin)]
    assert collector.db.all("SELECT code, epoch, number FROM alarm") == [("same-number", 2, 5)]
    assert collector.take(gateway.messages[0]).progress[0].forked


def test_an_unreadable_block_delivers_nothing_and_the_chain_goes_on(collector: Collector) -> None:
    gateway = Gateway()
    gateway.seal(10)
    broken = gateway.forge(lambda payload: payload.__setitem__(5, 99))
    batch = collector.take(gateway.messages[0], broken)
    assert dict(batch.verdicts) == {Verdict.CHAINED: 1, Verdict.UNREADABLE: 1}
    assert batch.progress[0].place == (0, 1)
    assert collector.db.all("SELECT block, unreadable FROM blocks WHERE unreadable IS NOT NULL") == [
        ("0/1", "reading-number")
    ]
    assert reading_numbers(collector) == list(range(10))


def test_a_declared_loss_is_stepped_over_and_shown(tmp_path: Path) -> None:
    gateway = Gateway()
    for _ in range(6):
        gateway.seal(10)
    lost = Gap(first_reading=20, last_reading=39, reason=1, first=(0, 2), last=(0, 3), head=gateway.sealed[3].head)
    gateway.seal(10, events=[events.gap(gateway.mono_ms, lost)])
    kept = [message for number, message in enumerate(gateway.messages) if number not in (2, 3)]
    with collector_of(tmp_path / "c.db", gateway) as collector:
        assert collector.take(*kept).progress[0].place == (0, 6)
        assert reading_numbers(collector) == [*range(20), *range(40, 70)]
        assert collector.db.all("SELECT kind, first_block, next_block, readings, reason FROM gaps") == [
            ("declared", "0/2", "0/4", 20, "outbox full")
        ]


def test_an_undeclared_loss_is_called_so_after_a_day(collector: Collector, gateway: Gateway) -> None:
    collector.take(gateway.messages[0], gateway.messages[2])
    collector.take(gateway.messages[4], now_ms=NOW_MS + 3_600_000)
    assert collector.value("SELECT kind FROM gaps") == "open"
    collector.take(gateway.messages[5], now_ms=NOW_MS + 86_400_000)
    assert collector.value("SELECT kind FROM gaps") == "undeclared"


def test_detached_blocks_are_bounded_and_the_highest_goes(
    collector: Collector, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.collector.waiting.DETACHED_MESSAGES", 3)
    collector.take(gateway.messages[0], *gateway.messages[6:1:-1])
    assert collector.db.all("SELECT number FROM detached ORDER BY number") == [(2,), (3,), (4,)]
    assert collector.value("SELECT dropped FROM gateway") == 2
    collector.take(*gateway.messages)
    assert reading_numbers(collector) == list(range(210))


def test_parked_messages_are_bounded_and_the_newest_goes(
    collector: Collector, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.collector.waiting.PARKED_MESSAGES", 2)
    collector.take(*gateway.messages[8:12])
    assert collector.value("SELECT parked FROM gateway") == 2
    assert collector.value("SELECT dropped FROM gateway") == 2


def test_a_failed_transaction_stores_nothing_and_may_be_repeated(
    collector: Collector, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.take(*gateway.messages[:5])
    with monkeypatch.context() as patch:
        patch.setattr("agent.collector.ingest.write_head", fails)
        with pytest.raises(StorageError):
            collector.take(*gateway.messages[5:9])
    assert collector.count("block") == 5
    assert collector.verdicts(*gateway.messages[5:9]) == {Verdict.CHAINED: 4}
    collector.take(*gateway.messages)
    assert reading_numbers(collector) == list(range(210))


def fails(*_: object, **__: object) -> None:
    raise StorageError("the disk refuses")


def test_two_collectors_on_one_file_store_each_reading_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both fed everything in random overlapping slices, one transaction in six rolled back before its commit."""
    rng = random.Random(20_240_611)
    gateways = [Gateway(name=f"site-{n}") for n in range(5)]
    for made in gateways:
        for number in range(30):
            if number == 15:
                made.open()
            made.seal(10)
    everything = [message for number in range(30) for message in (made.messages[number] for made in gateways)]
    path = tmp_path / "c.db"
    with collector_of(path, *gateways) as left, collector_of(path, *gateways) as right:
        stored = {id(left): 0, id(right): 0}
        rolled_back = 0
        for start in range(0, len(everything), 5):
            for collector in rng.sample([left, right], 2):
                low = max(0, start - rng.randrange(0, 15))
                slice_ = everything[low : start + rng.randrange(5, 25)]
                rng.shuffle(slice_)
                with monkeypatch.context() as patch:
                    if rng.random() < 1 / 6:
                        patch.setattr("agent.collector.ingest.write_head", fails)
                        with pytest.raises(StorageError):
                            collector.take(*slice_)
                        rolled_back += 1
                        continue
                    stored[id(collector)] += dict(collector.take(*slice_).verdicts).get(Verdict.CHAINED, 0)
        for collector in (left, right):
            stored[id(collector)] += dict(collector.take(*everything).verdicts).get(Verdict.CHAINED, 0)
        assert rolled_back > 3
        assert all(count > 10 for count in stored.values())
        assert sum(stored.values()) == 150
        rows = left.db.all("SELECT site, reading FROM readings ORDER BY site, reading")
        assert rows == [(made.name, number) for made in gateways for number in range(300)]
        assert {head for (head,) in left.db.all("SELECT number FROM gateway")} == {14}


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    db = Database.open(tmp_path / "c.db")
    with pytest.raises(BlockError):
        Ingest(db, [NamedKey(spki=bytes(44), name="x")])
    db.close()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    db = Database.open(tmp_path / "c.db")
    db.run("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="newer version"):
        Database.open(tmp_path / "c.db")


@pytest.mark.parametrize("version", [0, 1])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "bookings.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE booking (id INTEGER PRIMARY KEY)")
        other.execute(f"PRAGMA user_version = {version}")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="no collector's database"):
        Database.open(path)
    assert path.read_bytes() == before


def test_nothing_is_called_stored_in_a_database_that_was_deleted(
    collector: Collector, gateway: Gateway, tmp_path: Path
) -> None:
    collector.take(*gateway.messages[:3])
    away = tmp_path / "away.db"
    (tmp_path / "collector.db").rename(away)
    with pytest.raises(StorageError, match="deleted"):
        collector.take(*gateway.messages[3:])
    away.rename(tmp_path / "collector.db")
    assert collector.verdicts(*gateway.messages) == {Verdict.DUPLICATE: 3, Verdict.CHAINED: 18}


def test_another_key_signs_nothing_for_this_gateway(collector: Collector, gateway: Gateway) -> None:
    collector.take(*gateway.messages[:5])
    thief = SoftKey("thief")
    forged = [
        remake(message, lambda payload: payload.update({}), thief) for message in gateway.messages[4:8]
    ]  # 7 opens the next epoch
    assert collector.verdicts(*forged) == {Verdict.REFUSED: 4}
    assert collector.value("SELECT refused FROM gateway") == 4


@pytest.mark.parametrize("times", [(2**63 - 1, 2**63 - 2, 5), (5, 6, 2**63 - 1)])
def test_times_at_the_end_of_their_range_stop_nobody(
    tmp_path: Path, gateway: Gateway, times: tuple[int, int, int]
) -> None:
    odd = Gateway("odd")
    first, second, known = times
    odd.seal(clock=no_utc(first))
    odd.seal(clock=no_utc(second))
    odd.seal(clock=clock_at(known, utc_ms=NOW_MS))
    with collector_of(tmp_path / "c.db", gateway, odd) as collector:
        assert collector.verdicts(*odd.messages, *gateway.messages) == {Verdict.CHAINED: 24}
        assert len(reading_numbers(collector)) == 210
