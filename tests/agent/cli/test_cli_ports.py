"""``tidegate ports``: what is plugged in, what a bus wants and does not get, and what comes and goes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.process import wait_until
from hil.ptys import PtyLine
from hil.wire import Line
from tests.agent.cli.commands import Command, Process
from tests.agent.cli.test_cli_scan import line_of

OnPty = Callable[[Line], PtyLine]

SITE = """schema = 1
[site]
name = "green"
[state]
dir = "state"
[[bus]]
name = "rs485-a"
port = "{port}"
{keys}
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Path]:
    """A port with a stable name."""
    ours, theirs = os.openpty()
    link = tmp_path / "usb-adapter"
    link.symlink_to(os.ttyname(theirs))
    yield link
    os.close(ours)
    os.close(theirs)


def site(folder: Path, port: Path, keys: str = "") -> None:
    (folder / "site.toml").write_text(SITE.format(port=port, keys=keys), encoding="utf-8")


def test_the_port_of_a_bus_is_listed_with_its_name_and_who_holds_it(
    tidegate: Command, port: Path, tmp_path: Path
) -> None:
    site(tmp_path, port)
    found = tidegate("ports", "--json")
    assert found.code == 0
    (own,) = [one for one in found.envelope["result"]["ports"] if one["bus"] == "rs485-a"]
    assert own["path"] == str(port)
    assert own["latency_ms"] is None
    assert os.getpid() in [holder["pid"] for holder in own["holders"]]
    said = tidegate("ports").out
    assert f"rs485-a  {port}" in said


def test_a_bus_whose_port_is_not_there_is_a_finding(tidegate: Command, tmp_path: Path) -> None:
    site(tmp_path, tmp_path / "gone")
    assert "Bus rs485-a wants" in tidegate("ports").err
    assert "port-missing" in [finding["code"] for finding in tidegate("ports", "--json").envelope["findings"]]


def test_a_port_that_was_named_and_is_not_there_is_a_finding(tidegate: Command, port: Path) -> None:
    said = tidegate("ports", port, "/dev/no-such-port")
    assert said.code == 2
    assert '"/dev/no-such-port" is neither a bus of the site nor a port.' in said.err
    assert str(port) in said.out
    assert tidegate("ports", port).code == 0


def test_a_latency_that_has_no_timer_is_a_finding(tidegate: Command, port: Path, tmp_path: Path) -> None:
    site(tmp_path, port, "latency_ms = 1")
    codes = [finding["code"] for finding in tidegate("ports", "--json").envelope["findings"]]
    assert "latency-refused" in codes
    assert f"The latency of the adapter cannot be set: {port}" in tidegate("ports").err
    site(tmp_path, port)
    assert "latency-refused" not in tidegate("ports", "--json").out


@pytest.mark.technician
def test_a_port_that_the_agent_polls_is_no_trouble(
    tidegate: Command, process: Process, on_pty: OnPty, tmp_path: Path
) -> None:
    port = on_pty(line_of(("generic/xy-md02", 4))).path
    site(tmp_path, port)
    with (tmp_path / "site.toml").open("a", encoding="utf-8") as file:
        file.write('[[device]]\nname = "air"\nbus = "rs485-a"\nunit = 4\nprofile = "generic/xy-md02"\n')
    assert tidegate("init").code == 0
    with (tmp_path / "run.log").open("wb") as log:
        child = subprocess.Popen(process.argv("run"), cwd=tmp_path, env=process.environ, stdout=log, stderr=log)
    try:
        polled = f"polled by the agent ({child.pid}), which lends it"
        assert wait_until(lambda: polled in tidegate("ports").out, 20, 0.2), (tmp_path / "run.log").read_text()
        assert "TG-1207" not in tidegate("ports").err
        assert f"由网关程序轮询（{child.pid}）" in tidegate("ports", lang="zh").out
        other = os.open(port, os.O_RDWR | os.O_NOCTTY)  # somebody beside the agent is trouble as before
        try:
            assert "TG-1207" in tidegate("ports").err
        finally:
            os.close(other)
    finally:
        child.terminate()
        child.wait(20)


@pytest.mark.technician
def test_watch_says_what_is_pulled_and_plugged_in_until_ctrl_c(process: Process, port: Path, tmp_path: Path) -> None:
    site(tmp_path, port)
    said, environ = tmp_path / "said.txt", {**process.environ, "PYTHONUNBUFFERED": "1"}
    with said.open("wb") as out:
        child = subprocess.Popen(process.argv("ports", "--watch"), cwd=tmp_path, env=environ, stdout=out, stderr=out)
    try:
        assert wait_until(lambda: "rs485-a" in said.read_text(), 20)
        target = port.readlink()
        port.unlink()
        assert wait_until(lambda: f"\npulled: {port}\n" in said.read_text(), 20)
        port.symlink_to(target)
        assert wait_until(lambda: f"\nplugged in: {port}" in said.read_text(), 20)
        child.send_signal(signal.SIGINT)
        child.wait(20)
    finally:
        child.kill()
        child.wait()
    assert "Traceback" not in said.read_text()
    assert child.returncode == 130


def test_what_an_adapter_does_not_do_is_a_sentence_for_whoever_opens_it(
    process: Process, port: Path, tmp_path: Path
) -> None:
    device = '[[device]]\nname = "air"\nbus = "rs485-a"\nunit = 4\nprofile = "generic/xy-md02"'
    site(tmp_path, port, f"latency_ms = 4\n{device}")
    for words in (
        ("read",),
        ("monitor", "rs485-a", "--seconds", "0.1"),
        ("raw", "rs485-a", "01", "--wait", "0.1", "--yes"),
    ):
        said = process(*words)
        assert "warning: The latency of the adapter cannot be set" in said.err
        assert "latency-refused" not in said.err
