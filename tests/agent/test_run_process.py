"""The agent as a process of its own: signals end it in order, and it loads nothing that it does not need."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.configuration.load import load_site
from agent.control.client import ControlClient
from agent.control.protocol import (
    AskStatus,
)
from agent.errors import ControlError
from agent.health import AgentStatus
from drivers.profile_load import builtin_roots
from hil.sim.tcp import TcpFleet
from tests.agent.running_agent import POINTS, site_of, verdict

SITE = """
schema = 1
[site]
name = "test"
[state]
dir = "state"
run_dir = "run"
[[bus]]
name = "b"
port = "tcp://127.0.0.1:{port}"
[[device]]
name = "d"
bus = "b"
unit = 1
profile = "generic/block-98"
every = "100 ms"
"""
PROGRAM = """
import sys
from pathlib import Path
from agent.configuration.load import load_site
from agent.runtime import serve
from drivers.profile_load import builtin_roots
load = lambda: load_site(Path(sys.argv[1]), builtin_roots())
serve(load(), load)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_in_order(tmp_path: Path, fleet: TcpFleet, number: signal.Signals) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(port=fleet.ports[0]), encoding="utf-8")
    site_of(tmp_path, ())
    process, log = await _started(path)
    await _answered(tmp_path, lambda status: status.devices[0].answered >= 5)
    process.send_signal(signal.SIGHUP)
    await _answered(tmp_path, lambda status: status.devices[0].answered >= 8)
    process.send_signal(number)
    assert await process.wait() == 0, log.read_text()
    site = load_site(path, builtin_roots())
    assert verdict(site).chains[0].readings == fleet.counters.reads * POINTS
    assert "reloaded restarted= removed=" in log.read_text()


async def test_a_polling_agent_has_loaded_no_library_that_it_does_not_need(tmp_path: Path, fleet: TcpFleet) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(port=fleet.ports[0]), encoding="utf-8")
    site_of(tmp_path, ())
    tail = "\nimport json\nPath(sys.argv[1]).with_name('modules').write_text(json.dumps(sorted(sys.modules)))\n"
    process, log = await _started(path, PROGRAM + tail)
    await _answered(tmp_path, lambda status: status.devices[0].answered >= 3)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0, log.read_text()
    loaded = {name.partition(".")[0] for name in json.loads((tmp_path / "modules").read_text())}
    assert loaded.isdisjoint({"rich", "tomlkit", "bleak", "pymodbus", "paho", "click", "hil"})


async def _started(path: Path, program: str = PROGRAM) -> tuple[asyncio.subprocess.Process, Path]:
    log = path.with_name("log")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(path), stderr=file, stdout=file, env=dict(os.environ)
        )
    return process, log


async def _answered(folder: Path, true: Callable[[AgentStatus], bool]) -> None:
    def look() -> bool:
        try:
            with ControlClient(folder / "run", timeout_s=5) as client:
                return true(client.ask(AskStatus()))
        except ControlError:
            return False

    async with asyncio.timeout(20):
        while not await asyncio.to_thread(look):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
