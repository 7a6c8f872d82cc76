"""The whole agent with an environment bureau beside it: an outage, a kill -9, and no period missing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hil.broker import free_port
from hil.hj212_bureau import Bureau
from hil.process import Child
from hil.stage import TIDEGATE, Stage, tidegate

MN = "010000A8900016F000169DC0"
SITE = """schema = 1

[site]
name = "works"
timezone = "+08:00"

[state]
dir = "{folder}/state"
run_dir = "{folder}/run"

[[bus]]
name = "station"
port = "tcp://127.0.0.1:{device}"

[[device]]
name = "analyser"
bus = "station"
unit = 1
profile = "generic/block-10"
every = "100 ms"

[[output]]
kind = "hj212"
host = "127.0.0.1"
port = {bureau}
mn = "{mn}"
password_file = "bureau.pw"
st = "32"
realtime = "1 s"
minute = "1 s"
overtime = "300 ms"

[[output.factor]]
code = "w99999"
device = "analyser"
point = "quantity.07"
"""


def told(bureau: Bureau) -> dict[str, set[tuple[str, str]]]:
    """Give the packets of each period that reached the bureau, repetitions aside."""
    return {
        start: {(one.head("QN"), one.area) for one in packets} for start, packets in bureau.stored("2051").items()
    }


def missing(starts: list[str]) -> list[str]:
    """Give the seconds between the first and the last period that nobody was told of."""
    seconds = [int(start[8:10]) * 3600 + int(start[10:12]) * 60 + int(start[12:14]) for start in starts]
    return sorted(str(one) for one in set(range(min(seconds), max(seconds) + 1)) - set(seconds))


@pytest.mark.crash
async def test_no_period_is_missing_after_an_outage_and_a_kill(tmp_path: Path) -> None:
    device = free_port()
    simulator = Child(
        name="simulator",
        argv=[TIDEGATE[0], "-P", "-m", "hil.sim", "tcp", "--still", "--seed", "7", "--base-port", str(device)],
        log_dir=tmp_path,
    )
    stage = Stage(folder=tmp_path, broker=None)
    async with Bureau() as bureau:
        text = SITE.format(folder=tmp_path, device=device, bureau=bureau.port, mn=MN)
        stage.prepare("works")
        stage.site.write_text(text, encoding="utf-8")
        secret = tmp_path / "bureau.pw"
        secret.write_text("s3cret\n")
        secret.chmod(0o600)
        simulator.start()
        try:
            stage.start_agent()
            assert await bureau.until(lambda: len(told(bureau)) >= 2 and bool(bureau.stored("2011")), 20)
            read = await asyncio.to_thread(
                tidegate, "--site", stage.site, "--json", "read", "station/analyser/quantity.07"
            )
            value = json.loads(read.stdout)["result"]["devices"][0]["points"][0]["value"]
            await bureau.close()
            await asyncio.sleep(1.5)
            stage.agent.kill()
            status_before = stage.agent.log.read_text()
            stage.start_agent()
            await asyncio.sleep(1.0)
            status = await asyncio.to_thread(tidegate, "--site", stage.site, "status")
            async with Bureau(bureau.port) as again:
                assert await again.until(lambda: len(told(again)) >= 5, 20)
        finally:
            stage.stop()
            simulator.stop()
    first, second = told(bureau), told(again)
    killed = missing(sorted({*first, *second}))
    assert len(killed) <= 2, f"periods in which no agent ran, and no others: {killed}"
    for start in first.keys() & second.keys():
        assert first[start] == second[start], "told twice, it is the same packet"
    assert all(len(packets) == 1 for packets in second.values())
    now = bureau.stored("2011")
    assert {one.field("w99999-Rtd") for packets in now.values() for one in packets} == {value}
    assert {one.head("MN") for one in bureau.heard} == {MN}
    assert "bureau" in status.stdout
    assert "TG-4201" in status.stdout + status.stderr
    assert "s3cret" not in status_before + stage.agent.log.read_text() + status.stdout + status.stderr
