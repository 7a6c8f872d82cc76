"""The buses of a site when its file changes: what changed is started anew, once, however many ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.config import Bus, Site, SiteDevice, SiteIdentity
from agent.polling.buses import Buses
from agent.polling.ear import Ear
from agent.polling.opening import BusPort
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from hil.virtualtime import VirtualClock, here, virtual
from tests.agent.kept_sink import KeptSink
from tests.agent.scripted_bus import Port, Scripted, alive, profile, read

SITE = Site(
    identity=SiteIdentity(name="test"),
    buses=(Bus(name="b", port="/dev/ttyX"),),
    devices=(SiteDevice(name="d", bus="b", unit=1, profile=profile()),),
    state_dir=Path("state"),
    run_dir=Path("run"),
)
OTHER = replace(SITE, devices=(replace(SITE.devices[0], unit=2),))


@dataclass
class Ports:
    """Every port that was opened."""

    made: list[Port] = field(default_factory=list)

    def make(self, bus: Bus, wanted: Sequence[Wanted]) -> BusPort:  # noqa: ARG002 - as the site has them
        self.made.append(Port([Scripted(one.index, [read(0)], alive) for one in wanted]))
        return self.made[-1]

    @property
    def open(self) -> int:
        return sum(port.opened - port.closed for port in self.made)


def no_ear(bus: Bus, wanted: Sequence[Wanted]) -> Ear:
    raise AssertionError((bus, wanted))


@asynccontextmanager
async def running(ports: Ports) -> AsyncIterator[Buses]:
    clock = VirtualClock(here())
    devices: list[SiteDevice] = []
    buses = Buses(
        register=devices.extend,
        make_port=ports.make,
        make_ear=no_ear,
        recorder=Recorder(KeptSink(), clock),
        clock=clock,
    )
    buses.register(SITE)
    async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
        buses.start(SITE, group)
        await asyncio.sleep(1.02)  # an exchange is under way: stopping takes its time
        yield buses
        await buses.stop()


@virtual
async def test_two_changes_at_once_leave_one_poller_on_a_port() -> None:
    ports = Ports()
    async with running(ports) as buses:
        answers = await asyncio.gather(buses.change(OTHER), buses.change(OTHER))
        await asyncio.sleep(5)
        assert ports.open == 1
    assert [answer.restarted for answer in answers] == [("b",), ()]
    assert ports.open == 0


@virtual
async def test_an_end_in_the_middle_of_a_change_leaves_nothing_running() -> None:
    ports = Ports()
    async with running(ports) as buses, asyncio.TaskGroup() as group:
        group.create_task(buses.change(OTHER))
        await asyncio.sleep(0)
        await buses.stop()
        assert ports.open == 0
