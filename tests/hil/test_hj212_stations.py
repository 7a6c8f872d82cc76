"""Stations that push HJ 212: over TCP into a listening port, through faults, on a pty, into the pipeline."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.batch import Batch, DeviceTimeFlag
from drivers.errors import ChecksumError, LinkDownError, NoReplyError
from drivers.profile import LineSettings, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.hj212 import Hj212Station
from drivers.quality import Quality
from drivers.registry import AnyLink, build_device, open_link
from drivers.sources import Read
from hil.broker import free_port
from hil.sim.hj212 import Fault, Sender, Station, Upload, period, realtime

pytestmark = pytest.mark.bus

CHINA = timezone(timedelta(hours=8))
MINUTES = [f"202601010{8 + n // 6}{n % 6}000" for n in range(12)]


def minute(number: int) -> Upload:
    return period("2051", MINUTES[number], {"w01018": (f"{number}.10", f"{number}.20", f"{number}.30")})


def now(second: int, cod: str = "40.50", mark: str = "N") -> Upload:
    return realtime(
        f"2026010108{second // 60:02d}{second % 60:02d}", {"w01018": (cod, mark), "w01001": ("7.12", "N")}
    )


class Ear:
    """A station as the poll loop has it."""

    def __init__(self, link: AnyLink, address: str = "ANY") -> None:
        self.profile: Profile = load_profile(find_profile("generic/hj212-water", builtin_roots()))
        device = build_device(
            "hj212",
            index=0,
            unit=0,
            profile=self.profile,
            link=link,
            clock=SystemClock(),
            address=address,
            zone=CHINA,
        )
        assert isinstance(device, Hj212Station)
        self.device = device

    def read_of(self, point: str) -> Read:
        index = self.profile.index_of(point)
        return next(read for read in self.device.reads if index in read.points)

    async def read(self, point: str) -> Batch:
        return await self.device.read(self.read_of(point))

    def value(self, batch: Batch, point: str) -> tuple[object, int]:
        row = batch.points.index(self.profile.index_of(point))
        return batch.values[row], batch.statuses[row]


@asynccontextmanager
async def listening(address: str = "ANY") -> AsyncIterator[tuple[Ear, int]]:
    port, pause = free_port(), TimerfdPause()
    link = await open_link(
        f"tcp-listen://127.0.0.1:{port}", LineSettings(), echo=False, clock=SystemClock(), pause=pause
    )
    try:
        yield Ear(link, address), port
    finally:
        await link.aclose()
        pause.close()


@asynccontextmanager
async def connected(
    port: int, station: Station, *, rates: dict[Fault, float] | None = None, seed: int = 0
) -> AsyncIterator[Sender]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Sender(station, reader, writer, rates=rates, seed=seed)
    finally:
        writer.close()


async def _all(sender: Sender, uploads: list[Upload]) -> bool:
    return all([await sender.send(upload) for upload in uploads])


async def taken(ear: Ear, point: str, count: int) -> list[Batch]:
    """Read until so many batches with readings came."""
    found: list[Batch] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            batch = await ear.read(point)
            if batch.points:
                found.append(batch)
            else:
                await asyncio.sleep(0.01)
    return found


async def test_what_is_measured_now_comes_with_the_stations_own_time() -> None:
    station = Station()
    async with listening() as (ear, port), connected(port, station) as sender:
        (batch,), sent = await asyncio.gather(taken(ear, "cod", 1), sender.send(now(65)))
    assert sent
    assert ear.value(batch, "cod") == (4050, 0)
    assert ear.value(batch, "ph") == (712, 0)
    assert ear.value(batch, "total_nitrogen") == (None, Quality.BAD_NO_DATA)
    moment = datetime(2026, 1, 1, 0, 1, 5, tzinfo=UTC)
    assert {time.utc_ms for time in batch.device_times} == {round(moment.timestamp()) * 1000}
    assert {time.flags for time in batch.device_times} == {DeviceTimeFlag.NONE}
    assert ear.device.identity == f"address={station.mn}"
    assert len(station.acknowledged) == 1
    assert station.strange == 0


async def test_marks_become_qualities() -> None:
    async with listening() as (ear, port), connected(port, Station()) as sender:
        for second, (mark, value, status) in enumerate(
            [
                ("M", 4050, Quality.UNCERTAIN_SENSOR_NOT_ACCURATE),
                ("S", 4050, Quality.UNCERTAIN_SUBSTITUTE_VALUE),
                ("T", 4050, Quality.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED),
                ("D", None, Quality.BAD_DEVICE_FAILURE),
                ("F", None, Quality.BAD_OUT_OF_SERVICE),
                ("B", None, Quality.BAD_COMMUNICATION_ERROR),
            ]
        ):
            (batch,), _ = await asyncio.gather(taken(ear, "cod", 1), sender.send(now(second, "40.50", mark)))
            assert ear.value(batch, "cod") == (value, status)
            assert ear.value(batch, "cod.mark") == (mark, 0)
            flags = {time.flags for time in batch.device_times}
            assert (DeviceTimeFlag.SUBSTITUTED in flags) is (mark == "S")


@pytest.mark.parametrize("fault", list(Fault))
async def test_no_fault_of_the_way_loses_a_period_or_gives_one_twice(fault: Fault, seed: int) -> None:
    station = Station()
    async with listening() as (ear, port), connected(port, station, rates={fault: 0.5}, seed=seed) as sender:
        sending = asyncio.gather(*[_all(sender, [minute(number) for number in range(6)])])
        batches: list[Batch] = []
        while not sending.done():
            batches.append(await ear.read("cod.minute"))
            await asyncio.sleep(0.005)
        assert sending.result() == [True]
        batches = [batch for batch in batches if batch.points]
        more = await ear.read("cod.minute")
    assert [ear.value(batch, "cod.minute") for batch in batches] == [(100 * n + 20, 0) for n in range(6)]
    assert more.points == ()
    for batch in batches:
        assert {time.flags for time in batch.device_times} == {DeviceTimeFlag.HISTORICAL}


async def test_a_long_upload_comes_in_packets_and_is_one() -> None:
    codes = {f"w2{number:04d}": (f"{number}.0", "N") for number in range(60)} | {"w21003": ("0.0906", "N")}
    station = Station()
    async with listening() as (ear, port), connected(port, station) as sender:
        (batch,), sent = await asyncio.gather(
            taken(ear, "ammonia_nitrogen", 1), sender.send(realtime("20260101080000", codes))
        )
    assert sent
    assert len(station.acknowledged) > 1
    assert ear.value(batch, "ammonia_nitrogen") == (906, 0)


async def test_a_station_that_wants_no_answer_gets_none() -> None:
    station = Station(wants_answer=False)
    async with listening() as (ear, port), connected(port, station) as sender:
        await sender.send(minute(0))
        await sender.send(minute(1))
        batches = await taken(ear, "cod.minute", 2)
        assert [ear.value(batch, "cod.minute")[0] for batch in batches] == [20, 120]
    assert station.acknowledged == []


async def test_a_station_that_comes_back_is_heard_again() -> None:
    async with listening() as (ear, port):
        async with connected(port, Station()) as first:
            (batch,), _ = await asyncio.gather(taken(ear, "cod", 1), first.send(now(0)))
        async with connected(port, Station()) as half_open, connected(port, Station(version=2)) as newer:
            (batch,), sent = await asyncio.gather(taken(ear, "cod", 1), newer.send(now(30, "41.00")))
            assert sent
            assert half_open is not newer
    assert ear.value(batch, "cod") == (4100, 0)


async def test_another_station_is_no_reading_and_gets_no_answer() -> None:
    station = Station()
    async with listening("OTHER") as (ear, port), connected(port, station) as sender:
        ear.device._timeout_s = 0.3
        answers = await asyncio.gather(ear.device.probe(), sender.send(now(0), tries=2), return_exceptions=True)
    assert isinstance(answers[0], NoReplyError)
    assert station.mn in str(answers[0])
    assert answers[1] is False
    assert station.acknowledged == []


async def test_a_packet_with_a_wrong_crc_is_said_to_be_one() -> None:
    async with listening() as (ear, port), connected(port, Station()) as sender:
        sender._writer.write(Station().packets(now(0))[0][1].replace(b"40.50", b"40.51"))
        with pytest.raises(ChecksumError):
            await ear.device.probe()


async def test_silence_is_told() -> None:
    async with listening() as (ear, _):
        assert (await ear.read("cod.minute")).points == (), "it has a minute to be heard for the first time"
        ear.device._heard_ns -= 61_000_000_000
        for point in ("cod.minute", "cod"):
            with pytest.raises(NoReplyError, match="sent nothing for 6"):
                await ear.read(point)


async def test_a_port_that_is_taken_is_told() -> None:
    async with listening() as (_, port):
        pause = TimerfdPause()
        with pytest.raises(LinkDownError, match=f"127.0.0.1:{port}: cannot be listened on"):
            await open_link(
                f"tcp-listen://127.0.0.1:{port}", LineSettings(), echo=False, clock=SystemClock(), pause=pause
            )
        pause.close()


async def test_a_station_on_a_serial_line_is_heard_and_answered() -> None:
    far, near = os.openpty()
    tty.setraw(far)
    tty.setraw(near)
    name = os.ttyname(near)
    loop, pause = asyncio.get_running_loop(), TimerfdPause()
    reader = asyncio.StreamReader()
    with os.fdopen(far, "rb", buffering=0, closefd=False) as source, os.fdopen(far, "wb", buffering=0) as drain:
        in_end, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        out_end, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, drain)
        writer = asyncio.StreamWriter(out_end, protocol, None, loop)
        link = await open_link(name, LineSettings(baud=9600), echo=False, clock=SystemClock(), pause=pause)
        ear, station = Ear(link), Station()
        sender = Sender(station, reader, writer, overtime_s=1.0)
        (batch,), sent = await asyncio.gather(taken(ear, "cod", 1), sender.send(now(0)))
        batches, _ = await asyncio.gather(taken(ear, "cod.minute", 1), sender.send(minute(3)))
        await link.aclose()
        in_end.close()
        out_end.close()
        os.close(near)
    pause.close()
    assert sent
    assert ear.value(batch, "cod") == (4050, 0)
    assert ear.value(batches[0], "cod.minute") == (320, 0)
    assert len(station.acknowledged) == 2


async def test_each_upload_is_read_by_itself() -> None:
    async with listening() as (ear, _):
        kinds = [
            {ear.profile.points[i].name.rpartition(".")[2] for i in read.points} & {"minute", "hour"}
            for read in ear.device.reads
        ]
    assert sorted(map(sorted, kinds)) == [[], ["hour"], ["minute"]]


async def test_what_there_is_no_room_for_is_not_acknowledged() -> None:
    station = Station()
    async with listening() as (ear, port), connected(port, station) as sender:
        (waiting,) = [one for kind, one in ear.device._waiting.items() if kind.value == "2051"]
        for number in range(2):
            await asyncio.gather(sender.send(minute(number)), ear.read("ph.hour"))
        message = waiting[0]
        waiting.extend([message] * (waiting.maxlen or 0))
        before = list(station.acknowledged)
        sent, _ = await asyncio.gather(sender.send(minute(5), tries=2), ear.device.probe())
        assert not sent
        assert station.acknowledged == before
        waiting.clear()
        sent, batches = await asyncio.gather(sender.send(minute(5)), taken(ear, "cod.minute", 1))
        assert sent
        assert ear.value(batches[0], "cod.minute") == (520, 0)
