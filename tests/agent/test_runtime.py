"""The whole agent on simulated Modbus TCP devices: real sockets, real storage, counts instead of times."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from agent.block.record import EventKind
from agent.clock import SystemClock
from agent.config import Site, SiteIdentity
from agent.control.client import ControlClient
from agent.control.protocol import AskLease, AskRead, AskStatus, RequestFailedError, socket_path
from agent.errors import ControlError, KeyUnavailableError, StorageError
from agent.health import BusPhase, is_alive
from agent.runtime import Agent, Surroundings
from agent.sdnotify import Notifier
from drivers.quality import Quality
from hil.sim.tcp import TcpFleet
from tests.agent.running_agent import POINTS, events, running, site_of, verdict


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


async def test_a_socket_that_cannot_be_removed_does_not_spoil_the_end(tmp_path: Path, fleet: TcpFleet) -> None:
    site = site_of(tmp_path, fleet.ports)
    path = socket_path(site.run_dir)
    async with running(site) as agent:
        await agent.until(lambda status: status.storage.sealed_blocks > 0)
        path.unlink()
        path.mkdir()
    path.rmdir()
    async with running(site) as agent:
        await agent.until(lambda status: status.storage.sealed_blocks > 0)
    assert [fields[2] for fields in events(site, EventKind.BOOT)] == [True, True], "both stops were clean"


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


def test_the_real_clock_is_the_one_the_agent_uses() -> None:
    assert isinstance(Surroundings().clock, SystemClock)
