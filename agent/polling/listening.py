"""A bus that is only listened to: another client polls, and what its devices answer becomes our readings.

Not one byte is ever sent: what is opened here has no way to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from agent.config import Bus
from agent.health import BusPhase, BusStatus, DeviceStatus, HeardCounts, Load
from agent.polling.bus import REOPEN_PAUSES_S
from agent.polling.claims import Life
from agent.polling.ear import Ear
from agent.polling.heard import HeardDevice
from agent.polling.polled import Wanted
from agent.polling.recording import BUS_BACK, Recorder
from agent.storing.stored import Pressure
from drivers.clock import Clock
from drivers.errors import LinkDownError
from drivers.listening import Kind, Said
from drivers.overhear import Overhearing

LOOK_NS: Final = 500_000_000
_SILENCE_CHARACTERS: Final = 20
_LEAST_SILENCE_S: Final = 0.08  # a USB adapter hands over every 16 ms
_REST_S: Final = 0.5
_log = logging.getLogger(__name__)


class ListeningBus:
    """One bus and everything that is heard on it. ``run`` does the work; the rest may be called in the loop.

    Args:
        bus: what the site file says of it.
        wanted: its devices, in the order of ``ear.overheard``.
        ear: how to open it and what to take from it.
        recorder: where batches and events go.
        clock: where time comes from.
    """

    def __init__(self, bus: Bus, wanted: Sequence[Wanted], ear: Ear, *, recorder: Recorder, clock: Clock) -> None:
        self.bus = bus
        self._ear = ear
        self._recorder = recorder
        self._clock = clock
        now_ns = clock.mono_ns()
        pairs = zip(wanted, ear.overheard, strict=True)
        self._devices = [HeardDevice(one, overheard, recorder, now_ns) for one, overheard in pairs]
        self._silence_s = max(_LEAST_SILENCE_S, _SILENCE_CHARACTERS * bus.line.character_s)
        self._phase, self._since_ns = BusPhase.OPENING, now_ns
        self._fault: LinkDownError | None = None
        self._failures = 0
        self._counts = dict.fromkeys(Kind, 0)
        self._noise_bytes = 0
        self._load = Load(now_ns)
        self._look_ns = now_ns + LOOK_NS
        self._nap: asyncio.Timeout | None = None
        self._stopping = False

    async def run(self) -> None:
        """Listen until ``stop``; ends with everything told and the port closed."""
        try:
            while not self._stopping:
                await self._session()
        finally:
            for device in self._devices:
                device.report(self._clock.mono_ns(), everything=True)

    def stop(self) -> None:
        """Let ``run`` end."""
        self._stopping = True
        if self._nap is not None and not self._nap.expired():  # one that is just over cannot be shortened any more
            self._nap.reschedule(0.0)

    def shed(self, pressure: Pressure) -> None:
        """Take as much as storage bears."""
        for device in self._devices:
            device.shed(pressure)

    def device(self, index: int) -> HeardDevice | None:
        """Give the site's device ``index``, None if it is not on this bus."""
        return next((one for one in self._devices if one.wanted.index == index), None)

    def status(self) -> BusStatus:
        """The bus at a glance."""
        load, error_share = self._load.shares(self._clock.mono_ns())
        fault, counts = self._fault, self._counts
        return BusStatus(
            name=self.bus.name,
            port=self.bus.port,
            phase=self._phase,
            since_mono_ms=self._since_ns // 1_000_000,
            fault_code="" if fault is None else fault.code,
            fault="" if fault is None else str(fault),
            devices=len(self._devices),
            answering=0 if fault is not None else sum(one.life is Life.ALIVE for one in self._devices),
            load=load,
            error_share=error_share,
            exchanges=self._load.exchanges,
            heard=HeardCounts(
                requests=counts[Kind.REQUEST],
                replies=counts[Kind.REPLY],
                unasked=counts[Kind.UNASKED],
                silent=counts[Kind.NO_REPLY],
                noise_bytes=self._noise_bytes,
            ),
        )

    def devices(self) -> list[tuple[int, DeviceStatus]]:
        """Give (index in the site, status) of each device."""
        return [(one.wanted.index, one.status()) for one in self._devices]

    async def _session(self) -> None:
        """Open the port, listen until something ends it, close it."""
        try:
            await self._ear.open()
        except LinkDownError as error:
            await self._down(error)
            return
        lost: LinkDownError | None = None
        try:
            self._up()
            await self._listen(self._ear.hearing())
        except LinkDownError as error:
            lost = error
        finally:
            await self._ear.aclose()  # an adapter that is put back while we hold it would get another name
        if lost is not None:
            await self._down(lost)

    async def _listen(self, hearing: Overhearing) -> None:
        while not self._stopping:
            data = await self._some(self._silence_s if hearing.waits else _REST_S)
            now_ns = self._clock.mono_ns()
            heard = hearing.heard(data, now_ns) if data else hearing.idle(now_ns, silence=True)
            for said in heard:
                self._take(said)
            if data:
                self._failures = 0
            if now_ns >= self._look_ns:
                self._look(now_ns, lambda device, now_ns: device.look(now_ns, self.bus.port))

    async def _some(self, seconds: float) -> bytes:
        """Give the next bytes, b"" if none came for so long or ``stop`` was called."""
        try:
            async with asyncio.timeout(seconds) as self._nap:
                return await self._ear.read()
        except TimeoutError:
            return b""
        finally:
            self._nap = None

    def _take(self, said: Said) -> None:
        self._counts[said.kind] += 1
        if said.kind is Kind.NOISE:
            self._noise_bytes += len(said.raw)
        if said.after_ns is not None:
            self._load.add(said.at_ns - said.after_ns, said.at_ns, good=said.kind is Kind.REPLY)
        for device in self._devices:
            device.hear(said)

    def _look(self, now_ns: int, each: Callable[[HeardDevice, int], None]) -> None:
        self._look_ns = now_ns + LOOK_NS
        for device in self._devices:
            each(device, now_ns)
            device.report(now_ns)

    def _up(self) -> None:
        if self._phase is BusPhase.DOWN:
            _log.warning("bus-up bus=%s port=%s", self.bus.name, self.bus.port)
            self._recorder.bus_fault(self.bus.name, BUS_BACK, "")
        self._fault = None
        self._set_phase(BusPhase.UP)
        for device in self._devices:
            device.up(self._clock.mono_ns())

    async def _down(self, error: LinkDownError) -> None:
        """Say once that the port is gone, then wait before it is tried again."""
        self._fault = error
        now_ns = self._clock.mono_ns()
        if self._phase is not BusPhase.DOWN:
            _log.warning("bus-down bus=%s code=%s: %s", self.bus.name, error.code, error)
            self._recorder.bus_fault(self.bus.name, error.code, str(error))
            self._set_phase(BusPhase.DOWN)
            for device in self._devices:
                device.lose_all(error.code, str(error), error.quality, now_ns)
        self._look(now_ns, HeardDevice.count_down)
        pause_s = REOPEN_PAUSES_S[min(self._failures, len(REOPEN_PAUSES_S) - 1)]
        self._failures += 1
        if self._stopping:
            return
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(pause_s) as self._nap:
                    await asyncio.get_running_loop().create_future()
            finally:
                self._nap = None

    def _set_phase(self, phase: BusPhase) -> None:
        if phase is not self._phase:
            self._phase, self._since_ns = phase, self._clock.mono_ns()
