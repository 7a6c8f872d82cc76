"""All buses of the site as running tasks, and what a new site file changes about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.config import Bus, Site, SiteDevice
from agent.control.protocol import ReloadAnswer
from agent.health import BusStatus, DeviceStatus
from agent.polling.bus import BusPoller
from agent.polling.ear import Ear
from agent.polling.listening import ListeningBus
from agent.polling.opening import BusPort
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import GRID_NS, Wakeup
from agent.storing.stored import Pressure
from drivers.clock import Clock

STOP_PATIENCE_S: Final = 3.0
MakePort: TypeAlias = Callable[[Bus, Sequence[Wanted]], BusPort]
MakeEar: TypeAlias = Callable[[Bus, Sequence[Wanted]], Ear]
AnyBus: TypeAlias = BusPoller | ListeningBus
"""A bus that runs: polled by us, or by somebody else."""
Register: TypeAlias = Callable[[Sequence[SiteDevice]], None]


@dataclass(frozen=True, slots=True)
class _Running:
    """A bus that is being polled."""

    poller: AnyBus
    task: asyncio.Task[None]
    wanted: tuple[Wanted, ...]


class Buses:
    """The pollers of a site.

    A device keeps its index for the life of the agent: what a reload adds or changes gets a new one, so that batches
    of buses that were not touched stay right.

    Args:
        register: tells storage what the indexes mean, ``StoragePort.register``.
        make_port: gives the port of a bus that is polled.
        make_ear: gives the port of one that is only listened to.
        recorder: where batches and events go.
        clock: where time comes from.
    """

    def __init__(
        self, *, register: Register, make_port: MakePort, make_ear: MakeEar, recorder: Recorder, clock: Clock
    ) -> None:
        self._register = register
        self._make_port = make_port
        self._make_ear = make_ear
        self._recorder = recorder
        self._clock = clock
        self._start_ns = -(-clock.mono_ns() // GRID_NS) * GRID_NS - GRID_NS  # on the grid, and not in the future
        self._devices: list[SiteDevice] = []
        self._running: dict[str, _Running] = {}
        self._stopped = False
        self._changing = asyncio.Lock()  # what one change has stopped is not for the next one to start
        self.wakeup = Wakeup(clock)

    def register(self, site: Site) -> None:
        """Take the site's devices as the first ones; before storage starts."""
        self._devices = list(site.devices)
        self._register(tuple(self._devices))

    def start(self, site: Site, group: asyncio.TaskGroup) -> None:
        """Start every bus of ``site``; ``group`` owns the tasks of these and of later ones."""
        self._group = group
        for bus in site.buses:
            self._start(bus, self._wanted(site, bus))

    async def change(self, site: Site) -> ReloadAnswer:
        """Stop what is gone or different, start what is new or different; the rest is not touched."""
        async with self._changing:
            buses = {bus.name: bus for bus in site.buses}
            removed = [name for name in self._running if name not in buses]
            restarted = [name for name, bus in buses.items() if self._differs(site, bus)]
            await self._stop([*removed, *restarted])
            known = set(self._devices)
            self._devices += [device for device in site.devices if device not in known]
            self._register(tuple(self._devices))
            for name in restarted:
                self._start(buses[name], self._wanted(site, buses[name]))
        return ReloadAnswer(restarted=tuple(restarted), removed=tuple(removed))

    async def stop(self) -> None:
        """Let every bus finish its exchange; one that does not is cut off. Nothing starts afterwards."""
        self._stopped = True
        async with self._changing:
            await self._stop(list(self._running))
        self.wakeup.close()

    def shed(self, pressure: Pressure) -> None:
        """Poll as much as storage bears."""
        for running in self._running.values():
            running.poller.shed(pressure)

    def find(self, bus: str) -> AnyBus | None:
        """Give the bus called so."""
        running = self._running.get(bus)
        return None if running is None else running.poller

    def wanted(self) -> Iterator[tuple[Wanted, AnyBus]]:
        """Give every device that is polled or listened to now, with its bus."""
        for running in self._running.values():
            for wanted in running.wanted:
                yield wanted, running.poller

    def statuses(self) -> tuple[tuple[BusStatus, ...], tuple[DeviceStatus, ...]]:
        """Give buses and devices at a glance, devices in the order of their indexes."""
        buses = tuple(running.poller.status() for running in self._running.values())
        pairs = [pair for running in self._running.values() for pair in running.poller.devices()]
        return buses, tuple(status for _, status in sorted(pairs, key=lambda pair: pair[0]))

    def _wanted(self, site: Site, bus: Bus) -> tuple[Wanted, ...]:
        mine = [device for device in site.devices if device.bus == bus.name]
        return tuple(Wanted(index=self._devices.index(device), site=device) for device in mine)

    def _differs(self, site: Site, bus: Bus) -> bool:
        running = self._running.get(bus.name)
        if running is None or running.poller.bus != bus:
            return True
        mine = tuple(device for device in site.devices if device.bus == bus.name)
        return tuple(wanted.site for wanted in running.wanted) != mine

    def _start(self, bus: Bus, wanted: tuple[Wanted, ...]) -> None:
        if not wanted or self._stopped:
            return  # nothing to ask there: the port stays free for others
        poller = self._make(bus, wanted)
        task = self._group.create_task(poller.run(), name=f"bus {bus.name}")
        self._running[bus.name] = _Running(poller, task, wanted)

    def _make(self, bus: Bus, wanted: tuple[Wanted, ...]) -> AnyBus:
        if bus.listen:
            ear = self._make_ear(bus, wanted)
            return ListeningBus(bus, wanted, ear, recorder=self._recorder, clock=self._clock)
        return BusPoller(
            bus,
            wanted,
            self._make_port(bus, wanted),
            recorder=self._recorder,
            clock=self._clock,
            wakeup=self.wakeup,
            start_ns=self._origin_ns(),
        )

    def _origin_ns(self) -> int:
        """Give the last whole second of the common grid, so that a bus that starts later wakes with the others."""
        second_ns = 1_000_000_000
        return self._start_ns + (self._clock.mono_ns() - self._start_ns) // second_ns * second_ns

    async def _stop(self, names: Sequence[str]) -> None:
        ending = [self._running.pop(name) for name in names if name in self._running]
        if not ending:
            return
        for running in ending:
            running.poller.stop()
        _, late = await asyncio.wait([running.task for running in ending], timeout=STOP_PATIENCE_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
