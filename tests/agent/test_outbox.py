from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.block.record import SealedBlock
from agent.errors import AlreadyRunningError, ChainDamagedError, DiskFullError, StorageError
from agent.outbox import LAST_SEQ, Commit, Destination, Outbox, read_blocks
from agent.storing.stored import place_of, seq_of


def sealed(epoch: int, number: int, *, keep: bool = False, readings: int = 40, size: int = 500) -> SealedBlock:
    message = hashlib.shake_256(f"{epoch}/{number}".encode()).digest(size)
    return SealedBlock(
        message=message,
        head=hashlib.sha256(message).digest(),
        epoch=epoch,
        number=number,
        first_reading=number * readings,
        readings=readings,
        keep=keep,
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db")
    yield box
    box.close()


def fill(box: Outbox, count: int, *, epoch: int = 0, first: int = 0) -> None:
    for number in range(first, first + count):
        box.commit(Commit(blocks=(sealed(epoch, number, keep=number == 0),)))


def numbers(box: Outbox) -> list[tuple[int, int]]:
    return [(block.epoch, block.number) for block in box.between(0, LAST_SEQ, 10_000)]


def test_a_place_in_the_chain_is_one_ascending_number() -> None:
    places = [(0, 0), (0, 1), (0, 2**40 - 1), (1, 0), (7, 12)]
    assert [place_of(seq_of(*place)) for place in places] == places
    assert sorted(seq_of(*place) for place in reversed(places)) == [seq_of(*place) for place in places]


def test_what_was_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db")
    fill(box, 3)
    box.close()
    box = Outbox(tmp_path / "outbox.db")
    assert [block.message for block in box.between(0, LAST_SEQ, 9)] == [sealed(0, n).message for n in range(3)]
    assert box.last is not None
    assert (box.last.ordinal, box.last.end_bytes, box.last.head) == (3, 1500, sealed(0, 2).head)
    box.close()


def test_insert_delete_and_receipt_are_one_transaction(outbox: Outbox) -> None:
    fill(outbox, 3)
    to = Destination(kid=b"platform", from_seq=0, receipted_seq=1)
    with pytest.raises(ChainDamagedError):
        outbox.commit(Commit(blocks=(sealed(0, 2),), removed=(1,), destinations=(to,), state=(("clean", 1),)))
    assert numbers(outbox) == [(0, 0), (0, 1), (0, 2)]
    assert outbox.destinations() == ()
    assert outbox.state("clean") is None
    outbox.commit(Commit(blocks=(sealed(0, 3),), removed=(1,), destinations=(to,), state=(("clean", 1),)))
    assert numbers(outbox) == [(0, 0), (0, 2), (0, 3)]
    assert outbox.destinations() == (to,)
    assert outbox.state("clean") == 1


def test_a_number_is_never_stored_twice_even_past_the_check(outbox: Outbox) -> None:
    fill(outbox, 2)
    other = sqlite3.connect(outbox.path)
    row = (seq_of(0, 1), 0, 0, 0, 0, 0, 0, bytes(32), b"other bytes")
    with pytest.raises(sqlite3.IntegrityError):
        other.execute("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    other.close()


@pytest.mark.parametrize(("epoch", "number"), [(0, 1), (0, 0)])
def test_a_block_that_does_not_follow_the_last_one_is_refused(outbox: Outbox, epoch: int, number: int) -> None:
    fill(outbox, 2)
    with pytest.raises(ChainDamagedError, match="does not follow"):
        outbox.commit(Commit(blocks=(sealed(epoch, number),)))


def test_kept_blocks_and_the_last_one_cannot_be_removed(outbox: Outbox) -> None:
    fill(outbox, 4)
    outbox.commit(Commit(removed=tuple(range(4))))
    assert numbers(outbox) == [(0, 0), (0, 3)]


def test_the_chain_resumes_from_kept_blocks_and_the_last(outbox: Outbox) -> None:
    assert list(outbox.kept()) == []
    fill(outbox, 4)
    outbox.commit(Commit(blocks=(sealed(1, 0, keep=True), sealed(1, 1))))
    wanted = [sealed(0, 0), sealed(1, 0), sealed(1, 1)]
    assert list(outbox.kept()) == [block.message for block in wanted]
    outbox.commit(Commit(blocks=(sealed(1, 2, keep=True),)))
    assert [hashlib.sha256(m).digest() for m in outbox.kept()] == [b.head for b in (*wanted[:2], sealed(1, 2))]


def test_loose_blocks_come_oldest_first_without_those_that_stay(outbox: Outbox) -> None:
    fill(outbox, 6)
    assert [row.seq for row in outbox.loose(-1, LAST_SEQ, 9)] == [1, 2, 3, 4]
    assert [row.seq for row in outbox.loose(1, 3, 9)] == [2, 3]
    assert [(row.ordinal, row.end_bytes, row.size_bytes) for row in outbox.loose(0, LAST_SEQ, 1)] == [(2, 1000, 500)]
    assert outbox.kept_between(-1, LAST_SEQ) == (1, 500)
    assert outbox.kept_between(0, LAST_SEQ) == (0, 0)


def test_a_second_agent_is_kept_out(tmp_path: Path, outbox: Outbox) -> None:
    with pytest.raises(AlreadyRunningError, match="another agent"):
        Outbox(tmp_path / "outbox.db")
    outbox.close()
    Outbox(tmp_path / "outbox.db").close()


def test_a_reader_sees_the_chain_while_the_agent_writes(outbox: Outbox) -> None:
    fill(outbox, 5)
    reader = read_blocks(outbox.path, limit=2)
    seen = [next(reader)]
    fill(outbox, 2, first=5)
    seen += list(reader)
    assert [block.number for block in seen] == [0, 1, 2, 3, 4, 5, 6]
    assert seen[3].message == sealed(0, 3).message


def test_reading_leaves_nothing_behind_that_would_keep_the_agent_out(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db")
    fill(box, 5)
    box.close()
    before = sorted(path.name for path in tmp_path.iterdir())
    assert len(list(read_blocks(tmp_path / "outbox.db"))) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_reader_goes_on_when_the_agent_starts_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "out box%20#?.db"
    box = Outbox(path)
    fill(box, 5)
    box.close()
    reader = read_blocks(path, limit=2)
    seen = [next(reader).number]
    box = Outbox(path)
    fill(box, 3, first=5)
    assert seen + [block.number for block in reader] == list(range(8))
    box.close()


def test_reading_a_missing_outbox_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing"):
        list(read_blocks(tmp_path / "outbox.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_outbox_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"something else entirely, " * 100)
    with pytest.raises(ChainDamagedError):
        Outbox(path)
    assert path.read_bytes() == b"something else entirely, " * 100


def test_a_corrupt_page_is_damage_and_not_an_empty_chain(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    fill(box, 200)
    box.close()
    with path.open("r+b") as file:
        file.seek(1024)
        file.write(os.urandom(path.stat().st_size - 1024))
    with pytest.raises(ChainDamagedError):
        Outbox(path)


def test_an_outbox_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="newer version"):
        Outbox(path)


def test_the_promises_of_the_file_are_set(outbox: Outbox) -> None:
    pragmas = {name: outbox._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert outbox._db.execute("PRAGMA page_size").fetchone()[0] == 1024


def test_a_full_disk_changes_nothing_and_says_so(outbox: Outbox) -> None:
    fill(outbox, 20)
    (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
    outbox._db.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    big = sealed(0, 20, size=60_000)
    with pytest.raises(DiskFullError):
        outbox.commit(Commit(blocks=(big,), removed=(1, 2)))
    assert numbers(outbox) == [(0, n) for n in range(20)]
    outbox.commit(Commit(removed=tuple(range(1, 19))))
    small = sealed(0, 20, size=4000)
    outbox.commit(Commit(blocks=(small,)))
    assert numbers(outbox) == [(0, 0), (0, 19), (0, 20)]


def test_after_a_failure_the_outbox_opens_again_and_knows_what_went_through(outbox: Outbox) -> None:
    fill(outbox, 3)
    outbox.reopen()
    assert outbox.last is not None
    assert outbox.last.seq == 2
    fill(outbox, 2, first=3)
    assert numbers(outbox) == [(0, n) for n in range(5)]


def test_rows_committed_before_sigkill_are_there_afterwards(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from agent.block.record import SealedBlock\n"
        "from agent.outbox import Commit, Outbox\n"
        "box = Outbox(Path(sys.argv[1]))\n"
        "for n in range(50):\n"
        "    box.commit(Commit(blocks=(SealedBlock(message=bytes(600), head=bytes(32), epoch=0, number=n,\n"
        "               first_reading=0, readings=1, keep=False),)))\n"
        "    print(n, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "outbox.db"
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, timeout=60, check=False)
    assert done.stdout.split()[-1] == b"49"
    box = Outbox(path)
    assert numbers(box) == [(0, n) for n in range(50)]
    box.close()
