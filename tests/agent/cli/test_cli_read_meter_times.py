"""``tidegate read`` shows what a meter says of the time of its values, with and without an agent."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli.output import Output
from agent.cli.read import show_devices
from agent.control.protocol import DeviceValues, PointValue
from drivers.batch import DeviceTimeFlag
from hil.ptys import PtyLine, now_ns
from hil.sim.cjt188 import Cjt188Meter, water
from hil.sim.wall import showing
from hil.wire import Line
from tests.agent.cli.commands import Command, Process
from tests.agent.cli.test_cli_device_set import FAST, WATER

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]
SITE = """schema = 1
[site]
name = "hall"
timezone = "+08:00"
[state]
dir = "state"
[[bus]]
name = "rs485-a"
port = "{port}"
baud = 9600
parity = "even"
[[device]]
name = "garden-water"
bus = "rs485-a"
address = "78331505104145"
profile = "generic/cjt188-water"
"""
SHOWN = datetime(2025, 11, 23, 18, 30, 0)  # noqa: DTZ001 - a wall clock names no zone
MEANT = datetime(2025, 11, 23, 10, 30, 0, tzinfo=UTC)


def written(on_pty: OnPty, folder: Path) -> None:
    wall = showing(SHOWN, now_ns())
    meter = Cjt188Meter(WATER, 0x10, water("w"), settings=FAST, turnaround_ns=20_000_000, wall=wall)
    port = on_pty(Line([meter], settings=FAST)).path
    (folder / "site.toml").write_text(SITE.format(port=port))


def row(text: str, point: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[1:2] == [point])


def test_a_meters_time_stands_beside_its_values(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    written(on_pty, tmp_path)
    ended = tidegate("read")
    assert ended.out.splitlines()[0].endswith("DEVICE TIME")
    assert row(ended.out, "volume")[-3:-1] == ["good", "2025-11-23"]
    assert row(ended.out, "volume")[-1].startswith("18:30:")
    assert row(ended.out, "volume")[-1].endswith("+08:00")
    assert row(ended.out, "valve")[-1] == "good"  # it says no time of that
    assert tidegate("read", lang="zh").out.splitlines()[0].endswith("设备时间")


def test_programs_get_it_in_utc(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    written(on_pty, tmp_path)
    points = tidegate("read", "--json").envelope["result"]["devices"][0]["points"]
    told = {point["quantity"]: (point["device_utc_ms"], point["device_flags"]) for point in points}
    assert told["volume"][1] is None
    assert 0 <= told["volume"][0] / 1000 - MEANT.timestamp() < 60
    assert told["valve"] == (None, None)


@pytest.mark.parametrize(
    ("utc_ms", "flags", "text"),
    [
        (0, DeviceTimeFlag.HISTORICAL, "1970-01-01 08:00:00+08:00"),
        (None, DeviceTimeFlag.HISTORICAL, "-"),
        (None, DeviceTimeFlag.CLOCK_UNSET, "its clock is not set"),
        (0, DeviceTimeFlag.CLOCK_UNSET, "1970-01-01 08:00:00+08:00 (its clock is not set)"),
        (1 << 60, DeviceTimeFlag.NONE, "-"),
    ],
)
def test_what_a_device_says_of_a_time_is_said(
    capsys: pytest.CaptureFixture[str], utc_ms: int | None, flags: int, text: str
) -> None:
    point = PointValue(quantity="t", value="1", unit="kW", status=0, device_utc_ms=utc_ms, device_flags=int(flags))
    show_devices(Output(), (DeviceValues(device="meter", bus="b", points=(point,)),), timezone="+08:00")
    assert capsys.readouterr().out.splitlines()[1].partition("good")[2].strip() == text


def test_a_running_agent_tells_it_too(tidegate: Command, process: Process, on_pty: OnPty, tmp_path: Path) -> None:
    written(on_pty, tmp_path)
    assert tidegate("init").code == 0
    with (tmp_path / "run.log").open("wb") as log:
        child = subprocess.Popen(process.argv("run"), cwd=tmp_path, env=process.environ, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            read = tidegate("read", "rs485-a/garden-water/volume", "--json")
            if read.code == 0 and read.envelope["result"]["via"] == "agent":
                break
            assert child.poll() is None, (tmp_path / "run.log").read_text()
            assert time.monotonic() < deadline, read.out
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)
    (point,) = read.envelope["result"]["devices"][0]["points"]
    assert point["device_utc_ms"] >= MEANT.timestamp() * 1000
