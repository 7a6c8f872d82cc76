"""``tidegate read --watch``: rounds as text, as JSON lines and as a live table on a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli.read_watch import Board, cells
from agent.control.protocol import DeviceValues, PointValue
from hil.ptys import PtyLine
from hil.wire import Line
from tests.agent.cli.commands import Command, Process
from tests.agent.cli.test_cli_monitor import SITE
from tests.agent.cli.test_cli_scan import line_of

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]


def read(value: str | None, status: int = 0, code: str = "") -> tuple[DeviceValues, ...]:
    point = PointValue(quantity="t", value=value, unit="Cel", status=status)
    return (DeviceValues(device="air", bus="b", points=() if code else (point,), error_code=code),)


def test_a_point_that_fails_keeps_its_last_good_value_and_its_age() -> None:
    board = Board()
    board.take(read("21.5"), 10.0)
    board.take(read(None, status=0x800A0000), 12.0)
    (row,) = board.rows.values()
    assert cells(row, 14.0) == ("air", "t", "21.5", "Cel", "4.0 s", "last good")
    board.take(read(None, code="no-reply"), 16.0)
    (row,) = board.rows.values()
    assert cells(row, 16.0)[2:] == ("21.5", "Cel", "6.0 s", "last good, no-reply")
    board.take(read("22.0"), 18.0)
    (row,) = board.rows.values()
    assert cells(row, 18.0)[2:] == ("22.0", "Cel", "0.0 s", "good")


def test_a_device_that_never_answered_is_a_row_until_it_does() -> None:
    board = Board()
    board.take(read(None, code="no-reply"), 1.0)
    assert [cells(row, 1.0)[1:] for row in board.rows.values()] == [("-", "-", "", "-", "no-reply")]
    board.take(read(None, code="port-busy"), 1.5)
    assert [cells(row, 1.5)[-1] for row in board.rows.values()] == ["port-busy"]
    board.take(read("1.0"), 2.0)
    assert list(board.rows) == [("air", "t")]


def test_rounds_are_printed_one_after_the_other_where_there_is_no_terminal(
    tidegate: Command, on_pty: OnPty, tmp_path: Path
) -> None:
    port = on_pty(line_of(("generic/xy-md02", 4))).path
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    said = tidegate("read", "--watch", "--count", "2", "--every", "0.2")
    assert said.code == 0
    assert said.out.count("temperature") == 2
    lines = tidegate("read", "rs485-a/air/humidity", "--watch", "--count", "2", "--every", "0.2", "--json").out
    *rounds, envelope = (json.loads(line) for line in lines.splitlines())
    assert [one["event"] for one in rounds] == ["round", "round"]
    assert [point["quantity"] for point in rounds[0]["devices"][0]["points"]] == ["humidity"]
    assert envelope["code"] == 0


def test_on_a_terminal_the_table_is_drawn_over(process: Process, on_pty: OnPty, tmp_path: Path) -> None:
    port = on_pty(line_of(("generic/xy-md02", 4))).path
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    ours, theirs = os.openpty()
    words = process.argv("read", "--watch", "--count", "2", "--every", "0.5")
    shown = bytearray()

    def drain() -> None:
        while True:
            try:
                shown.extend(os.read(ours, 4096))
            except OSError:
                return

    reader = threading.Thread(target=drain)
    reader.start()
    child = subprocess.Popen(words, stdout=theirs, stderr=theirs, cwd=tmp_path, env=process.environ)
    os.close(theirs)
    assert child.wait(timeout=60) == 0
    time.sleep(0.1)
    reader.join(timeout=5)
    os.close(ours)
    text = shown.decode()
    assert "temperature" in text
    assert re.search(r"\x1b\[\d*A", text), "the second round goes up and over the first"
