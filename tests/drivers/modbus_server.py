"""A Modbus RTU server on a memory wire, written from the standard, and a device of ours that asks it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import (
    Framing,
    Kind,
    Label,
    Limits,
    LineSettings,
    ModbusLocation,
    NumberType,
    Point,
    Profile,
    Table,
)
from drivers.protocols.modbus import ModbusDevice
from drivers.transport.memory import MemoryStream, pipe
from hil.virtualtime import VirtualClock, VirtualPause, here

UNIT = 17
_LABEL = Label(en="x", zh="x")


def crc(data: bytes) -> bytes:
    """CRC-16 bit by bit, as Modbus over serial line V1.02, 6.2.2 describes it."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


@dataclass
class Server:
    """A Modbus RTU server (V1.1b3, 6.1 to 6.4): registers that exist, bits that are set, and one that misbehaves."""

    registers: dict[int, int] = field(default_factory=dict)
    bits: frozenset[int] = frozenset()
    exception: int = 0
    most: int = 125
    spoil: Callable[[bytes], bytes] | None = None
    asked: list[tuple[int, int, int]] = field(default_factory=list)

    def answer(self, request: bytes) -> bytes:
        assert crc(request[:-2]) == request[-2:]
        unit, function, first, count = struct.unpack(">BBHH", request[:-2])
        self.asked.append((function, first, count))
        body = bytes((unit,)) + self._pdu(function, first, count)
        reply = body + crc(body)
        return self.spoil(reply) if self.spoil else reply

    def _pdu(self, function: int, first: int, count: int) -> bytes:
        wanted = range(first, first + count)
        if self.exception:
            return bytes((function | 0x80, self.exception))
        if function in (1, 2):
            packed = sum(1 << i for i, address in enumerate(wanted) if address in self.bits)
            data = packed.to_bytes((count + 7) // 8, "little")
            return bytes((function, len(data))) + data
        if count > self.most:
            return bytes((function | 0x80, 3))
        if any(address not in self.registers for address in wanted):
            return bytes((function | 0x80, 2))
        return struct.pack(f">BB{count}H", function, 2 * count, *(self.registers[a] for a in wanted))


@asynccontextmanager
async def connected(
    server: Server, *profile_points: Point, limits: Limits | None = None
) -> AsyncIterator[ModbusDevice]:
    near, far = pipe()
    clock = VirtualClock(here())
    line = LineSettings()
    link = Link(near, name="memory", clock=clock, pause=VirtualPause(clock), line=line)
    device = ModbusDevice(
        index=4,
        unit=UNIT,
        profile=profile_of(*profile_points, limits=limits or Limits()),
        line=RtuLink(link),
        clock=clock,
        framing=Framing.RTU,
    )
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(_serve(server, far))
        yield device
        serving.cancel()


async def _serve(server: Server, stream: MemoryStream) -> None:
    while True:
        request = await stream.read()
        await asyncio.sleep(0.01)
        stream.write(server.answer(request))


def profile_of(*points: Point, limits: Limits) -> Profile:
    return Profile(
        id="test/device",
        vendor="x",
        model="x",
        label=_LABEL,
        protocol="modbus",
        digest=bytes(16),
        source="x",
        proof="nothing",
        line=LineSettings(),
        unit=UNIT,
        limits=limits,
        points=points,
    )


def point_of(address: int, kind: NumberType = NumberType.U16, period_s: float = 10.0, bit: bool = False) -> Point:
    table = Table.COIL if bit else Table.HOLDING_REGISTER
    return Point(
        name=f"p{address}",
        label=_LABEL,
        place=ModbusLocation(table=table, address=address, type=NumberType.BIT if bit else kind),
        unit=None if bit else "V",
        scale=Decimal(1),
        exponent=0,
        kind=Kind.STATE if bit else Kind.GAUGE,
        period_s=period_s,
    )
