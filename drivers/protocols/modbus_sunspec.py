"""A SunSpec device: finds out which models it has, then reads them as the Modbus device that it is.

Until the models are known there is one read for each period; the first of them walks the chain and then says that the
plan has changed. After a new connection the chain is walked again, since another device may stand there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drivers.batch import Batch
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, read_request
from drivers.errors import FrameError, RefusedError
from drivers.periods import by_period
from drivers.profile import Framing, Table
from drivers.protocols.modbus import ModbusDevice
from drivers.protocols.modbus_sunspec_place import place_of, resolve
from drivers.protocols.modbus_sunspec_walk import BASES, Chain, find_models
from drivers.quality import Quality
from drivers.sources import Line, Read
from drivers.wire_protocol import Placed

_HEADER_BYTES = 24  # of a request and a reply of two registers, for who plans the bus
_NEVER_S = 3600.0  # a device does not grow models while it runs


class SunspecDevice:
    """One device; a ``LinkedDevice``.

    Args:
        placed: where it stands and what it is.
        framing: how its PDUs travel.
    """

    def __init__(self, placed: Placed, framing: Framing) -> None:
        profile = placed.profile
        self._placed = placed
        self._framing = framing
        self._line: Line = placed.link
        self._places = tuple(place_of(point, f"{profile.id}: {point.name}") for point in profile.points)
        self._chain: Chain | None = None
        self._known = False
        self._device: ModbusDevice | None = None
        self._indexes: tuple[int, ...] = ()
        self._absent: Read | None = None
        self._reads = self._first_reads()

    @property
    def chain(self) -> Chain | None:
        """The models that were found; None before the first read."""
        return self._chain

    @property
    def reads(self) -> Sequence[Read]:
        """The exchanges that read every point once per period; another plan once the models are known."""
        if self._device is None:
            return self._reads
        inner = tuple(self._outer(read) for read in self._device.reads)
        return inner if self._absent is None else (*inner, self._absent)

    def use(self, line: Line) -> None:
        """Talk over ``line`` from now on; its models are looked at again."""
        self._line = line
        self._known = False
        if self._device is not None:
            self._device.use(line)

    async def read(self, read: Read) -> Batch:
        """Do one exchange, or first find out what to ask for; raises as ``Device.read`` says.

        Raises:
            RefusedError: ``replanned`` when the models are known now; otherwise no SunSpec device.
        """
        if not self._known:
            before = self._chain
            await self._look()
            if self._chain != before:
                raise RefusedError(f"{self._where} has shown its SunSpec models", 0, replanned=True)
        device = self._device
        if read == self._absent or device is None:
            return self._nothing(read)
        inner = next((one for one in device.reads if self._outer(one).points == read.points), None)
        if inner is None:  # a read of an earlier plan
            raise RefusedError(f"{self._where} is asked in another way now", 0, replanned=True)
        batch = await device.read(inner)
        return replace(batch, points=read.points)

    async def probe(self) -> None:
        """Ask for the marker; a refusal counts as life. Raises like ``read``."""
        base = BASES[0] if self._chain is None else self._chain.base
        try:
            await self._registers(base, 2)
        except RefusedError:
            return

    @property
    def _where(self) -> str:
        return f"{self._line.name}: unit {self._placed.unit}"

    async def _look(self) -> None:
        """Walk the chain and plan the reads anew if it is another than before."""
        chain = await find_models(self._registers)
        self._known = True
        if chain == self._chain:
            return
        self._chain = chain
        profile = self._placed.profile
        found = [
            resolve(point, place, chain.models) for point, place in zip(profile.points, self._places, strict=True)
        ]
        self._indexes = tuple(i for i, point in enumerate(found) if point is not None)
        absent = tuple(i for i, point in enumerate(found) if point is None)
        self._absent = Read(points=absent, period_s=_NEVER_S, request_bytes=0, reply_bytes=0) if absent else None
        self._device = None
        if self._indexes:
            self._device = ModbusDevice(
                index=self._placed.index,
                unit=self._placed.unit,
                profile=replace(profile, points=tuple(point for point in found if point is not None), examples=()),
                line=self._line,
                clock=self._placed.clock,
                framing=self._framing,
                settings=self._placed.settings,
            )
        else:
            self._reads = () if self._absent is None else (self._absent,)

    async def _registers(self, address: int, count: int) -> bytes:
        request = read_request(Table.HOLDING_REGISTER, address, count)
        timeout_s = self._placed.profile.limits.turnaround_ms / 1000 + (1.0 if self._framing is Framing.TCP else 0.0)
        reply = await self._line.ask(self._placed.unit, request, timeout_s=timeout_s, line=self._placed.settings)
        if len(reply) == 2 and reply[0] == request[0] | EXCEPTION_FLAG:
            raise RefusedError(f"{self._where} refuses registers {address} and on", reply[1], reply)
        if len(reply) != 2 + 2 * count or reply[:2] != bytes((request[0], 2 * count)):
            raise FrameError(f"{self._where} gave an answer of the wrong length", reply)
        return reply[2:]

    def _outer(self, read: Read) -> Read:
        return replace(read, points=tuple(self._indexes[i] for i in read.points))

    def _nothing(self, read: Read) -> Batch:
        count = len(read.points)
        return Batch(
            device=self._placed.index,
            mono_ns=self._placed.clock.mono_ns(),
            points=read.points,
            values=(None,) * count,
            statuses=(int(Quality.BAD_NOT_SUPPORTED),) * count,
        )

    def _first_reads(self) -> tuple[Read, ...]:
        return tuple(
            Read(points=due, period_s=period_s, request_bytes=_HEADER_BYTES, reply_bytes=_HEADER_BYTES)
            for period_s, due in by_period(self._placed.profile.points)
        )
