"""Files that are replaced as a whole: the old one or the new one, never half of one, never open to more people."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from agent.durable import replace_file


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_there_whole_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for umask in (0, 0o277):
        before = os.umask(umask)
        try:
            replace_file(path, b"text", mode=0o640)
        finally:
            os.umask(before)
        assert (path.read_bytes(), mode_of(path)) == (b"text", 0o640)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_without_a_mode_it_stays_as_open_as_it_was_and_whose_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    replace_file(path, b"new")
    after = path.stat()
    assert path.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_what_is_new_is_on_the_disk_before_it_has_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    synced: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), path.read_bytes()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    replace_file(path, b"new")
    assert synced == [(str(tmp_path / ".file.new"), b"old"), (str(tmp_path), b"new")]


def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new", mode=0o600)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_what_a_dead_writer_left_is_no_obstacle_and_no_way_out(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "file", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    (tmp_path / ".file.new").symlink_to(elsewhere)
    replace_file(path, b"new", mode=0o600)
    assert (path.read_bytes(), elsewhere.read_bytes()) == (b"new", b"not ours")
    assert not path.is_symlink()
