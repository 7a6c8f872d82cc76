"""``python -m hil.sim`` as others start it: ready line, description, commands, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from hil.sim.control import UnknownCommandError, ask
from hil.sim.images import IMAGES
from hil.sim.modbus import crc16, frame

pytestmark = pytest.mark.bus


class Process:
    """A simulator that has said it is ready."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "hil.sim", *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self.popen.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.popen.stdout.readline())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        status = self.popen.wait(10)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return status


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Process]:
    process = Process("site", "--dir", str(tmp_path), "--seed", "7")
    yield process
    if process.popen.poll() is None:
        process.stop()


def exchange(port: str, unit: int, pdu: str, count: int, timeout_s: float = 1.0, baud: int = 9600) -> bytes:
    with serial.Serial(port, baud, timeout=timeout_s) as line:
        line.write(frame(unit, bytes.fromhex(pdu)))
        return bytes(line.read(count))


def test_the_site_describes_itself(site: Process) -> None:
    description = json.loads(Path(site.ready["site"]).read_text())
    assert site.ready["seed"] == description["seed"] == 7
    assert Path(description["port"]).is_symlink()
    devices = description["devices"]
    assert len({one["name"] for one in devices}) == len(devices) >= 17
    modbus = [one for one in devices if one["unit"]]
    assert len({one["unit"] for one in modbus}) == len(modbus)
    assert len({one["profile"] for one in devices}) >= 10
    assert {one["profile"] for one in devices if one["address"]} == {
        "generic/dlt645-2007-three-phase", "generic/cjt188-water", "generic/mbus-heat", "generic/iec62056-readout",
    }  # fmt: skip
    assert [one["behaviour"] for one in devices].count("dead") == 1
    assert [one["behaviour"] for one in devices].count("flaky") == 1
    for one in modbus:
        names = [value["quantity"] for value in one["values"]]
        assert names == [held.name for held in IMAGES[one["profile"]]("x").held]


def test_every_living_device_answers_and_the_dead_one_does_not_until_revived(site: Process) -> None:
    description = json.loads(Path(site.ready["site"]).read_text())
    ports = {line["name"]: line["port"] for line in description["lines"]}
    assert len(ports) == 5
    for one in description["devices"]:
        if one["address"]:
            continue
        value, port, baud = one["values"][0], ports[one["line"]], one["settings"]["baud"]
        pdu = struct.pack(">BHH", value["table"], value["address"], 2).hex()
        if one["behaviour"] == "flaky":
            continue
        heard = exchange(port, one["unit"], pdu, 9, 0.4, baud)
        if one["behaviour"] == "dead":
            assert heard == b""
            ask(Path(site.ready["control"]), "revive", unit=one["unit"])
            heard = exchange(port, one["unit"], pdu, 9, baud=baud)
        assert heard[0] == one["unit"]
        assert crc16(heard[:-2]) == heard[-2:]
        ask(Path(site.ready["control"]), "kill", unit=one["unit"])
        assert exchange(port, one["unit"], pdu, 9, 0.2, baud) == b""


def test_the_second_line_carries_two_speeds_and_each_device_hears_its_own_only(site: Process) -> None:
    description = json.loads(Path(site.ready["site"]).read_text())
    port = description["lines"][1]["port"]
    second = [one for one in description["devices"] if one["line"] == description["lines"][1]["name"]]
    assert {one["settings"]["baud"] for one in second} == {19200, 4800}
    for one in second:
        value = one["values"][0]
        pdu = struct.pack(">BHH", value["table"], value["address"], 2).hex()
        other = 4800 + 19200 - one["settings"]["baud"]
        assert exchange(port, one["unit"], pdu, 9, 0.2, other) == b""


def test_the_mixed_line_carries_two_protocols_and_a_meter_is_told_to_be_dead_by_its_name(site: Process) -> None:
    description = json.loads(Path(site.ready["site"]).read_text())
    line = next(one for one in description["lines"] if one["name"] == "rs485-c")
    control = Path(site.ready["control"])
    request = bytes.fromhex("FEFEFEFE 68 660010230000 68 11 04 33333433")  # 00010000, energy
    request += bytes([sum(request[4:]) % 256, 0x16])
    with serial.Serial(line["port"], 2400, parity="E", timeout=1) as port:
        port.write(request)
        heard = port.read(24)
        assert heard[4:5] + heard[12:13] == b"\x68\x91"
        ask(control, "kill", device="grid-meter")
        port.write(request)
        assert port.read(24) == b""
    with serial.Serial(line["port"], 9600, timeout=1) as port:
        port.write(frame(32, bytes.fromhex("0400010002")))
        assert port.read(9)[:2] == b"\x20\x04"
    values = ask(control, "values", device="grid-meter")["values"]["grid-meter"]
    assert float(values["energy.active.import"]) > 4999
    assert ask(control, "counters")["heard"]["grid-meter"] == 1
    with pytest.raises(UnknownCommandError):
        ask(control, "kill", device="nobody")


