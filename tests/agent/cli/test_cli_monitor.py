"""``tidegate monitor`` and commands at the bus beside a real agent, on pseudo-terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from hil.fixtures import need
from hil.ptys import PtyLine
from hil.sim.modbus import crc16
from hil.wire import Line
from tests.agent.cli.commands import Command, Process
from tests.agent.cli.test_cli_scan import line_of

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]

SITE = """schema = 1
[site]
name = "green"
[state]
dir = "state"
[[bus]]
name = "rs485-a"
port = "{port}"
[[device]]
name = "air"
bus = "rs485-a"
unit = 4
profile = "generic/xy-md02"
every = "1 s"
"""


def with_crc(body: str) -> bytes:

    data = bytes.fromhex(body)
    return data + crc16(data)


def lines_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def pair() -> Iterator[tuple[int, str]]:
    ours, theirs = os.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def speak(ours: int, *frames: bytes) -> threading.Thread:
    def work() -> None:
        until = time.monotonic() + 20
        while termios.tcgetattr(ours)[3] & termios.ECHO and time.monotonic() < until:
            time.sleep(0.02)  # whoever opens the port switches echo off
        time.sleep(0.1)
        for frame in frames:
            os.write(ours, frame)
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_foreign_line_is_decoded_paired_and_captured(
    tidegate: Command, pair: tuple[int, str], tmp_path: Path
) -> None:
    ours, port = pair
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    capture = tmp_path / "line.pcap"
    request, reply = with_crc("040400010002"), with_crc("04040400EB0222")
    thread = speak(ours, request, reply, b"\x00\xff", with_crc("090300000001"))
    said = tidegate("monitor", "rs485-a", "--seconds", "2.5", "--pcap", capture, "--json")
    thread.join()
    assert said.code == 0, said.err
    *events, envelope = lines_of(said.out)
    kinds = [kind for kind, _ in groupby(one["event"] for one in events)]
    assert kinds == ["request", "reply", "noise", "request", "no-reply"]
    values = {one["point"]: (one["value"], one["unit"]) for one in events[1]["values"]}
    assert values == {"temperature": ("23.5", "Cel"), "humidity": ("54.6", "%")}
    assert envelope["result"] == {"requests": 2, "replies": 1, "unasked": 0, "silent": 1, "noise": 2, "lost": 0}
    tshark = need("tshark", "tshark")
    user = 'uat:user_dlts:"User 0 (DLT=147)","mbrtu","0","","0",""'
    words = [tshark, "-r", str(capture), "-o", user, "-T", "fields", "-e", "modbus.func_code"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert shown[:2] == ["4", "4"]


METER_SITE = (
    SITE
    + """[[device]]
name = "power"
bus = "rs485-a"
address = "161"
profile = "generic/dlt645-2007-single-phase"
"""
)
VOLTAGE = bytes.fromhex("6861010000000068110433343435"), bytes.fromhex("68610100000000689106333434353856")
"""A published request for the voltage, and a reply of 230.5 V in the standard's form, without sum and end."""


def closed(body: bytes) -> bytes:
    return body + bytes((sum(body) & 0xFF, 0x16))


def test_a_mixed_line_is_told_apart_with_values_of_both_and_captured(
    tidegate: Command, pair: tuple[int, str], tmp_path: Path
) -> None:
    ours, port = pair
    (tmp_path / "site.toml").write_text(METER_SITE.format(port=port))
    capture = tmp_path / "line.pcap"
    asked, told = (closed(one) for one in VOLTAGE)
    reset, ack = bytes.fromhex("1040054516"), b"\xe5"
    thread = speak(
        ours, b"\xfe" * 4 + asked, told, with_crc("040400010002"), with_crc("04040400EB0222"), reset, ack,
    )  # fmt: skip
    said = tidegate("monitor", "rs485-a", "--seconds", "3", "--pcap", capture, "--json")
    thread.join()
    assert said.code == 0, said.err
    *events, envelope = lines_of(said.out)
    assert [(one["event"], one["protocol"], one["address"]) for one in events] == [
        ("request", "dlt645-2007", "000000000161"), ("reply", "dlt645-2007", "000000000161"),
        ("request", "modbus-rtu", "4"), ("reply", "modbus-rtu", "4"),
        ("request", "mbus", "5"), ("reply", "mbus", "5"),
    ]  # fmt: skip
    assert events[1]["values"] == [{"point": "voltage", "value": "230.5", "unit": "V"}]
    assert [one["value"] for one in events[3]["values"]] == ["23.5", "54.6"]
    assert (events[0]["unit"], events[2]["unit"]) == (None, 4)
    assert envelope["result"]["noise"] == 0
    tshark = need("tshark", "tshark")
    shown = subprocess.run([tshark, "-r", str(capture)], capture_output=True, text=True, check=True).stdout
    assert len(shown.splitlines()) == len(events)


