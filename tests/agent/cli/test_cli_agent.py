"""run, status, read, collect: a real agent as a process, on simulated devices over Modbus TCP."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.keys import key_line
from tests.agent.block.chains import Gateway
from tests.agent.cli.commands import ROOT, Command, Process, Said

SITE = """\
[site]
name = "hall"
[state]
dir = "state"
[block]
max_age = "500 ms"
[[bus]]
name = "one"
port = "tcp://127.0.0.1:{port}"
[[bus]]
name = "gone"
port = "tcp://127.0.0.1:1"
[[device]]
name = "meter"
bus = "one"
unit = 1
profile = "generic/block-98"
every = "500 ms"
[[device]]
name = "lost"
bus = "gone"
unit = 1
profile = "generic/xy-md02"
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    words = [sys.executable, "-P", "-m", "hil.sim", "tcp", "--devices", "1", "--seed", "1"]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    yield json.loads(child.stdout.readline())["ports"][0]
    child.terminate()
    child.wait(timeout=30)
    child.stdout.close()


@pytest.fixture
def folder(tmp_path: Path, port: int, tidegate: Command) -> Path:
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    assert tidegate("init").code == 0
    return tmp_path


@pytest.fixture
def agent(folder: Path, process: Process, tidegate: Command) -> Iterator[subprocess.Popen[bytes]]:
    """A running agent that has sealed readings."""
    with (folder / "run.log").open("wb") as log:
        child = subprocess.Popen(process.argv("run"), cwd=folder, env=process.environ, stdout=log, stderr=log)
    deadline = time.monotonic() + 30
    while True:
        said = tidegate("status", "--json")
        if said.envelope["result"]["running"] and said.envelope["result"]["outbox"]["sealed_readings"]:
            break
        assert child.poll() is None, (folder / "run.log").read_text()
        assert time.monotonic() < deadline, said.out
        time.sleep(0.1)
    yield child
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    child.wait(timeout=30)


def result(said: Said) -> Any:
    return said.envelope["result"]


def test_a_day_of_a_gateway_in_small(
    agent: subprocess.Popen[bytes], folder: Path, tidegate: Command, process: Process
) -> None:
    status_is_told(tidegate)
    reading_goes_through_the_agent(tidegate)
    assert tidegate("verify").code == 0  # beside the running agent
    assert tidegate("export", "now.cbseq").code == 0
    again = process("run")
    assert again.code in (74, 75, 69), again.err
    assert "Traceback" not in again.err

    agent.send_signal(signal.SIGTERM)
    assert agent.wait(timeout=30) == 0, (folder / "run.log").read_text()
    assert "Traceback" not in (folder / "run.log").read_text()
    disk_is_looked_at(tidegate)
    reading_goes_through_the_port(tidegate)
    platform_takes_it_in(tidegate, folder)


def status_is_told(tidegate: Command) -> None:
    said = tidegate("status")
    assert said.code == 1  # a bus is down, and that needs a person
    assert "hall   running " in said.out
    assert "uplink  none: the blocks are kept here" in said.out
    assert "TG-1204" in said.err
    found = result(tidegate("status", "--json"))
    assert found["running"] is True
    assert {bus["name"]: bus["phase"] for bus in found["buses"]} == {"one": "up", "gone": "down"}
    assert found["outbox"]["pending_blocks"] == 0
    chinese = tidegate("status", lang="zh")
    assert "hall   已运行 " in chinese.out
    assert "上行    无：数据块保留在本机" in chinese.out


def reading_goes_through_the_agent(tidegate: Command) -> None:
    said = tidegate("read", "one/meter", "--json")
    assert said.code == 0
    assert result(said)["via"] == "agent"
    (device,) = result(said)["devices"]
    assert len(device["points"]) == 98
    assert all(isinstance(point["value"], str) for point in device["points"])
    assert tidegate("read").code == 1  # one of two buses is gone


def reading_goes_through_the_port(tidegate: Command) -> None:
    said = tidegate("read", "meter", "--json")
    assert said.code == 0
    assert result(said)["via"] == "port"
    assert len(result(said)["devices"][0]["points"]) == 98
    some = result(tidegate("read", "one/meter/*1", "--json"))["devices"][0]["points"]
    assert 0 < len(some) < 98
    lost = tidegate("read", "gone")
    assert lost.code == 74
    assert "gone/lost: error: The port or connection is gone" in lost.err
    nothing = tidegate("read", "cellar")
    assert nothing.code == 2
    assert "known: one/meter, gone/lost" in nothing.err