def test_a_line_of_equal_devices_for_benches(tmp_path: Path) -> None:
    line = Process("line", "--dir", str(tmp_path), "--units", "3", "--registers", "5", "--seed", "1")
    assert len(exchange(line.ready["port"], 3, "0300000005", 15)) == 15
    assert line.stop() == 0


def test_the_journal_and_the_counters_tell_every_exchange(site: Process) -> None:
    heard = exchange(site.ready["port"], 3, "0400000001", 7)
    time.sleep(0.1)
    description = json.loads(Path(site.ready["site"]).read_text())
    (row,) = [json.loads(text) for text in Path(description["journal"]).read_text().splitlines()]
    assert row["unit"] == 3
    assert bytes.fromhex(row["reply"]) == heard
    assert row["held"] == {"voltage": f"{int.from_bytes(heard[3:5], 'big') / 10:.1f}"}
    assert row["reply_end_ns"] > row["reply_start_ns"] > row["end_ns"] > row["start_ns"]
    counters = ask(Path(site.ready["control"]), "counters")
    assert counters["line"]["requests"] == counters["line"]["answered"] == 1
    assert counters["line"]["inside_silence"] == 0
    assert counters["heard"]["3"] == 1
    then = ask(Path(site.ready["control"]), "values", unit=3, mono_ns=row["end_ns"])
    assert set(then["values"]) == {"3"}


def test_faults_are_set_and_seen(site: Process) -> None:
    control = Path(site.ready["control"])
    ask(control, "faults", rates={"drop": 1.0})
    assert exchange(site.ready["port"], 3, "0400000001", 7, 0.2) == b""
    ask(control, "faults", rates={})
    assert len(exchange(site.ready["port"], 3, "0400000001", 7)) == 7
    assert ask(control, "counters")["faults"] == {"drop": 1}
    with pytest.raises(UnknownCommandError, match="known"):
        ask(control, "explode")
    with pytest.raises(UnknownCommandError):
        ask(control, "faults", rates={"explode": 1})


def test_unplugging_takes_the_port_away_and_replugging_brings_it_back(site: Process) -> None:
    second = json.loads(Path(site.ready["site"]).read_text())["lines"][1]
    ask(Path(site.ready["control"]), "unplug", line=second["name"])
    assert not os.path.lexists(second["port"])
    assert os.path.lexists(site.ready["port"])
    ask(Path(site.ready["control"]), "unplug")
    assert not os.path.lexists(site.ready["port"])
    ask(Path(site.ready["control"]), "replug")
    assert len(exchange(site.ready["port"], 3, "0400000001", 7)) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_and_leaves_no_port(site: Process, number: signal.Signals) -> None:
    assert site.stop(number) == 0
    assert not os.path.lexists(site.ready["port"])
    assert not os.path.lexists(site.ready["control"])


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"words = ['-m', 'hil.sim', 'site', '--dir', {str(tmp_path)!r}, '--seed', '1']\n"
        "p = subprocess.Popen([sys.executable, *words])\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert json.loads(parent.stdout.readline())["ready"]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while os.path.lexists(tmp_path / "rs485-a") or Path(f"/proc/{pid}/cmdline").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_tcp_devices_on_one_port_are_told_apart_by_unit_id() -> None:
    process = Process("tcp", "--devices", "2", "--one-port", "--seed", "3", "--still")
    (port,) = process.ready["ports"]
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(5)
        replies = []
        for unit in (1, 2, 1):
            request = struct.pack(">HHHBBHH", unit, 0, 6, unit, 3, 4, 96)
            sock.sendall(request[:5])
            sock.sendall(request[5:])
            reply = b""
            while len(reply) < 9 + 192:
                reply += sock.recv(4096)
            assert reply[6] == unit
            replies.append(reply[9:])
        assert replies[0] == replies[2] != replies[1]
        sock.sendall(struct.pack(">HHHBBHH", 9, 1, 6, 1, 3, 0, 1))
        assert sock.recv(100) == b""  # a wrong protocol identifier ends the connection
    assert ask(Path(process.ready["control"]), "counters")["reads"] == 3
    assert process.stop() == 0
    assert not Path(process.ready["control"]).parent.exists()
