"""Tables on terminals that are too narrow for them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from agent.cli.output import columns, width
from tests.agent.cli.commands import Process

ROWS = [
    ("#", "PROFILE", "EVIDENCE"),
    ("1", "eastron/sdm120", "3 of 3 plausible, voltage 229.90 V, current 0.881 A"),
    ("2", "-", ""),
]


def test_a_table_that_fits_is_not_touched() -> None:
    assert columns(ROWS, room=200) == columns(ROWS, room=0) == columns(ROWS)


def test_the_last_column_goes_on_below_itself() -> None:
    assert columns(ROWS, room=44) == [
        "#  PROFILE         EVIDENCE",
        "1  eastron/sdm120  3 of 3 plausible, voltage",
        "                   229.90 V, current 0.881 A",
        "2  -",
    ]


def test_where_too_little_would_be_left_it_goes_below_its_row() -> None:
    assert columns(ROWS, room=34) == [
        "#  PROFILE",
        "      EVIDENCE",
        "1  eastron/sdm120",
        "      3 of 3 plausible, voltage",
        "      229.90 V, current 0.881 A",
        "2  -",
    ]


def test_a_short_last_column_is_left_to_the_terminal() -> None:
    rows = [("DEVICE", "POINT", "QUALITY"), ("main-meter", "energy.active.import", "good")]
    assert columns(rows, room=30) == columns(rows)


@pytest.mark.parametrize("room", range(24, 60))
def test_nothing_is_lost_and_no_line_is_too_long_in_either_language(room: int) -> None:
    text = "3 个值中 3 个合理，电压与电流均在合理范围之内，且为出厂设置 and a mark"
    lines = columns([("1", "a"), ("2", text)], room=room)
    assert all(width(line) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == f"1a2{text}".replace(" ", "")


def test_a_terminal_is_asked_and_a_pipe_is_not(process: Process) -> None:
    words = [sys.executable, "-c", f"from agent.cli.output import Output; Output().table({ROWS!r})"]
    environ = {**process.environ, "COLUMNS": "44"}
    ours, theirs = pty.openpty()
    try:
        subprocess.run(words, env=environ, stdout=theirs, check=True, timeout=60)
        shown = os.read(ours, 65536).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)
    piped = subprocess.run(words, env=environ, stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode()
    assert shown == columns(ROWS, room=44)
    assert piped.splitlines() == columns(ROWS)
