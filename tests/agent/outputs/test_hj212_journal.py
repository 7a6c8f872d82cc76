"""Reports on disk: what a kill tears off, what a full disk leaves, when the file is written anew."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from agent.errors import StorageError
from agent.outputs import hj212_journal
from agent.outputs.hj212_journal import Journal, _written
from agent.outputs.hj212_kept import done_line, lost_line, record_line, settings_line, state_line
from agent.outputs.hj212_record import FactorValue, Record
from agent.outputs.hj212_settings import BureauSettings, Report


def record(minute: int) -> Record:
    value = FactorValue(code="w01018", total=None, low=Decimal(1), mean=Decimal("1.5"), high=Decimal(2), mark="N")
    start = f"20260101{8 + minute // 60:02d}{minute % 60:02d}00"
    return Record(report=Report.MINUTE, start=start, qn=f"{start}000", values=(value,))


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "outputs" / "a.hj212")
    journal.load()
    settings = BureauSettings(overtime_s=9, recount=4, realtime_s=60, realtime_on=False, minute_s=300)
    journal.append([record_line(record(0)), record_line(record(10)), done_line(record(0).key)])
    journal.append([state_line("[1]"), settings_line(settings, BureauSettings()), lost_line(7)])
    kept = Journal(tmp_path / "outputs" / "a.hj212").load()
    assert list(kept.records.values()) == [record(0), record(10)]
    assert list(kept.waiting) == [record(10).key]
    assert (kept.state, kept.settings, kept.lost, kept.torn) == ("[1]", settings, 7, 0)
    assert kept.usual == BureauSettings()


def test_a_file_torn_anywhere_loses_its_last_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.hj212"
    Journal(path).append([record_line(record(0)), record_line(record(10))])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(first, len(whole)):
        path.write_bytes(whole[:size])
        journal = Journal(path)
        kept = journal.load()
        last = size == len(whole) - 1
        assert len(kept.records) == 1 + last, "a line is whole without its end of line"
        journal.append([record_line(record(20))])
        again = Journal(path).load()
        assert record(0).key in again.records
        assert record(20).key in again.records, "what follows a torn line is not lost with it"


def test_a_flipped_bit_is_never_a_report(tmp_path: Path) -> None:
    path = tmp_path / "a.hj212"
    Journal(path).append([record_line(record(0))])
    whole = path.read_bytes()
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert Journal(path).load().records in ({}, {record(0).key: record(0)})


def test_the_file_is_written_anew_when_most_of_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hj212_journal, "_REWRITE_BYTES", 2000)
    journal = Journal(tmp_path / "a.hj212")
    kept = journal.load()
    for minute in range(0, 200, 10):
        for line in (record_line(record(minute)), done_line(record(minute).key)):
            journal.append([line])
            kept.take(line)
    long = journal.is_long
    kept.drop("20260101110000")
    journal.rewrite(kept)
    assert (long, journal.is_long) == (True, False)
    again = Journal(tmp_path / "a.hj212").load()
    assert [start for _, start in again.records] == ["20260101110000", "20260101111000"]
    assert not again.waiting
    assert not list(tmp_path.glob("*.new"))


def test_what_waits_is_never_dropped_for_its_age(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.hj212")
    kept = journal.load()
    kept.take(record_line(record(0)))
    kept.drop("20990101000000")
    assert list(kept.waiting) == [record(0).key]
    assert record(0).key in kept.records


def test_a_disk_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "a.hj212")
    journal.append([record_line(record(0))])

    def full(_handle: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        journal.append([record_line(record(10))])
    with pytest.raises(StorageError, match="No space left"):
        journal.rewrite(journal.load())
    monkeypatch.undo()
    journal.append([record_line(record(10))])
    assert len(Journal(tmp_path / "a.hj212").load().records) == 2
    (tmp_path / "b").mkdir()
    with pytest.raises(StorageError, match="directory"):
        Journal(tmp_path / "b").load()


def test_a_new_file_is_in_its_folder_when_its_first_lines_are_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watched(handle: int) -> None:
        real(handle)
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))

    monkeypatch.setattr(os, "fsync", watched)
    folder = tmp_path / "state" / "outputs"
    folder.parent.mkdir()
    journal = Journal(folder / "a.hj212")
    journal.load()
    assert synced == [str(folder.parent)]
    synced.clear()
    journal.append([record_line(record(0))])
    assert synced == [str(folder / "a.hj212"), str(folder)]
    journal.append([record_line(record(10))])
    again = Journal(folder / "a.hj212")
    again.load()
    again.append([record_line(record(20))])
    assert synced[2:] == [str(folder / "a.hj212")] * 2, "it is there already"


def test_a_file_that_could_not_be_read_is_not_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hj212_journal, "_REWRITE_BYTES", 100)
    path = tmp_path / "a.hj212"
    Journal(path).append([record_line(record(0))])
    journal = Journal(path)

    def broken(_path: Path) -> bytes:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", broken)
        with pytest.raises(StorageError, match="Input/output"):
            journal.load()
    journal.append([record_line(record(minute)) for minute in range(10, 60, 10)])
    assert not journal.is_long, "what is in it is not known"
    assert len(Journal(path).load().records) == 6


def test_a_line_of_another_version_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.hj212"
    strange: list[list[object]] = [
        ["A", "2051"],
        ["S"],
        ["L", "many"],
        ["L"],
        ["B", 1],
        ["R", 1],
        ["Z", None],
        [None],
    ]
    path.write_bytes(b"".join(_written(line) for line in (*strange, record_line(record(0)))))
    kept = Journal(path).load()
    assert (list(kept.records.values()), kept.lost, kept.state, kept.settings) == ([record(0)], 0, "", None)


def test_what_a_disk_refused_does_not_stay_in_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.hj212"
    journal = Journal(path)
    journal.append([record_line(record(0))])
    before = path.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for _ in range(3):
            with pytest.raises(StorageError):
                journal.append([record_line(record(10))])
    assert path.read_bytes() == before
    journal.append([record_line(record(10))])
    assert list(Journal(path).load().records.values()) == [record(0), record(10)]
