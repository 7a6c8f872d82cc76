"""A bus that is only listened to is told to stop at any moment, on a port of a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.config import Bus, SiteDevice
from agent.health import BusPhase
from agent.polling import listening
from agent.polling.ear import RegistryEar
from agent.polling.listening import ListeningBus
from agent.polling.opening import Profiles
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from drivers.profile import LineSettings
from drivers.profile_load import builtin_roots, find_profile, load_profile
from hil.tee import ListenerPort
from tests.agent.kept_sink import KeptSink

pytestmark = pytest.mark.bus

PROFILE = load_profile(find_profile("generic/xy-md02", builtin_roots()))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[ListenerPort]:
    port = ListenerPort(tmp_path / "ear")
    yield port
    port.unplug()


def bus_on(port: ListenerPort) -> ListeningBus:
    bus = Bus(name="shared", port=str(port.path), line=LineSettings(), listen=True)
    wanted = (Wanted(index=0, site=SiteDevice(name="air", bus="shared", unit=4, profile=PROFILE)),)
    clock = SystemClock()
    ear = RegistryEar(bus, wanted, Profiles())
    return ListeningBus(bus, wanted, ear, recorder=Recorder(KeptSink(), clock), clock=clock)


async def turns_until(condition: Callable[[], bool]) -> None:
    """Look in every turn of the loop."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what it looks for lasts one turn
            await asyncio.sleep(0)


def over(bus: ListeningBus) -> bool:
    return bus._nap is not None and bus._nap.expired()


def holds(device: Path) -> bool:
    """Whether this process has a device open, gone or not."""
    return any(os.path.realpath(one).split()[0] == str(device) for one in Path("/proc/self/fd").iterdir())


async def test_a_stop_in_the_turn_in_which_a_wait_is_over_is_a_stop(
    port: ListenerPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_REST_S", 0.01)
    bus = bus_on(port)
    running = asyncio.get_running_loop().create_task(bus.run())
    await turns_until(lambda: over(bus))
    bus.stop()
    bus.stop()
    await asyncio.wait_for(running, 10)
    assert bus.status().phase is BusPhase.UP


async def test_a_stop_in_the_turn_in_which_a_lost_port_is_tried_again_is_a_stop(
    port: ListenerPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "REOPEN_PAUSES_S", (0.01,))
    bus = bus_on(port)
    port.unplug()
    running = asyncio.get_running_loop().create_task(bus.run())
    await turns_until(lambda: over(bus))
    bus.stop()
    await asyncio.wait_for(running, 10)
    assert bus.status().phase is BusPhase.DOWN


async def test_a_stop_while_the_port_cannot_be_opened_waits_for_nothing(
    port: ListenerPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "REOPEN_PAUSES_S", (3600.0,))
    bus = bus_on(port)
    port.unplug()
    bus.stop()
    await asyncio.wait_for(bus._session(), 10)
    assert bus.status().phase is BusPhase.DOWN


async def test_a_stop_after_a_cancelled_pause_is_a_stop(port: ListenerPort) -> None:
    bus = bus_on(port)
    port.unplug()
    running = asyncio.get_running_loop().create_task(bus.run())
    await turns_until(lambda: bus._nap is not None)
    running.cancel()
    await asyncio.wait([running])
    bus.stop()
    assert running.cancelled()


async def test_a_lost_port_is_let_go_before_it_is_tried_again(
    port: ListenerPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "REOPEN_PAUSES_S", (3600.0,))
    bus = bus_on(port)
    device = port.path.resolve()
    running = asyncio.get_running_loop().create_task(bus.run())
    await turns_until(lambda: bus.status().phase is BusPhase.UP)
    assert holds(device)
    port.unplug()
    await turns_until(lambda: bus.status().phase is BusPhase.DOWN and bus._nap is not None)
    left = holds(device)
    bus.stop()
    await asyncio.wait_for(running, 10)
    assert not left, "an adapter that is put back would get another name"
