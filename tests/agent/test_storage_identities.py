"""Who devices are, in the chain's dictionary: learnt from readings, kept over restarts, told when it changes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from agent.block.record import DeviceEntry, EventKind
from agent.block.sequence import FileVerifier
from agent.block.verify import Trust
from agent.config import SiteDevice
from agent.storing.desk import Desk
from agent.storing.handover import QUEUE_READINGS, Handover
from agent.storing.identities import Identities
from agent.storing.stored import Exchanged
from drivers.batch import Batch
from tests.agent.storage_site import METER, Bench, batch, events_of, stop

A, B, C = "serial=1", "serial=2", "serial=3"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Run:
    """One life of the agent."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.desk: Desk = bench.desk()

    def told(self, *identities: str, device: int = 0) -> Run:
        """The device says who it is and gives a reading, each time."""
        for identity in identities:
            self.bench.clock.mono_ms += 20_000
            self.desk.intake.identify(device, identity, self.bench.clock.mono_ms)
            self.desk.intake.take(batch(self.bench.clock.mono_ms, device))
            self.desk.turn()
        return self

    def stop(self) -> list[tuple[str | None, str | None]]:
        """Stop; gives every exchange there ever was, as a verifier reads the chain."""
        exchanged = self.desk.status().exchanged
        stop(self.desk)
        assert self.bench.verdict().proven
        changes = exchanges(self.bench)
        assert [(one.before, one.now) for one in exchanged][-1:] == changes[-1:] or not exchanged
        self.bench.clock.mono_ms += 60_000
        return changes


def exchanges(bench: Bench) -> list[tuple[str | None, str | None]]:
    verifier = FileVerifier(Trust.of([bench.keys.identity().spki]), {})
    found: list[tuple[str | None, str | None]] = []
    for message in bench.messages():
        tables = [outcome.state.tables for outcome in verifier.take(message)][-1]
        for event in events_of(message):
            if event.kind == EventKind.DEVICE_IDENTITY:
                old, new = (tables.devices[int(str(index))] for index in event.fields)
                assert (old.id, old.name) == (new.id, new.name)
                found.append((old.identity, new.identity))
    return found


def identities_of_readings(bench: Bench) -> list[str | None]:
    """Identity under which each reading of the first point stands."""
    return [entry.identity for entry in entries_of_readings(bench)]


def names_of_readings(bench: Bench) -> list[str]:
    return [entry.name for entry in entries_of_readings(bench)]


def entries_of_readings(bench: Bench) -> list[DeviceEntry]:
    verifier = FileVerifier(Trust.of([bench.keys.identity().spki]), {})
    found: list[DeviceEntry] = []
    for message in bench.messages():
        for outcome in verifier.take(message):
            columns = outcome.block.columns if outcome.block is not None else None
            if columns is not None:
                tables = outcome.state.tables
                points = [tables.points[index] for index in columns.points]
                found += [tables.devices[one.device] for one in points if one.quantity == "voltage"]
    return found


def test_what_becomes_known_is_a_new_entry_and_no_alarm(bench: Bench) -> None:
    run = Run(bench)
    run.desk.intake.take(batch(bench.clock.mono_ms))
    run.desk.turn()
    run.told(A, A, f"{A}; firmware=V1")
    assert run.desk.status().exchanged == ()
    assert run.stop() == []
    assert identities_of_readings(bench) == [None, A, A, f"{A}; firmware=V1"]


@pytest.mark.parametrize(("before", "now"), [(A, B), (f"{A}; firmware=V1", f"{A}; firmware=V2")])
def test_another_device_under_the_same_name_is_an_event_and_an_alarm(bench: Bench, before: str, now: str) -> None:
    run = Run(bench).told(before, now)
    (alarm,) = run.desk.status().exchanged
    assert alarm == Exchanged(device="meter-1", before=before, now=now, mono_ms=bench.clock.mono_ms)
    assert run.stop() == [(before, now)]
    assert identities_of_readings(bench) == [before, now]


def test_a_device_exchanged_while_the_agent_was_off_is_noticed(bench: Bench) -> None:
    assert Run(bench).told(A).stop() == []
    assert Run(bench).told(A).stop() == []
    assert Run(bench).told(B).stop() == [(A, B)]
    assert identities_of_readings(bench) == [A, A, B]


