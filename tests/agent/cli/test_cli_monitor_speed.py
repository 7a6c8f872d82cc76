"""``tidegate monitor --find-speed``: on a line whose speed nobody told, between two cross-wired ptys."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from agent.cli import monitor_source
from drivers.scan.plan import BAUDS
from hil.pair.crossing import Crossing
from hil.sim.modbus import frame
from tests.agent.cli.commands import Command

pytestmark = pytest.mark.technician

REQUEST = frame(4, bytes.fromhex("0400010002"))
REPLY = frame(4, bytes.fromhex("040400EB0222"))
BAUD = 4800


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[Crossing]:
    with Crossing(tmp_path / "left", tmp_path / "right") as made:
        yield made


@contextmanager
def talking(port: Path, baud: int) -> Iterator[None]:
    """Two strangers on a line: a request and its reply, over and over."""
    stopped = threading.Event()

    def talk() -> None:
        with serial.Serial(str(port), baud) as line:
            while not stopped.is_set():
                for said in (REQUEST, REPLY):
                    line.write(said)
                    stopped.wait(0.03)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def test_the_speed_at_which_frames_are_whole_is_found_and_listened_at(
    tidegate: Command, crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_source, "_TRY_S", 0.25)
    with talking(crossing.right.path, BAUD):
        said = tidegate("monitor", crossing.left.path, "--find-speed", "--seconds", "0.5", "--json")
    assert said.code == 0, said.err
    assert f"at {BAUD} 8N1" in said.err
    tried = [line.split()[1] for line in said.err.splitlines() if line.startswith("Trying ")]
    assert tried[-1] == str(BAUD)  # and nothing behind it, for that is what was looked for
    assert len(tried) < 2 * len(BAUDS)
    *events, envelope = (json.loads(line) for line in said.out.splitlines())
    assert {event["event"] for event in events} >= {"request", "reply"}
    assert envelope["result"]["replies"] >= 2


def test_a_line_that_nobody_uses_has_no_speed(
    tidegate: Command, crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_source, "_TRY_S", 0.02)
    said = tidegate("monitor", crossing.left.path, "--find-speed", "--seconds", "0.5", "--json")
    assert said.code == 1
    assert [finding["code"] for finding in said.envelope["findings"]] == ["nothing-heard"]


def test_at_the_wrong_speed_there_is_noise_and_no_frame(tidegate: Command, crossing: Crossing) -> None:
    """What makes the search necessary, and shows that it was the speed that was found."""
    with talking(crossing.right.path, BAUD):
        said = tidegate("monitor", crossing.left.path, "--baud", "19200", "--seconds", "0.6", "--json")
    *events, envelope = (json.loads(line) for line in said.out.splitlines())
    assert envelope["result"]["replies"] == 0
    assert "reply" not in [event["event"] for event in events]
    assert envelope["result"]["noise"] > 0
