"""Answers what comes over the control socket, from the running agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.commands import Commands
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer
from agent.control.protocol import (
    MOST_LEASE_S,
    AskLease,
    AskRead,
    AskTap,
    DeviceValues,
    Failure,
    LeaseAnswer,
    PointValue,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    TapAnswer,
)
from agent.control.server import Lease
from agent.control.values import no_value, value_at, values_of
from agent.errors import ConfigError, StorageError
from agent.health import AgentStatus
from agent.polling.bus import BusPoller, Loan
from agent.polling.buses import AnyBus, Buses
from agent.polling.listening import ListeningBus
from agent.polling.polled import Wanted
from agent.polling.questions import BusLentError
from agent.polling.tapping import BusTap
from drivers.batch import Batch
from drivers.clock import Clock
from drivers.errors import DriverError, LinkDownError, NoReplyError, RefusedError
from drivers.quality import Quality
from drivers.sources import Device, Read, Urgency

_MOST_EXCHANGES: Final = 128  # a block that is refused again and again is cut in two at most so often


@dataclass(frozen=True, slots=True)
class BusLease:
    """A bus lent over the control socket."""

    answer: LeaseAnswer
    poller: BusPoller
    loan: Loan

    def release(self) -> None:
        """Take it back."""
        self.poller.take_back(self.loan)


class AgentDesk:
    """The running agent as its control socket shows it; a ``Desk`` of ``agent.control.server``."""

    def __init__(
        self,
        buses: Buses,
        clock: Clock,
        *,
        status: Callable[[], AgentStatus],
        reload: Callable[[], Awaitable[ReloadAnswer]],
        tap_of: Callable[[str], BusTap],
        commands: Commands,
    ) -> None:
        self._buses = buses
        self._clock = clock
        self._status = status
        self._reload = reload
        self._tap_of = tap_of
        self._commands = commands

    def status(self) -> AgentStatus:
        """Everything at a glance."""
        return self._status()

    async def reload(self) -> ReloadAnswer:
        """Read the site file again."""
        try:
            return await self._reload()
        except ConfigError as error:
            raise RequestFailedError(Failure(code=error.code, detail=str(error))) from error

    async def read(self, ask: AskRead) -> ReadAnswer:
        """Read devices now, every bus at the same time."""
        wanted = sorted(self._buses.wanted(), key=lambda pair: pair[0].index)
        names = {one.site.name for one, _ in wanted}
        for name in ask.devices:
            if name not in names:
                raise _failure("unknown-device", f"the site has no device {name!r}")
        chosen = [pair for pair in wanted if not ask.devices or pair[0].site.name in ask.devices]
        known = {point.name for one, _ in chosen for point in one.site.profile.points}
        for name in ask.points:
            if name not in known:
                raise _failure("unknown-point", f"no such device has a point {name!r}")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._device(one, poller, ask.points)) for one, poller in chosen]
        return ReadAnswer(devices=tuple(task.result() for task in tasks))

    async def lease(self, ask: AskLease) -> Lease:
        """Lend a bus."""
        poller = self._buses.find(ask.bus)
        if poller is None:
            raise _failure("unknown-bus", f"the site has no bus {ask.bus!r} with devices")
        if isinstance(poller, ListeningBus):
            raise _failure("listen-only", ask.bus)
        if not 0 < ask.seconds <= MOST_LEASE_S:
            raise _failure("bad-request", f"a lease lasts up to {MOST_LEASE_S:g} seconds")
        try:
            loan = await poller.lend(ask.seconds)
        except BusLentError as error:
            raise _failure(error.code, str(error)) from error
        bus = poller.bus
        return BusLease(LeaseAnswer(bus=bus.name, port=bus.port, line=bus.line, seconds=ask.seconds), poller, loan)

    def tap(self, ask: AskTap) -> TapAnswer:
        """Tell what passed on a serial bus."""
        poller = self._buses.find(ask.bus)
        if poller is None:
            raise _failure("unknown-bus", f"the site has no bus {ask.bus!r} with devices")
        if poller.bus.port.startswith("tcp:"):
            raise _failure("no-serial-line", poller.bus.port)
        return TapAnswer(bus=ask.bus, pieces=tuple(self._tap_of(ask.bus).take(ask.after)))

    async def prepare(self, ask: AskPrepare, who: str) -> PreparedAnswer:
        """Look at what would be written to a device."""
        try:
            return await self._commands.prepare(ask, who)
        except StorageError as error:
            raise _failure(error.code, str(error)) from error

    async def carry_out(self, ask: AskCarryOut, who: str) -> CarriedOutAnswer:
        """Write it."""
        try:
            return await self._commands.carry_out(ask, who)
        except StorageError as error:
            raise _failure(error.code, str(error)) from error

    def _heard(self, wanted: Wanted, bus: ListeningBus, names: tuple[str, ...]) -> DeviceValues:
        """Give what was heard last, since nothing may be asked there."""
        points, device = wanted.site.profile.points, bus.device(wanted.index)
        left = {index for index, point in enumerate(points) if not names or point.name in names}
        if device is None:
            return self._answer(wanted, {}, None, "", "")
        code, sentence = device.trouble
        found: dict[int, PointValue] = {}
        mono_ns: int | None = None
        for index in sorted(left & device.last.keys()):
            batch, row = device.last[index]
            mono_ns = max(mono_ns or 0, batch.mono_ns)
            found[index] = value_at(points, batch, row)
        stale = int(Quality.BAD_NO_COMMUNICATION)
        found |= {index: no_value(points[index], stale) for index in left & device.unheard}
        return self._answer(wanted, found, mono_ns, code, sentence)

    async def _device(self, wanted: Wanted, poller: AnyBus, names: tuple[str, ...]) -> DeviceValues:
        """Do every exchange that holds a wanted point, each in a turn of its own."""
        if isinstance(poller, ListeningBus):
            return self._heard(wanted, poller, names)
        points = wanted.site.profile.points
        left = {index for index, point in enumerate(points) if not names or point.name in names}
        found: dict[int, PointValue] = {}
        mono_ns: int | None = None
        code = sentence = ""
        position = poller.position(wanted.index)
        for _ in range(_MOST_EXCHANGES):
            read = None if position is None else _next(poller.reads(position), left)
            if read is None or position is None:
                break
            try:
                batch = await poller.ask(Urgency.TECHNICIAN, position, partial(_read, read))
            except (DriverError, BusLentError) as error:
                if isinstance(error, RefusedError) and error.replanned:
                    continue
                code, sentence = error.code, str(error)
                quality = int(error.quality) if isinstance(error, DriverError) else 0
                found |= {i: no_value(points[i], quality) for i in read.points if i in left and quality}
                if isinstance(error, LinkDownError | NoReplyError | BusLentError):
                    break
            else:
                mono_ns = batch.mono_ns
                found |= values_of(points, batch, left)
            left.difference_update(read.points)
        return self._answer(wanted, found, mono_ns, code, sentence)

    def _answer(
        self, wanted: Wanted, found: dict[int, PointValue], mono_ns: int | None, code: str, sentence: str
    ) -> DeviceValues:
        utc_ns = None if mono_ns is None else self._clock.utc_ns() - (self._clock.mono_ns() - mono_ns)
        return DeviceValues(
            device=wanted.site.name,
            bus=wanted.site.bus,
            points=tuple(found[index] for index in sorted(found)),
            mono_ms=None if mono_ns is None else mono_ns // 1_000_000,
            utc_ms=None if utc_ns is None else utc_ns // 1_000_000,
            error_code=code,
            error=sentence,
        )


async def _read(read: Read, device: Device) -> Batch:
    return await device.read(read)


def _next(reads: Sequence[Read], left: set[int]) -> Read | None:
    return next((read for read in reads if not left.isdisjoint(read.points)), None)


def _failure(code: str, detail: str) -> RequestFailedError:
    return RequestFailedError(Failure(code=code, detail=detail))
