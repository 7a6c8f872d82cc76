"""A disk that refuses: the same bytes are tried again, nothing stored is lost, pruning works on a full disk."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.block.record import EventKind
from agent.outbox import Commit
from agent.storing.reserve import Reserve
from agent.storing.stored import StoredBlock
from tests.agent.storage_site import Bench, events_of, receipt, seal, stop

PLATFORM = b"platform"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, destinations=(PLATFORM,))


@contextmanager
def no_file_may_grow(path: Path) -> Iterator[None]:
    """The kernel refuses every write beyond the present end of ``path`` (EFBIG): a real I/O error for SQLite."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_io_error_keeps_the_readings_and_the_block_is_stored_later_with_the_same_bytes(bench: Bench) -> None:
    desk = bench.desk()
    seal(bench, desk, 3)
    with no_file_may_grow(bench.folder / "outbox.db-wal"):
        assert seal(bench, desk) == []
        (signed,) = desk._sealing._writer.pending
        assert desk.status().fault_code == "storage-failed"
        for _ in range(3):
            assert seal(bench, desk) == []
            assert desk._sealing._writer.pending == (signed,)
    bench.clock.mono_ms += 60_000
    (stored,) = desk.turn()
    assert stored.message == signed.message
    assert desk.status().fault_code == ""
    (after,) = seal(bench, desk)
    assert after.readings == 12
    faults = [event.fields for event in events_of(after.message) if event.kind == EventKind.STORAGE_FAULT]
    assert faults == [("storage-failed", "disk I/O error")]
    stop(desk)
    verdict = bench.verdict()
    assert verdict.proven
    assert verdict.chains[0].readings == 8 * 3


def test_a_disk_that_goes_away_and_comes_back_ends_nothing(bench: Bench) -> None:
    desk = bench.desk()
    seal(bench, desk, 3)
    away = bench.folder.with_name("away")
    bench.folder.rename(away)
    for _ in range(3):
        assert seal(bench, desk) == []
        assert desk.status().fault_code == "storage-failed"
    bench.folder.mkdir()  # an empty mount point
    for _ in range(3):
        assert seal(bench, desk) == []
    assert list(bench.folder.iterdir()) == []
    bench.folder.rmdir()
    away.rename(bench.folder)
    bench.clock.mono_ms += 60_000
    assert desk.turn()
    assert seal(bench, desk)
    assert desk.status().fault_code == ""
    stop(desk)
    verdict = bench.verdict()
    assert verdict.proven
    assert verdict.chains[0].readings == 10 * 3


def test_nothing_is_called_stored_in_a_file_that_was_deleted(bench: Bench) -> None:
    desk = bench.desk()
    stored = seal(bench, desk, 3)
    for path in bench.folder.glob("outbox.db*"):
        path.unlink()
    for _ in range(4):
        assert seal(bench, desk) == []
        assert "deleted" in desk.status().fault
    assert desk.peek(PLATFORM, -1, 10) == tuple(stored)  # what it holds can still be sent
    stop(desk)
    assert not (bench.folder / "outbox.db").exists()


def test_a_disk_that_cannot_be_read_ends_nothing(bench: Bench) -> None:
    desk = bench.desk()
    seal(bench, desk, 3)
    desk._outbox._db.close()
    assert seal(bench, desk) == []
    assert desk.status().fault_code == "storage-failed"
    assert desk.status().sealed_blocks == 3
    assert seal(bench, desk)
    assert desk.status().fault_code == ""
    stop(desk)
    assert bench.verdict().proven
    assert bench.verdict().chains[0].readings == 5 * 3


