"""One bus over its life: its port is opened, polled, lost, found again by its path, and lent to technicians."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.config import Bus
from agent.health import BusPhase, BusStatus, DeviceStatus
from agent.poll import Polling
from agent.polling.claims import Life
from agent.polling.missed import MissReason
from agent.polling.opening import BusPort
from agent.polling.polled import Wanted
from agent.polling.questions import BusLentError
from agent.polling.recording import BUS_BACK, Recorder
from agent.polling.wakeup import Rest, Wakeup
from agent.storing.stored import Pressure
from drivers.clock import Clock
from drivers.errors import LinkDownError
from drivers.port_url import Way, way_of
from drivers.sources import Device, Read, Urgency

REOPEN_PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0)
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Loan:
    """A bus that is lent, or will be as soon as the exchange under way has ended."""

    until_ns: int
    granted: asyncio.Future[None]


class BusPoller:
    """One bus and everything on it. ``run`` does the work; the rest may be called at any time, in the loop.

    Args:
        bus: what the site file says of it.
        wanted: its devices, in the order of ``port.devices``.
        port: how to open it.
        recorder: where batches and events go.
        clock: where time comes from.
        wakeup: the timer that all buses share.
        start_ns: origin of the grid; the same for all buses, so that those on TCP wake together.
    """

    def __init__(
        self,
        bus: Bus,
        wanted: Sequence[Wanted],
        port: BusPort,
        *,
        recorder: Recorder,
        clock: Clock,
        wakeup: Wakeup,
        start_ns: int,
    ) -> None:
        network = way_of(bus.port) is Way.TCP  # a line behind a network runs back to back like any other
        self.bus = bus
        self._port = port
        self._recorder = recorder
        self._clock = clock
        self._rest = Rest(wakeup, grid=network)
        self._polling = Polling(
            bus, wanted, port, recorder=recorder, clock=clock, start_ns=start_ns, spread=not network
        )
        self._phase, self._since_ns = BusPhase.OPENING, start_ns
        self._fault: LinkDownError | None = None
        self._failures = 0  # to get an answer through the port, in a row
        self._loan: Loan | None = None
        self._stopping = False

    async def run(self) -> None:
        """Poll until ``stop``; ends after the exchange under way, with everything told and the port closed."""
        try:
            while not self._stopping:
                if self._loan is not None:
                    await self._lend(self._loan)
                else:
                    await self._session()
        finally:
            self._polling.hold(MissReason.LINK_DOWN, self._ended())
            self._polling.report(everything=True)
            if self._loan is not None and not self._loan.granted.done():
                self._loan.granted.set_exception(BusLentError("the agent stops"))

    def stop(self) -> None:
        """Let ``run`` end."""
        self._stopping = True
        self._rest.poke()

    def ask(self, urgency: Urgency, device: int, work: Callable[[Device], Awaitable[T]]) -> asyncio.Future[T]:
        """Do ``work`` (one exchange) with the device at this position when it is the turn of ``urgency``.

        The future raises what ``work`` raises, LinkDownError while the port is gone.

        Raises:
            BusLentError: the bus is lent.
            LinkDownError: the port is gone, or this has ended: a new site file may have put another in its place.
        """
        if self._stopping:
            raise self._ended()
        if self._loan is not None:
            raise BusLentError(f"bus {self.bus.name} is lent to another technician")
        if self._fault is not None:
            raise self._fault
        answer = self._polling.ask(urgency, device, work)
        self._rest.poke()
        return answer

    async def lend(self, seconds: float) -> Loan:
        """Close the port and keep off the bus for ``seconds`` or until ``take_back``; returns when it is free.

        Raises:
            BusLentError: somebody has it already, or this has ended.
        """
        if self._stopping:
            raise BusLentError("the agent stops")
        if self._loan is not None:
            raise BusLentError(f"bus {self.bus.name} is lent to another technician")
        until_ns = self._clock.mono_ns() + round(seconds * 1e9)
        loan = self._loan = Loan(until_ns, asyncio.get_running_loop().create_future())
        self._rest.poke()
        try:
            await loan.granted
        except asyncio.CancelledError:
            self.take_back(loan)
            raise
        return loan

    def take_back(self, loan: Loan) -> None:
        """End a loan; does nothing if it has ended."""
        if self._loan is loan:
            self._loan = None
            self._rest.poke()

    def shed(self, pressure: Pressure) -> None:
        """Poll as much as storage bears."""
        if self._polling.shed(pressure):
            self._rest.poke()

    def reads(self, device: int) -> Sequence[Read]:
        """Give the planned exchanges of the device at this position."""
        return self._port.devices[device].reads

    def position(self, index: int) -> int | None:
        """Give the position here of the site's device ``index``, None if it is not on this bus."""
        return self._polling.position(index)

    def status(self) -> BusStatus:
        """The bus at a glance."""
        load, error_share = self._polling.load.shares(self._clock.mono_ns())
        lives, fault = self._polling.lives, self._fault
        return BusStatus(
            name=self.bus.name,
            port=self.bus.port,
            phase=self._phase,
            since_mono_ms=self._since_ns // 1_000_000,
            fault_code="" if fault is None else fault.code,
            fault="" if fault is None else str(fault),
            devices=len(lives),
            answering=sum(life in (Life.ALIVE, Life.SUSPECT) for life in lives) if fault is None else 0,
            load=load,
            error_share=error_share,
            exchanges=self._polling.load.exchanges,
        )

    def devices(self) -> list[tuple[int, DeviceStatus]]:
        """Give (index in the site, status) of each device."""
        return self._polling.statuses()

    async def _session(self) -> None:
        """Open the port, poll until something ends it, close it."""
        try:
            await self._port.open()
        except LinkDownError as error:
            await self._down(error)
            return
        try:
            self._up()
            while not self._stopping and self._loan is None and self._polling.fault is None:
                await self._polling.turn(self._rest)
        finally:
            await self._port.aclose()
        if self._polling.answers:
            self._failures = 0  # a connection that served and was ended by the other side is opened again at once
        elif self._polling.fault is not None:
            await self._down(self._polling.fault)

    def _up(self) -> None:
        if self._phase is BusPhase.DOWN:
            _log.warning("bus-up bus=%s port=%s", self.bus.name, self.bus.port)
            self._recorder.bus_fault(self.bus.name, BUS_BACK, "")
        self._fault = None
        self._set_phase(BusPhase.UP)
        self._polling.up()

    async def _down(self, error: LinkDownError) -> None:
        """Say once that the port is gone, then wait before it is tried again."""
        self._fault = error
        self._polling.hold(MissReason.LINK_DOWN, error)
        if self._phase is not BusPhase.DOWN:
            _log.warning("bus-down bus=%s code=%s: %s", self.bus.name, error.code, error)
            self._recorder.bus_fault(self.bus.name, error.code, str(error))
            self._set_phase(BusPhase.DOWN)
            self._polling.lose_all(error)
        self._polling.report()
        pause_s = REOPEN_PAUSES_S[min(self._failures, len(REOPEN_PAUSES_S) - 1)]
        self._failures += 1
        until_ns = self._clock.mono_ns() + round(pause_s * 1e9)
        while not self._stopping and self._loan is None and self._clock.mono_ns() < until_ns:
            await self._rest.until(until_ns)

    async def _lend(self, loan: Loan) -> None:
        self._polling.hold(MissReason.LEASED, BusLentError(f"bus {self.bus.name} is being lent"))
        self._set_phase(BusPhase.LEASED)
        _log.info("bus-lent bus=%s", self.bus.name)
        if not loan.granted.done():
            loan.granted.set_result(None)
        while self._loan is loan and not self._stopping and self._clock.mono_ns() < loan.until_ns:
            await self._rest.until(loan.until_ns)
        if self._loan is loan:
            self._loan = None
        self._set_phase(BusPhase.OPENING)

    def _ended(self) -> LinkDownError:
        return LinkDownError(f"{self.bus.port}: the agent stops")

    def _set_phase(self, phase: BusPhase) -> None:
        if phase is not self._phase:
            self._phase, self._since_ns = phase, self._clock.mono_ns()