def test_one_protocol_alone_can_be_heard_and_a_wrong_name_is_told(
    tidegate: Command, pair: tuple[int, str], tmp_path: Path
) -> None:
    ours, port = pair
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    asked, told = (closed(one) for one in VOLTAGE)
    thread = speak(ours, with_crc("040400010002"), with_crc("04040400EB0222"), asked, told)
    said = tidegate("monitor", "rs485-a", "--seconds", "2", "--protocol", "dlt645-2007")
    thread.join()
    assert "->  dlt645-2007 000000000161  read 02010100" in said.out
    assert "voltage_a = 230.5 V" in said.out
    assert "unit 4" not in said.out
    wrong = tidegate("monitor", "rs485-a", "--protocol", "dlt645")
    assert wrong.code == 2
    assert '--protocol "dlt645" is not known' in wrong.err


def test_people_read_who_said_what(tidegate: Command, pair: tuple[int, str], tmp_path: Path) -> None:
    ours, port = pair
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    thread = speak(
        ours, with_crc("040400010002"), with_crc("04040400EB0222"), with_crc("040400010002"), with_crc("048402")
    )
    said = tidegate("monitor", "rs485-a", "--seconds", "2")
    thread.join()
    assert "->  unit 4  read input 0x0001 +2" in said.out
    assert "temperature = 23.5 Cel" in said.out
    assert "refuses: illegal address" in said.out
    assert "2 requests, 2 replies, 0 without reply, 0 bytes of noise" in said.err


@pytest.fixture
def beside_agent(
    tidegate: Command, process: Process, on_pty: OnPty, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """An agent that polls one device every second."""
    port = on_pty(line_of(("generic/xy-md02", 4), ("generic/xy-md02", 6))).path
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    assert tidegate("init").code == 0
    with (tmp_path / "run.log").open("wb") as log:
        child = subprocess.Popen(process.argv("run"), cwd=tmp_path, env=process.environ, stdout=log, stderr=log)
    deadline = time.monotonic() + 30
    try:
        while not tidegate("status", "--json").envelope["result"]["running"]:
            assert child.poll() is None, (tmp_path / "run.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)


def test_beside_a_running_agent_its_traffic_is_shown_and_a_scan_takes_turns(
    beside_agent: subprocess.Popen[bytes], tidegate: Command, tmp_path: Path
) -> None:
    said = tidegate("monitor", "rs485-a", "--seconds", "2.5", "--baud", "4800", "--json")
    assert said.code == 0, said.err
    assert "--baud, --parity and --find-speed are not used" in said.err
    *events, envelope = lines_of(said.out)
    assert envelope["result"]["replies"] >= 2
    assert envelope["result"]["noise"] == 0
    assert {one["unit"] for one in events} == {4}

    words = ("scan", "rs485-a", "--unit", "6", "--baud", "9600", "--listen", "0", "--state", tmp_path / "s.json")
    refused = tidegate(*words)
    assert refused.code == 75
    assert "Bus rs485-a is in production: 1 devices are polled" in refused.err
    scanned = tidegate(*words, "--yes", "--json")
    assert [one["address"] for one in scanned.envelope["result"]["found"]] == [6]

    added = tidegate("add", "rs485-a", "--unit", "6", "--profile", "generic/xy-md02", "--name", "second", "--yes")
    assert added.code == 0, added.err
    assert "The agent polls it now." in added.out
    read = tidegate("read", "rs485-a/second", "--json").envelope["result"]
    assert (read["via"], read["devices"][0]["error"]) == ("agent", None)
    assert beside_agent.poll() is None
