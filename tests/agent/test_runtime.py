"""The whole agent on simulated Modbus TCP devices: real sockets, real storage, counts instead of times."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.block.file_verdict import FileVerdict
from agent.block.record import EventKind
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.clock import SystemClock
from agent.config import BlockRules, Bus, Site, SiteDevice, SiteIdentity
from agent.configuration.load import load_site
from agent.control.client import ControlClient
from agent.control.protocol import (
    Answer,
    Ask,
    AskLease,
    AskRead,
    AskReload,
    AskStatus,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
)
from agent.errors import ConfigError, ControlError, KeyUnavailableError, StorageError
from agent.health import AgentStatus, BusPhase, is_alive
from agent.keys import FileKeyStore
from agent.outbox import read_blocks
from agent.runtime import Agent, Surroundings
from agent.sdnotify import Notifier
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import Quality
from hil.sim.tcp import TcpFleet, start_fleet
from tests.agent.storage_site import events_of

POINTS = 98
QUICK = 0.1


def bench_profile() -> Profile:
    return load_profile(find_profile("generic/block-98", builtin_roots()))


def site_of(folder: Path, ports: tuple[int, ...], **changes: object) -> Site:
    store = FileKeyStore(folder / "state" / "keys")
    if not store.has_identity():
        (folder / "state").mkdir(exist_ok=True)
        store.create_identity()
    model = bench_profile()
    site = Site(
        identity=SiteIdentity(name="test"),
        buses=tuple(Bus(name=f"b{n}", port=f"tcp://127.0.0.1:{port}") for n, port in enumerate(ports)),
        devices=tuple(
            SiteDevice(name=f"d{n}", bus=f"b{n}", unit=1, profile=model, every_s=QUICK) for n in range(len(ports))
        ),
        state_dir=folder / "state",
        run_dir=folder / "run",
        block=BlockRules(max_age_s=0.2),
    )
    return replace(site, **changes)  # type: ignore[arg-type]


@dataclass
class Running:
    """An agent that runs in this loop."""

    site: Site
    agent: Agent
    task: asyncio.Task[None]

    async def ask(self, ask: Ask) -> Answer:
        def work() -> Answer:
            with ControlClient(self.site.run_dir, timeout_s=10) as client:
                return client.ask(ask)

        return await asyncio.to_thread(work)

    async def status(self) -> AgentStatus:
        found = await self.ask(AskStatus())
        assert isinstance(found, AgentStatus)
        return found

    async def read(self, ask: AskRead) -> ReadAnswer:
        found = await self.ask(ask)
        assert isinstance(found, ReadAnswer)
        return found

    async def until(self, true: Callable[[AgentStatus], bool]) -> AgentStatus:
        async with asyncio.timeout(15):
            while not true(status := await self.status()):  # noqa: ASYNC110 - asked over the socket, as a person would
                await asyncio.sleep(0.02)
        return status


@asynccontextmanager
async def running(
    site: Site, load: Callable[[], Site] | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    agent = Agent(site, Surroundings(environ=environ or {}), load)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(agent.run())
        started = Running(site, agent, task)
        await _up(started, task)
        yield started
        agent.stop()


async def _up(started: Running, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while not task.done():
            try:
                await started.status()
            except ControlError:
                await asyncio.sleep(0.01)
            else:
                return


@pytest.fixture
async def fleet() -> AsyncIterator[TcpFleet]:
    started = await start_fleet(3, 0, 1)
    yield started
    for server in started.servers:
        server.close()


def verdict(site: Site) -> FileVerdict:
    messages = [block.message for block in read_blocks(site.state_dir / "outbox.db")]
    return verify_sequence(messages, Trust.of([FileKeyStore(site.state_dir / "keys").identity().spki]))


def events(site: Site, kind: EventKind) -> list[tuple[object, ...]]:
    messages = [block.message for block in read_blocks(site.state_dir / "outbox.db")]
    return [event.fields for message in messages for event in events_of(message) if event.kind == kind]


async def test_everything_that_was_answered_is_sealed_when_the_agent_has_stopped(
    tmp_path: Path, fleet: TcpFleet
) -> None:
    site = site_of(tmp_path, fleet.ports)
    async with running(site) as agent:
        await agent.until(lambda status: all(device.answered >= 12 for device in status.devices))
        before = await agent.status()
    found = verdict(site)
    assert found.proven
    chain = found.chains[0]
    assert chain.readings == fleet.counters.reads * POINTS
    assert before.buses[0].phase is BusPhase.UP


async def test_readings_that_the_disk_did_not_take_are_counted_in_the_log(
    tmp_path: Path, fleet: TcpFleet, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(site_of(tmp_path, fleet.ports)) as agent:
        await agent.until(lambda status: status.storage.sealed_blocks > 0)
        (tmp_path / "state" / "outbox.db").rename(tmp_path / "away.db")
        await agent.until(lambda status: status.storage.fault_code == "storage-failed")
    (line,) = [record.getMessage() for record in caplog.records if "are not stored" in record.getMessage()]
    assert int(line.split()[0]) >= POINTS
    assert "outbox.db is not in its place" in line


async def test_a_second_run_goes_on_with_the_same_chain(tmp_path: Path, fleet: TcpFleet) -> None:
    site = site_of(tmp_path, fleet.ports)
    for _ in range(2):
        async with running(site) as agent:
            await agent.until(lambda status: status.storage.sealed_blocks > 0 and status.devices[0].answered > 2)
    found = verdict(site)
    assert found.proven
    assert len(found.chains) == 1
    boots = events(site, EventKind.BOOT)
    assert [fields[2] for fields in boots] == [True, True], "both stops were clean"


async def test_a_second_agent_on_the_same_folder_is_refused_with_one_sentence(
    tmp_path: Path, fleet: TcpFleet
) -> None:
    site = site_of(tmp_path, fleet.ports)
    async with running(site) as agent:
        other = replace(site, run_dir=tmp_path / "run2")
        with pytest.raises(StorageError, match="another agent"):
            await Agent(other, Surroundings(environ={})).run()
        assert (await agent.status()).site == "test"


async def test_a_second_agent_with_the_same_socket_is_refused_and_the_first_goes_on(
    tmp_path: Path, fleet: TcpFleet
) -> None:
    site = site_of(tmp_path, fleet.ports)
    (tmp_path / "other").mkdir()
    async with running(site) as agent:
        other = replace(site_of(tmp_path / "other", fleet.ports), run_dir=site.run_dir)
        with pytest.raises(ControlError, match="another agent"):
            await Agent(other, Surroundings(environ={})).run()
        assert (await agent.status()).site == "test"


async def test_without_an_identity_nothing_starts(tmp_path: Path) -> None:
    site = Site(identity=SiteIdentity(name="x"), buses=(), devices=(), state_dir=tmp_path, run_dir=tmp_path)
    with pytest.raises(KeyUnavailableError):
        Agent(site, Surroundings(environ={}))


async def test_a_dead_server_disturbs_nobody_and_its_devices_are_null(tmp_path: Path, fleet: TcpFleet) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = int(free.getsockname()[1])
    site = site_of(tmp_path, (*fleet.ports, dead))
    async with running(site) as agent:
        status = await agent.until(lambda status: all(device.answered >= 12 for device in status.devices[:3]))
        assert status.buses[3].phase is BusPhase.DOWN
        assert str(dead) in status.buses[3].fault
        assert [bus.answering for bus in status.buses] == [1, 1, 1, 0]
    assert verdict(site).proven
    assert {fields[0] for fields in events(site, EventKind.BUS_FAULT)} == {"b3"}
    assert {fields[-1] for fields in events(site, EventKind.MISSED_POLLS)} == {"link-down"}


async def test_a_reading_that_a_technician_asks_for_is_fresh_and_exact(tmp_path: Path, fleet: TcpFleet) -> None:
    site = site_of(tmp_path, fleet.ports)
    async with running(site) as agent:
        names = tuple(point.name for point in site.devices[0].profile.points)
        found = await agent.read(AskRead(devices=("d1",), points=names[:3]))
        values = found.devices[0]
        assert values.device == "d1"
        assert [point.quantity for point in values.points] == list(names[:3])
        assert all(point.status == Quality.GOOD and point.value for point in values.points)
        assert values.utc_ms is not None
        everything = await agent.read(AskRead())
        assert [len(device.points) for device in everything.devices] == [POINTS] * 3
        with pytest.raises(RequestFailedError, match="no device 'nobody'"):
            await agent.ask(AskRead(devices=("nobody",)))
        with pytest.raises(RequestFailedError, match="no such device has a point"):
            await agent.ask(AskRead(points=("nothing",)))


async def test_a_lease_closes_the_port_and_its_end_opens_it(tmp_path: Path, fleet: TcpFleet) -> None:
    site = site_of(tmp_path, fleet.ports)
    async with running(site) as agent:

        def borrow() -> None:
            with ControlClient(site.run_dir) as client:
                assert client.ask(AskLease(bus="b1", seconds=60)).port == site.buses[1].port
                assert client.ask(AskStatus()).buses[1].phase is BusPhase.LEASED
                with pytest.raises(RequestFailedError, match="lent"):
                    client.ask(AskLease(bus="b1", seconds=60))

        await asyncio.to_thread(borrow)
        await agent.until(lambda status: status.buses[1].phase is BusPhase.UP)
        with pytest.raises(RequestFailedError, match="no bus"):
            await agent.ask(AskLease(bus="b9", seconds=1))
        with pytest.raises(RequestFailedError, match="up to"):
            await agent.ask(AskLease(bus="b0", seconds=1e9))


async def test_a_reload_touches_only_what_changed(tmp_path: Path, fleet: TcpFleet) -> None:
    first = site_of(tmp_path, fleet.ports[:2])
    grown = site_of(tmp_path, fleet.ports)
    changed = replace(grown.devices[1], every_s=0.2)
    second = replace(grown, devices=(grown.devices[0], changed, grown.devices[2]), digest=b"2" * 16)
    sites: list[Site] = [second]

    def load() -> Site:
        if not sites:
            raise ConfigError("site.toml:3:1", "unknown key 'bauds'", "baud")
        return sites.pop()

    async with running(first, load) as agent:
        before = await agent.until(lambda status: all(device.answered >= 5 for device in status.devices))
        answer = await agent.ask(AskReload())
        assert answer == ReloadAnswer(restarted=("b1", "b2"))
        after = await agent.until(lambda status: status.devices[-1].answered >= 5)
        assert [device.name for device in after.devices] == ["d0", "d1", "d2"]
        assert after.devices[0].answered > before.devices[0].answered, "its counters went on"
        with pytest.raises(RequestFailedError, match="unknown key"):
            await agent.ask(AskReload())
        assert len((await agent.status()).devices) == 3
    assert verdict(first).proven
    assert verdict(first).chains[0].readings == fleet.counters.reads * POINTS
    assert events(first, EventKind.CONFIGURATION)[-1] == (b"2" * 16,)


async def test_systemd_hears_ready_alive_status_and_stopping(tmp_path: Path, fleet: TcpFleet) -> None:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.setblocking(False)
    site = site_of(tmp_path, fleet.ports)
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    messages: list[str] = []
    asyncio.get_running_loop().add_reader(heard, lambda: messages.append(heard.recv(4096).decode()))
    async with running(site, environ=environ) as agent:
        await agent.until(lambda status: status.devices[0].answered >= 8)
    await asyncio.sleep(0.05)
    asyncio.get_running_loop().remove_reader(heard)
    heard.close()
    assert messages.count("READY=1") == 1
    assert messages.count("WATCHDOG=1") >= 3
    assert messages[-1] == "STOPPING=1"
    assert any(message.startswith("STATUS=3 of 3 devices answer") for message in messages)


def test_a_storage_thread_that_stands_still_is_not_called_alive() -> None:
    assert is_alive(1_000, 11_000, 10.0)
    assert is_alive(1_000, 30_999, 10.0)
    assert not is_alive(1_000, 31_000, 10.0)


def test_without_systemd_nothing_is_said_and_nobody_watches() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000000"}, 1)
    notifier.ready()
    assert notifier.watchdog_s is None
    other = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "2"}
    assert Notifier(other, 1).watchdog_s is None
    Notifier(other, 2).alive()


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


def test_the_real_clock_is_the_one_the_agent_uses() -> None:
    assert isinstance(Surroundings().clock, SystemClock)