def disk_is_looked_at(tidegate: Command) -> None:
    said = tidegate("status")
    assert said.code == 1
    assert "0 blocks without receipt" in said.out
    assert "TG-7902" in said.err
    found = result(tidegate("status", "--json"))
    assert found["running"] is False
    assert found["outbox"]["readings"] >= 98


def platform_takes_it_in(tidegate: Command, folder: Path) -> None:
    (folder / "trust.txt").write_text(result(tidegate("init", "--json"))["trust_line"] + "\n")
    assert tidegate("export", "all.cbseq").code == 0
    taken = tidegate("collect", "--db", "city.db", "--trust", "trust.txt", "--input", "all.cbseq", "--json")
    assert taken.code == 0
    assert result(taken)["verdicts"] == {"chained": result(taken)["messages"]}
    assert tidegate("verify", "city.db", "--trust", "trust.txt").code == 0
    again = tidegate("collect", "--db", "city.db", "--trust", "trust.txt", "--input", "all.cbseq")
    assert again.code == 0
    assert "0 blocks chained" in again.out


def test_without_keys_it_does_not_run(tidegate: Command) -> None:
    (tidegate.folder / "site.toml").write_text('[site]\nname = "a"\n[state]\ndir = "state"\n')
    said = tidegate("run")
    assert said.code == 78
    assert "TG-5203" in said.err
    assert "tidegate init" in said.err


def test_a_wrong_site_file_is_shown_where_it_is_wrong(tidegate: Command) -> None:
    text = '[site]\nname = "a"\n[[bus]]\nname = "b"\nport = "/dev/x"\nparity = "eve"\n'
    (tidegate.folder / "site.toml").write_text(text)
    said = tidegate("run")
    assert said.code == 78
    assert said.err == (
        'site.toml:6:10: error: parity "eve" is not known.   TG-7802\n'
        '    6 | parity = "eve"\n'
        '      |          ^^^^^  did you mean "even"?\n'
        "   One of: none, even, odd.\n"
    )
    chinese = tidegate("run", lang="zh")
    assert chinese.err.startswith("site.toml:6:10: 错误: 未知的 parity：“eve”。   TG-7802\n")
    assert "是不是“even”？" in chinese.err
    envelope = tidegate("run", "--json").envelope
    (finding,) = envelope["findings"]
    assert (envelope["schema"], finding["code"], finding["where"]) == (
        "tidegate.run/1",
        "unknown-value",
        "site.toml:6:10",
    )
    assert finding["params"] == {"key": "parity", "value": "eve", "known": "none, even, odd"}
    assert set(finding["text"]) == set(finding["act"]) == {"en", "zh"}


def test_collect_needs_something_to_collect_from(tidegate: Command) -> None:
    said = tidegate("collect", "--db", "city.db", "--trust", "trust.txt")
    assert said.code == 2
    assert "--broker" in said.err
    assert tidegate("collect").code == 2


def test_collect_names_a_gateway_that_was_forgotten_in_the_trust_file_once(tidegate: Command) -> None:
    forgotten, known = Gateway("forgotten"), Gateway("known")
    for _ in range(300):
        forgotten.seal(1)
    (tidegate.folder / "trust.txt").write_text(key_line(known.identity.spki, "known") + "\n")
    (tidegate.folder / "all.cbseq").write_bytes(b"".join([*forgotten.messages, known.seal(1).message]))
    said = tidegate("collect", "--db", "city.db", "--trust", "trust.txt", "--input", "all.cbseq")
    assert said.err.count(f"Gateway {forgotten.identity.kid.hex()} is not in the trust file") == 1
    assert known.identity.kid.hex() not in said.err


def test_collect_tells_its_receipt_key_alone_on_a_line(process: Process) -> None:
    made = process("--site", "site.toml", "init", "--name", "a", "--state-dir", "state", "--json")
    (process.folder / "trust.txt").write_text(result(made)["trust_line"] + "\n")
    words = process.argv("collect", "--db", "city.db", "--trust", "trust.txt", "--broker", "mqtt://127.0.0.1:1")
    child = subprocess.Popen(
        words, cwd=process.folder, env=process.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [child.stdout.readline().decode() for _ in range(2)]
    assert lines[1].startswith("ed25519 ")
    assert child.stderr is not None
    assert b"127.0.0.1 refuses connections to port 1.   TG-4103" in child.stderr.readline()
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert b"Traceback" not in err
