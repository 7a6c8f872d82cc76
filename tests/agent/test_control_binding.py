"""The socket file: its mode, and what stands in its way."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from agent.control.binding import bind
from agent.control.protocol import SOCKET_NAME, address_of
from agent.errors import ControlError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077, 0o117])
def test_the_socket_is_for_user_and_group_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / SOCKET_NAME
    before = os.umask(umask)
    try:
        bind(path, 1).close()
    finally:
        assert os.umask(before) == umask
    assert mode(path) == 0o660
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]


def test_the_umask_that_all_threads_share_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "umask", asked.append)
    bind(tmp_path / SOCKET_NAME, 1).close()
    assert asked == []


def test_until_it_has_its_mode_it_stands_where_nobody_else_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    chmod = Path.chmod

    def look(self: Path, wanted: int) -> None:
        seen.append((mode(self.parent), (tmp_path / SOCKET_NAME).exists()))
        chmod(self, wanted)

    monkeypatch.setattr(Path, "chmod", look)
    before = os.umask(0)
    try:
        bind(tmp_path / SOCKET_NAME, 1).close()
    finally:
        os.umask(before)
    assert seen == [(0o700, False)]


@pytest.mark.parametrize("run_dir", ["run", "long" * 30])
def test_who_connects_by_its_name_is_taken_in(tmp_path: Path, run_dir: str) -> None:
    path = tmp_path / run_dir / SOCKET_NAME
    with bind(path, 1) as bound, socket.socket(socket.AF_UNIX) as client, address_of(path) as address:
        client.connect(address)
        taken, _ = bound.accept()
        with taken:
            client.sendall(b"x")
            assert taken.recv(1) == b"x"


def test_what_cannot_be_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME
    path.mkdir()
    with pytest.raises(ControlError, match=str(path)):
        bind(path, 1)
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot open the control socket"):
        bind(tmp_path / "file" / SOCKET_NAME, 1)