def test_tries_come_in_growing_pauses(bench: Bench) -> None:
    desk = bench.desk()
    seal(bench, desk, 3)
    with no_file_may_grow(bench.folder / "outbox.db-wal"):
        seal(bench, desk)
        pauses = []
        for _ in range(8):
            due_ms = desk.due_ms()
            assert due_ms is not None
            pauses.append(due_ms - bench.clock.mono_ms)
            bench.clock.mono_ms = due_ms
            assert desk.turn() == ()
    assert pauses == [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
    bench.clock.mono_ms += 30_000
    assert len(desk.turn()) == 1
    stop(desk)
    assert bench.verdict().proven


def test_a_commit_that_got_through_although_it_failed_is_not_repeated(bench: Bench) -> None:
    desk = bench.desk()
    seal(bench, desk, 3)
    with no_file_may_grow(bench.folder / "outbox.db-wal"):
        seal(bench, desk)
    (signed,) = desk._sealing._writer.pending
    desk._outbox.reopen()
    desk._outbox.commit(Commit(blocks=(signed,), lived_s=40))
    bench.clock.mono_ms += 60_000
    (stored,) = desk.turn()
    assert stored.message == signed.message
    seal(bench, desk)
    stop(desk)
    assert bench.verdict().proven
    assert len(bench.messages()) == 5


def test_stopping_while_the_disk_refuses_ends_all_the_same(bench: Bench) -> None:
    desk = bench.desk()
    seal(bench, desk, 3)
    with no_file_may_grow(bench.folder / "outbox.db-wal"):
        seal(bench, desk)
        assert stop(desk) == ()
    assert len(bench.messages()) == 3
    desk = bench.desk()
    (block,) = seal(bench, desk)
    assert events_of(block.message)[0].fields[2] is False
    stop(desk)
    assert bench.verdict().proven


def test_a_full_file_gives_receipted_blocks_up_and_nothing_else(bench: Bench) -> None:
    """SQLite's own page limit stands for a full disk: the error is the same SQLITE_FULL."""
    desk = bench.desk()
    blocks = seal(bench, desk, 60)
    database = desk._outbox._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    stored: list[StoredBlock] = []
    while not desk.status().fault_code:
        stored += seal(bench, desk)
    assert desk.status().fault_code == "disk-full"
    assert len(desk.fetch(0, 0, None, 10_000)) == 60 + len(stored)
    assert desk.receipted(PLATFORM, receipt(blocks[20])).value == "accepted"
    bench.clock.mono_ms += 60_000
    assert len(desk.turn()) == 1
    assert desk.status().fault_code == ""
    remaining = [block.number for block in desk.fetch(0, 0, None, 10_000)]
    assert remaining[0] == 0
    assert remaining[1:41] == list(range(21, 61))
    stop(desk)
    assert bench.verdict().chains[0].missing


def test_without_a_destination_a_full_disk_gives_nothing_up(bench: Bench) -> None:
    bench.destinations = ()
    desk = bench.desk()
    seal(bench, desk, 60)
    database = desk._outbox._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    while not desk.status().fault_code:
        seal(bench, desk)
    held = len(desk.fetch(0, 0, None, 10_000))
    bench.clock.mono_ms += 60_000
    assert desk.turn() == ()
    assert len(desk.fetch(0, 0, None, 10_000)) == held
    stop(desk)
    assert bench.verdict().proven


def test_the_reserve_takes_room_gives_it_back_and_takes_it_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    assert reserve.set_aside()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
    assert reserve.give_back()
    assert not reserve.give_back()
    assert reserve.set_aside()
    assert Reserve(tmp_path / "reserve", 1 << 60).set_aside() is False
    assert not (tmp_path / "missing").exists()


def on_a_small_disk(script: str, folder: Path, size: str) -> str:
    """Run ``script`` with a tmpfs of ``size`` mounted on ``folder``, in a mount namespace of its own."""
    folder.mkdir()
    inner = f'mount -t tmpfs -o size={size} none "{folder}" && exec "{sys.executable}" -c "$SCRIPT" "{folder}"'
    unshare = shutil.which("unshare")
    assert unshare is not None
    done = subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", inner],
        env={**os.environ, "SCRIPT": script},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "Operation not permitted" in done.stderr and "Traceback" not in done.stderr:
        sentence = "this machine allows no mount namespaces; a small disk cannot be made"
        if os.environ.get("TIDEGATE_RIGS") == "required":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    assert done.returncode == 0, done.stderr
    return done.stdout


FILL = """
import sys
from pathlib import Path
from agent.config import BlockRules, OutboxLimits
from tests.agent.storage_site import Bench, batch, point, profile, receipt, seal
bench = Bench(Path(sys.argv[1]), destinations=(b"platform",), limits=OutboxLimits(keep_bytes=10**9))
desk = bench.desk()
blocks = []
ballast = (bench.folder / "others").open("wb", buffering=0)
blocks += seal(bench, desk, 60)
try:
    while True:
        ballast.write(bytes(4096))
except OSError:
    pass
while not desk.status().fault_code:
    blocks += seal(bench, desk)
print("full after", len(blocks), desk.status().fault_code)
held = len(desk.fetch(0, 0, None, 10**6))
assert held == len(blocks), (held, len(blocks))
assert desk.receipted(b"platform", receipt(blocks[40])).value == "accepted"
bench.clock.mono_ms += 60_000
stored = list(desk.turn())
print("went on with", len(stored), desk.status().fault_code or "no fault")
for _ in range(150):
    stored += seal(bench, desk)
print("and on", len(stored), desk.status().fault_code or "no fault")
first = desk.peek(b"platform", -1, 1)[0]
assert first.number == 41, first.number
desk.close()
desk = bench.desk()
print("opened again", desk.status().fault_code or "no fault")
desk.close()
"""


@pytest.mark.crash
def test_pruning_works_on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    told = on_a_small_disk(FILL, tmp_path / "disk", "6m").splitlines()
    assert told[0].startswith("full after ")
    assert told[0].endswith("disk-full")
    assert told[1:] == ["went on with 1 no fault", "and on 151 no fault", "opened again no fault"]


SMALL = """
import sys
from pathlib import Path
from agent.config import OutboxLimits
from tests.agent.storage_site import Bench
from tests.agent.storage_site import seal
bench = Bench(Path(sys.argv[1]), destinations=(b"platform",), limits=OutboxLimits(keep_bytes=10**9))
desk = bench.desk()
levels = set()
while not desk.status().fault_code and len(levels) < 4:
    seal(bench, desk)
    levels.add(int(desk.status().pressure))
print(sorted(levels), desk.status().fault_code or "no fault")
desk.close()
"""


@pytest.mark.crash
def test_a_small_disk_is_felt_as_pressure_before_it_is_full(tmp_path: Path) -> None:
    assert on_a_small_disk(SMALL, tmp_path / "disk", "8m").split("\n")[0] == "[0, 1, 2, 3] no fault"
