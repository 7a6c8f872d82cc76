"""``tidegate scan`` and ``tidegate ports`` as a person runs them, on pseudo-terminals, which know no parity."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.profile import LineSettings
from drivers.transport.serial import open_serial
from hil.characters import Characters
from hil.ptys import PtyLine
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.wire import Line
from tests.agent.cli.commands import Command, Process

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]


def line_of(*placed: tuple[str, int], baud: int = 9600, echo: bool = False) -> Line:
    settings = Characters(baud=baud)
    devices = [RtuDevice(unit, IMAGES[model](model), settings=settings) for model, unit in placed]
    return Line(devices, settings=settings, step=16, echo=echo)


def site_of(folder: Path, port: Path, device: str = "") -> None:
    text = f'schema = 1\n[site]\nname = "s"\n[state]\ndir = "state"\n[[bus]]\nname = "rs485-a"\nport = "{port}"\n'
    (folder / "site.toml").write_text(text + device)


def test_what_stands_on_a_line_is_found_and_proposed_with_evidence(
    tidegate: Command, on_pty: OnPty, tmp_path: Path
) -> None:
    port = on_pty(line_of(("generic/xy-md02", 1), ("eastron/sdm120", 7))).path
    state = tmp_path / "scan.json"
    words = ("scan", port, "--unit", "1:8", "--baud", "9600", "--listen", "0.1", "--state", state)
    said = tidegate(*words, "--json")
    assert said.code == 0, said.err
    found = said.envelope["result"]["found"]
    assert [(one["address"], one["baud"], one["parity"]) for one in found] == [(1, 9600, "none"), (7, 9600, "none")]
    assert found[0]["proposals"][0]["profile"] == "generic/xy-md02"
    assert {value["point"] for value in found[0]["proposals"][0]["values"]} == {"temperature", "humidity"}
    assert "eastron/sdm120" in [one["profile"] for one in found[1]["proposals"]]
    assert said.envelope["result"]["finished"] is True
    assert state.is_file()
    resumed = tidegate(*words, "--resume", "--json").envelope["result"]
    assert resumed["found"] == found
    assert resumed["took_s"] < 1  # nothing is asked twice
    again = tidegate(*words, "--resume")
    assert "9600 8N1" in again.out
    assert "generic/xy-md02" in again.out
    chinese = tidegate(*words, "--resume", lang="zh")
    assert "地址" in chinese.out


def test_a_scan_that_was_ended_early_goes_on(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    line = line_of(("generic/xy-md02", 3), ("generic/xy-md02", 6))
    words = (
        "scan",
        on_pty(line).path,
        "--unit",
        "3,6",
        "--baud",
        "9600",
        "--listen",
        "0",
        "--state",
        tmp_path / "s.json",
    )
    first = tidegate(*words, "--stop-after", "1", "--json").envelope["result"]
    assert [one["address"] for one in first["found"]] == [3]
    assert first["finished"] is False
    second = tidegate(*words, "--resume", "--json").envelope["result"]
    assert [one["address"] for one in second["found"]] == [3, 6]
    assert second["probes"] > first["probes"]


def test_ctrl_c_keeps_what_was_found(process: Process, on_pty: OnPty, tmp_path: Path) -> None:
    port, state = on_pty(line_of(("generic/xy-md02", 1))).path, tmp_path / "s.json"
    words = process.argv("scan", port, "--listen", "0", "--state", state, "--json")
    child = subprocess.Popen(words, cwd=tmp_path, env=process.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 40
    while not (state.exists() and json.loads(state.read_text())["sightings"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130, err.decode()
    envelope = json.loads(out)
    assert [one["address"] for one in envelope["result"]["found"]] == [1]
    assert envelope["result"]["finished"] is False
    assert b"--resume" in err


def test_a_port_that_is_pulled_keeps_what_was_found_and_says_how_to_go_on(
    process: Process, on_pty: OnPty, tmp_path: Path
) -> None:
    pty, state = on_pty(line_of(("generic/xy-md02", 1))), tmp_path / "s.json"
    words = process.argv("scan", pty.path, "--listen", "0", "--state", state, "--json")
    child = subprocess.Popen(words, cwd=tmp_path, env=process.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 40
    while not (state.exists() and json.loads(state.read_text())["sightings"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    pty.unplug()
    out, err = child.communicate(timeout=30)
    assert child.returncode == 74, err.decode()
    envelope = json.loads(out)
    assert [one["address"] for one in envelope["result"]["found"]] == [1]
    assert [one["code"] for one in envelope["findings"]] == ["link-down"]
    assert f"tidegate scan {pty.path} --resume" in err.decode()


def test_a_record_that_cannot_be_kept_is_said(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("--unit", "2", "--baud", "9600", "--listen", "0", "--state", tmp_path / "file" / "s.json", "--json")
    said = tidegate("scan", on_pty(line_of(("generic/xy-md02", 2))).path, *words)
    assert said.code == 0
    assert [(one["code"], one["severity"]) for one in said.envelope["findings"]] == [("file-failed", "warning")]


def test_a_user_without_a_home_gets_a_record_where_the_command_runs(
    tidegate: Command, on_pty: OnPty, tmp_path: Path
) -> None:
    words = ("--unit", "2", "--baud", "9600", "--listen", "0")
    said = tidegate("scan", on_pty(line_of()).path, *words, HOME="")
    assert said.code == 1
    assert list((tmp_path / ".local" / "state" / "tidegate").glob("scan-*.json"))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"schema": 9}', b'{"schema": 1, "done": {}}'])
def test_a_record_that_cannot_be_read_is_said_and_the_scan_begins_anew(
    tidegate: Command, on_pty: OnPty, tmp_path: Path, content: bytes
) -> None:
    state = tmp_path / "s.json"
    state.write_bytes(content)
    words = ("--unit", "2", "--baud", "9600", "--listen", "0", "--state", state, "--resume")
    said = tidegate("scan", on_pty(line_of()).path, *words)
    assert said.code == 1
    assert "cannot be read; the scan begins anew" in said.err


def test_a_silent_line_is_told_from_one_with_echo(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    rest = ("--unit", "1:3", "--baud", "9600", "--listen", "0", "--state", tmp_path / "s.json", "--json")
    silent = tidegate("scan", on_pty(line_of()).path, *rest)
    assert (silent.code, [one["code"] for one in silent.envelope["findings"]]) == (1, ["scan-nobody"])
    echo = tidegate("scan", on_pty(line_of(("generic/xy-md02", 2), echo=True)).path, *rest)
    assert echo.code == 0
    assert "echo-heard" in [one["code"] for one in echo.envelope["findings"]]


def test_a_line_on_which_another_talks_is_left_alone(tidegate: Command) -> None:
    ours, theirs = os.openpty()
    timer = threading.Timer(0.6, os.write, (ours, bytes.fromhex("010300000001840A")))
    timer.start()
    try:
        said = tidegate("scan", os.ttyname(theirs), "--unit", "1", "--listen", "1.5", "--json")
    finally:
        timer.join()
        os.close(ours)
        os.close(theirs)
    assert (said.code, said.envelope["findings"][0]["code"]) == (75, "line-not-silent")
    assert said.envelope["result"] is None


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("scan", "nowhere"), 2, '"nowhere" is neither a bus of the site nor a port.'),
        (("scan", "{port}", "--unit", "300"), 2, "Address 300 is out of range."),
        (("scan", "tcp://127.0.0.1:502"), 2, "tcp://127.0.0.1:502 is no serial line."),
        (("scan", "{file}", "--listen", "0"), 74, "and to no port: {file}: this is no serial port.   TG-1214"),
        (("monitor", "{folder}", "--seconds", "0.1"), 74, "this is no serial port.   TG-1214"),
        (("raw", "/dev/null", "01", "--yes"), 74, "/dev/null: this is no serial port.   TG-1214"),
        (("scan", "foo://127.0.0.1:502"), 2, '"foo://127.0.0.1:502" is neither a bus of the site nor a port.'),
        (
            ("raw", "rfc2217://127.0.0.1", "01", "--yes"),
            2,
            '"rfc2217://127.0.0.1" is neither a bus of the site nor a port.',
        ),
        (("raw", "{port}", "", "--yes"), 2, "This is not hexadecimal: no byte at all."),
    ],
)
def test_what_a_person_can_get_wrong_is_one_sentence(
    tidegate: Command, on_pty: OnPty, tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    file = tmp_path / "a-file"
    file.write_text("")
    port = on_pty(line_of()).path
    said = tidegate(*(word.format(port=port, file=file, folder=tmp_path) for word in words))
    assert said.code == code
    assert sentence.format(file=file) in said.err
    assert "Traceback" not in said.err


async def test_a_port_that_another_program_holds_is_busy(tidegate: Command, on_pty: OnPty) -> None:
    port = on_pty(line_of()).path
    held = await open_serial(str(port), LineSettings())
    try:
        for words in (
            ("scan", port, "--listen", "0"),
            ("monitor", port, "--seconds", "1"),
            ("raw", port, "01", "--yes"),
        ):
            said = await asyncio.to_thread(tidegate, *words)
            assert said.code == 75, said.err
            assert "Another program holds the port" in said.err
    finally:
        await held.aclose()


def test_bytes_are_sent_as_they_are_typed_and_what_comes_is_shown(tidegate: Command, on_pty: OnPty) -> None:
    line = line_of(("generic/xy-md02", 4))
    port = on_pty(line).path
    asked = tidegate("raw", port, "04 04 00 01 00 02", "--crc", stdin=b"n\n")
    assert asked.code == 1
    nobody = tidegate("raw", port, "04 04 00 01 00 02", "--crc", stdin=b"")
    assert (nobody.code, "nobody said yes" in nobody.err) == (1, True)
    assert line.counters.requests == 0
    said = tidegate("raw", port, "04", "04", "00", "01", "00", "02", "--crc", "--yes", "--json")
    assert said.code == 0
    assert said.envelope["result"]["sent"] == "0404000100022" + "05e"
    assert said.envelope["result"]["received"].startswith("040404")
    silent = tidegate("raw", port, "09 04 00 01 00 02", "--crc", "--wait", "0.2", "--yes")
    assert (silent.code, silent.out) == (69, "")
    assert tidegate("raw", port, "0x0g", "--yes").code == 2
    bare = tidegate("raw", port, "09 04 00 01 00 02", "--wait", "0.2", "--yes")
    assert "--crc adds it" in bare.err
    assert "--crc adds it" not in silent.err
    assert "--crc 会加上" in tidegate("raw", port, "09 04 00 01 00 02", stdin=b"n\n", lang="zh").err
    assert "--crc" not in tidegate("raw", port, "68AAAAAAAAAAAA681300DF16", stdin=b"n\n").err


def test_ports_name_the_bus_and_say_what_the_site_misses(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    port = on_pty(line_of()).path
    site_of(tmp_path, port, '[[bus]]\nname = "rs485-b"\nport = "/dev/serial/by-id/nothing"\n')
    said = tidegate("ports", "--json")
    assert said.code == 0
    mine = next(one for one in said.envelope["result"]["ports"] if one["path"] == str(port))
    assert mine["bus"] == "rs485-a"
    missing = next(one for one in said.envelope["findings"] if one["code"] == "port-missing")
    assert missing["params"] == {"bus": "rs485-b", "port": "/dev/serial/by-id/nothing"}
    assert "rs485-a" in tidegate("ports").out
