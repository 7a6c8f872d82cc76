"""The whole agent with an environment bureau beside it: an outage, a kill -9, and no period missing."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hil.broker import free_port
from hil.hj212_bureau import Bureau
from hil.process import Child
from hil.sim.hj212 import Sender, Station, period, realtime
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


STATION_SITE = """schema = 1

[site]
name = "works"
timezone = "+08:00"

[state]
dir = "{folder}/state"
run_dir = "{folder}/run"

[[bus]]
name = "outfall"
port = "tcp-listen://127.0.0.1:{port}"

[[device]]
name = "logger"
bus = "outfall"
address = "{mn}"
profile = "generic/hj212-water"

[[output]]
kind = "hj212"
name = "city"
host = "127.0.0.1"
port = {bureau}
mn = "{mn}"
password_file = "bureau.pw"
st = "32"
version = "2025"
realtime = "1 s"
minute = "2 s"

[[output.factor]]
code = "w01018"
device = "logger"
point = "cod"
"""


@pytest.mark.upstream
async def test_what_a_station_tells_reaches_the_bureau(tmp_path: Path) -> None:
    port, station = free_port(), Station()
    stage = Stage(folder=tmp_path, broker=None)
    async with Bureau() as bureau, AsyncExitStack() as closing:
        stage.prepare("works")
        text = STATION_SITE.format(folder=tmp_path, port=port, bureau=bureau.port, mn=MN)
        stage.site.write_text(text, encoding="utf-8")
        secret = tmp_path / "bureau.pw"
        secret.write_text("s3cret\n")
        secret.chmod(0o600)
        try:
            stage.start_agent()
            sender = await _connect(port, station)
            closing.push_async_callback(sender.close)
            for second in range(4):
                cod = f"4{second}.50"
                told_now = realtime(f"202601010800{second:02d}", {"w01018": (cod, "N" if second < 3 else "D")})
                assert await sender.send(told_now, tries=5)
                if second % 2 == 0:
                    minute = period("2051", f"2026010107{second}000", {"w01018": ("1.00", "2.00", "3.00")})
                    assert await sender.send(minute, tries=5)
                await asyncio.sleep(0.6)
            assert await bureau.until(lambda: any(one.field("w01018-Flag") == "D" for one in bureau.heard), 10)
            assert await bureau.until(lambda: len(told(bureau)) >= 2, 10)
            await asyncio.sleep(2)  # the period in which the station's minutes are looked for
            read = await asyncio.to_thread(tidegate, "--site", stage.site, "--json", "status")
        finally:
            stage.stop()
    values = {one.field("w01018-Rtd") for packets in bureau.stored("2011").values() for one in packets}
    assert values <= {"40.5", "41.5", "42.5", None}
    assert None in values, "no value is told with the mark of a fault"
    assert len(values) > 1
    device = json.loads(read.stdout)["result"]["devices"][0]
    assert device["error_code"] == ""
    assert sorted(set(station.acknowledged)) == [f"2026010108000000{number}" for number in range(1, 7)]
    table = tmp_path / "readings.jsonl"
    export = await asyncio.to_thread(tidegate, "--site", stage.site, "export", table)
    lines = [json.loads(line) for line in table.read_text().splitlines()]
    minutes = [line for line in lines if line.get("quantity") == "cod.minute" and line["value"] is not None]
    assert [line["value"] for line in minutes] == ["2.00", "2.00"], export.stderr
    assert [line["device_utc"][:16] for line in minutes] == ["2025-12-31T23:00", "2025-12-31T23:20"]
    assert {line["device_flags"] for line in minutes} == {"historical"}


async def _connect(port: int, station: Station) -> Sender:
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            return Sender(station, reader, writer, overtime_s=2.0)
