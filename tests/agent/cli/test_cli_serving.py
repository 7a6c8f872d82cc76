"""What a running gateway keeps in memory, and that ``run`` says without the parser what it says with it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from agent.cli.exit_codes import ExitCode
from agent.cli.serving import at_once
from hil.stage import FOREIGN_KEY
from tests.agent.cli.commands import Command, Process

SITE = """
schema = 1
[site]
name = "lean"
[state]
dir = "state"
[[bus]]
name = "b"
port = "tcp://127.0.0.1:{port}"
[[device]]
name = "d"
bus = "b"
unit = 1
profile = "generic/block-10"
every = "1 s"
"""
UPLINK = '[[uplink]]\nurl = "mqtt://127.0.0.1:{port}"\nreceipt_key = "{key}"\n'
NOT_WANTED = (
    "click",
    "rich",
    "tomlkit",
    "pymodbus",
    "serial",
    "urllib.request",
    "email",
    "agent.outputs.hj212_settings",
)
WANTED = ("paho.mqtt.client", "agent.mqtt", "drivers.protocols.modbus", "agent.runtime")


@pytest.fixture
def site(tidegate: Command) -> Path:
    """A site whose device and broker are both a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = tidegate.folder / "site.toml"
    file.write_text(SITE.format(port=port))
    assert tidegate("init").code == 0
    file.write_text(SITE.format(port=port) + UPLINK.format(port=port, key=FOREIGN_KEY))
    return file


def imported(site: Path, process: Process) -> set[str]:
    """Run the gateway until it has said that it runs; give the modules that it loaded."""
    log = site.with_name("run.log")
    words = process.argv("--site", site, "run")
    words[1:1] = ["-X", "importtime"]
    with (
        log.open("wb") as file,
        subprocess.Popen(words, cwd=site.parent, env=process.environ, stdout=file, stderr=file) as child,
    ):
        try:
            deadline = time.monotonic() + 30
            while not {"agent.mqtt", "started"} <= set(re.split(r"[\s|]+", log.read_text())):
                assert child.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        finally:
            child.send_signal(signal.SIGTERM)
    assert child.returncode == 0, log.read_text()
    return {
        line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if line.startswith("import time:")
    }


def test_a_gateway_holds_no_module_that_it_does_not_use(site: Path, process: Process) -> None:
    """Each is 0.2 to 1.6 MiB for as long as it runs."""
    loaded = imported(site, process)
    assert not [name for name in WANTED if name not in loaded], "the test looks at nothing"
    assert not [name for name in NOT_WANTED if name in loaded]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["run", "--json"], ["--site", "--json", "run"], ["--site", "a.toml", "read"], []],
)
def test_other_words_are_for_the_parser(words: list[str]) -> None:
    assert at_once(words) is None


@pytest.mark.parametrize("text", ['[site]\nname = "a"\n[state]\ndir = "state"\n', "[site", '[site]\nnam = "a"\n'])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_is_refused_in_the_same_words_as_by_the_parser(
    text: str, lang: str, tidegate: Command, process: Process
) -> None:
    (tidegate.folder / "site.toml").write_text(text)
    by_parser = tidegate("run", lang=lang)
    at_once_said = process("run", TIDEGATE_LANG=lang)
    assert by_parser.code == ExitCode.CONFIG
    assert (at_once_said.code, at_once_said.out, at_once_said.err) == (by_parser.code, by_parser.out, by_parser.err)


def test_a_second_gateway_on_the_same_state_is_refused(site: Path, process: Process, tidegate: Command) -> None:
    with subprocess.Popen(
        process.argv("--site", site, "run"), cwd=site.parent, env=process.environ, stderr=subprocess.PIPE
    ) as first:
        assert first.stderr is not None
        try:
            assert any(b"started" in line for line in first.stderr)
            second = process("--site", site, "run")
            by_parser = tidegate("--lang", "en", "--site", site, "run")
        finally:
            first.send_signal(signal.SIGTERM)
    assert second.code == by_parser.code != 0
    assert second.err.splitlines()[-2:] == by_parser.err.splitlines()[-2:]
    assert "TG-" in second.err