def test_less_said_than_known_is_no_change_over_a_restart(bench: Bench) -> None:
    Run(bench).told(f"address=5; {A}; firmware=V1").stop()
    assert Run(bench).told("address=5", f"address=5; {A}").stop() == []
    assert identities_of_readings(bench) == [f"address=5; {A}; firmware=V1"] * 3


@pytest.mark.parametrize(
    "lives",
    [
        [[A, B, A], [A]],
        [[A], [B], [A], [A]],
        [[A, B], [A, C], [C], [C]],
        [[A, B, A, B], [B]],
        [[A, B], [C], [B], [B]],
    ],
)
def test_one_that_comes_back_is_known_by_its_old_entry_at_every_start(bench: Bench, lives: list[list[str]]) -> None:
    wanted = [one for life in lives for one in life]
    changes = [(before, now) for before, now in pairwise(wanted) if before != now]
    for life in lives:
        found = Run(bench).told(*life).stop()
    assert found == changes
    assert identities_of_readings(bench) == wanted


def test_the_others_keep_their_indexes(bench: Bench) -> None:
    run = Run(bench)
    before = run.desk.intake.register(bench.devices, bench.clock.mono_ms)
    after = run.desk.intake.identify(0, A, bench.clock.mono_ms)
    assert after[1] == before[1]
    assert not set(after[0]) & set(before[0])
    assert run.desk.intake.identify(7, A, bench.clock.mono_ms) == after, "no such device"
    run.told(A, device=1)
    run.stop()


def test_a_device_of_a_big_site_may_say_who_it_is_before_it_was_told(bench: Bench) -> None:
    bench.devices = tuple(SiteDevice(name=f"m-{i}", bus="b", unit=i, profile=METER) for i in range(246))
    run = Run(bench)
    for device in (200, 3, 200):
        run.told(A, device=device)
    for device in (0, 7, 245):
        run.desk.intake.take(batch(bench.clock.mono_ms, device))
    run.stop()
    assert identities_of_readings(bench) == [A, A, A, None, None, None]
    assert names_of_readings(bench) == ["m-200", "m-3", "m-200", "m-0", "m-7", "m-245"]


def test_where_counters_stood_is_not_told_of_a_device_of_which_it_is_not_known_whose_they_are(bench: Bench) -> None:
    Run(bench).told(A).stop()
    storage = StorageInHand(bench)
    assert storage.last_counts(0) is None, "nothing was read back yet"
    storage.turn(batch(bench.clock.mono_ms, 1))
    assert storage.last_counts(0) == {2: 90_000}
    storage.identify(0, B)
    assert storage.last_counts(0) is None
    storage.turn()
    assert storage.last_counts(0) == {}
    storage.identify(0, A)
    storage.turn()
    assert storage.last_counts(0) == {2: 90_000}
    stop(storage.desk)


class StorageInHand(Handover):
    """The hand-over with a desk that works when it is told to."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(QUEUE_READINGS)
        self.bench = bench
        self._desk = self.desk = bench.desk()
        self.register(bench.devices)
        self._drain(self.desk, bench.clock.mono_ms)

    def turn(self, *batches: Batch) -> None:
        for one in batches:
            assert self.offer(one)
        self._drain(self.desk, self.bench.clock.mono_ms, flush=True)
        self.desk.flush()
        if self._counts is None:
            self._counts = self.desk.recollection.counts()

    def _wake(self) -> None:
        pass


@pytest.mark.parametrize("text", ["=", ";", "x" * 2000, "\u6c34" * 200, "serial=" + "9" * 300, "a\x00b"])
def test_no_text_of_a_device_stops_the_chain(bench: Bench, text: str) -> None:
    run = Run(bench)
    run.told(text, A)
    run.stop()
    assert len(bench.messages()) >= 2


def test_a_mark_that_fits_no_entry_counts_for_nothing() -> None:
    entry = DeviceEntry(id=bytes(8), name="m", profile="p", profile_hash=bytes(16), identity=A)
    other = DeviceEntry(id=b"another.", name="n", profile="p", profile_hash=bytes(16), identity=B)
    for mark in (7, -1, 1):
        known = Identities([entry, other], lambda _key, mark=mark: mark)  # type: ignore[misc]
        assert known.of(("m", "p")) == A
