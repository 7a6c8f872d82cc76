"""Modbus TCP with several requests open: how many at once, that values keep their places, what a silence means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from agent.clock import SystemClock, TimerfdPause
from agent.config import Bus, SiteDevice
from agent.polling.bus import BusPoller
from agent.polling.claims import Life
from agent.polling.opening import Profiles, RegistryPort
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import Wakeup
from drivers.profile import Label, Limits, LineSettings, ModbusLocation, Point, Profile, Table
from hil.sim.modbus import serve
from hil.sim.motion import still
from hil.sim.registers import HOLDING, Held, Image
from tests.agent.kept_sink import KeptSink

pytestmark = pytest.mark.bus

BLOCKS = 6
PROFILE = Profile(
    id="test/wide",
    vendor="test",
    model="wide",
    label=Label(en="", zh=""),
    protocol="modbus",
    digest=bytes(16),
    source="",
    proof="",
    line=LineSettings(),
    unit=1,
    limits=Limits(gap_registers=0),
    points=tuple(
        Point(
            name=f"p{n}",
            label=Label(en="", zh=""),
            place=ModbusLocation(table=Table.HOLDING_REGISTER, address=100 * n),
            unit=None,
            scale=Decimal(1),
            exponent=0,
            period_s=0.2,
        )
        for n in range(BLOCKS)
    ),
)


@dataclass
class Server:
    """A Modbus TCP server that takes its time, and notes how many requests it held at once."""

    open: int = 0
    most_open: int = 0
    answered: int = 0
    deaf_units: set[int] = field(default_factory=set)
    latency_s: float = 0.02

    def __post_init__(self) -> None:
        held = tuple(
            Held(name=f"p{n}", table=HOLDING, address=100 * n, type="u16", motion=still(1000 + n))
            for n in range(BLOCKS)
        )
        spans = tuple((HOLDING, 100 * n, 100 * n) for n in range(BLOCKS))
        self.image = Image(model="wide", held=held, spans=spans, source="made for this test")

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as group:
            while len(head := await _exactly(reader, 6)) == 6:
                body = await _exactly(reader, int.from_bytes(head[4:6], "big"))
                group.create_task(self._answer(head, body, writer))
        writer.close()

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self.latency_s)
        self.open -= 1
        if body[0] in self.deaf_units or writer.is_closing():
            return
        pdu, _ = serve(self.image, body[1:], 0.0)
        self.answered += 1
        writer.write(head[:4] + (len(pdu) + 1).to_bytes(2, "big") + body[:1] + pdu)


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def polled(server: Server, *pipelines: int) -> AsyncIterator[tuple[BusPoller, KeptSink]]:
    """Poll one device for each of ``pipelines`` behind one server, until the block ends."""
    listening = await asyncio.start_server(server.client, "127.0.0.1", 0)
    bus = Bus(name="b", port=f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    wanted = [
        Wanted(
            index=n,
            site=SiteDevice(
                name=f"d{n}",
                bus="b",
                unit=n + 1,
                profile=replace(PROFILE, limits=replace(PROFILE.limits, pipeline=pipeline)),
            ),
        )
        for n, pipeline in enumerate(pipelines)
    ]
    clock, pause, sink = SystemClock(), TimerfdPause(), KeptSink(points=BLOCKS)
    port = RegistryPort(bus, wanted, Profiles(), clock=clock, pause=pause)
    poller = BusPoller(
        bus, wanted, port, recorder=Recorder(sink, clock), clock=clock, wakeup=Wakeup(clock), start_ns=clock.mono_ns()
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(poller.run())
        yield poller, sink
        poller.stop()
    pause.close()
    listening.close()
    await listening.wait_closed()
    await asyncio.sleep(0.1)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what happens, happens on sockets
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("pipeline", [1, 2, 4])
async def test_as_many_requests_are_open_as_the_device_bears(pipeline: int) -> None:
    server = Server()
    async with polled(server, pipeline) as (_, sink):
        await until(lambda: server.answered >= 4 * BLOCKS)
    assert server.most_open == pipeline
    for batch in sink.batches:
        assert batch.values == tuple(1000 + point for point in batch.points)
        assert not any(batch.statuses)
    assert {point for batch in sink.batches for point in batch.points} == set(range(BLOCKS))


async def test_behind_one_server_the_most_careful_device_decides() -> None:
    server = Server()
    async with polled(server, 8, 3):
        await until(lambda: server.answered >= 4 * BLOCKS)
    assert server.most_open == 3


async def test_one_silent_device_is_said_once_and_costs_its_neighbour_nothing() -> None:
    """Several requests that time out together are one sign of death; the neighbour's answers in between count."""
    server = Server()
    async with polled(server, 4, 4) as (poller, sink):
        await until(lambda: server.answered >= 4 * BLOCKS)
        server.deaf_units = {2}
        await until(lambda: any(None in batch.values for batch in sink.batches))
        before = server.answered
        await until(lambda: server.answered >= before + 4 * BLOCKS)
        states = {index: status.life for index, status in poller.devices()}
        server.deaf_units = set()
        last = len(sink.batches)
        await until(lambda: any(batch.device == 1 and None not in batch.values for batch in sink.batches[last:]))
    nulls = [batch for batch in sink.batches if None in batch.values]
    assert {batch.device for batch in nulls} == {1}
    points = [point for batch in nulls for point in batch.points]
    assert sorted(points) == sorted(set(points)), "each point turns bad once"
    assert states == {0: Life.ALIVE, 1: Life.DEAD}
