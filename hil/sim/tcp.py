"""Modbus TCP devices for load: 100 holding registers each, cheap enough for hundreds in one process.

Registers 0-1 count the reads of register 0 over all devices, 2-3 are CLOCK_BOOTTIME in ms, the other 96 move slowly.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REGISTERS: Final = 100
_HEADER: Final = struct.Struct(
    ">HHHB"
)  # Modbus Messaging on TCP/IP V1.0b, 3.1.3: transaction, protocol, length, unit
_READ: Final = struct.Struct(">BHH")
_HEAD: Final = struct.Struct(">II")
_MOVED_AT_ONCE: Final = 12


@dataclass(slots=True)
class TcpCounters:
    """Totals over all devices of one process."""

    reads: int = 0
    refused: int = 0
    sequence: int = 0


class BlockDevice:
    """One device of 100 holding registers."""

    def __init__(self, number: int, seed: int, counters: TcpCounters, *, still: bool) -> None:
        """Take its number, the seed of its values, the shared counters, and whether the values stand still."""
        self._random = random.Random(f"{seed}:{number}")
        self._tail = [self._random.randrange(1000, 60000) for _ in range(REGISTERS - 4)]
        self._packed = struct.pack(f">{REGISTERS - 4}H", *self._tail)
        self._counters = counters
        self._still = still
        self._next = 0

    def answer(self, pdu: bytes) -> bytes:
        """Answer one request PDU; only function 3 within the 100 registers is served."""
        self._counters.reads += 1
        if len(pdu) != 5 or pdu[0] != 3:
            return self._refuse(pdu[0], 1)
        _, address, count = _READ.unpack(pdu)
        if not 1 <= count <= 125:
            return self._refuse(3, 3)
        if address + count > REGISTERS:
            return self._refuse(3, 2)
        if address == 0:
            self._counters.sequence += 1
            self._move()
        now_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        data = _HEAD.pack(self._counters.sequence & 0xFFFFFFFF, now_ms & 0xFFFFFFFF) + self._packed
        return bytes((3, 2 * count)) + data[2 * address : 2 * (address + count)]

    def _move(self) -> None:
        if self._still:
            return
        tail = self._tail
        for index in range(self._next, self._next + _MOVED_AT_ONCE):
            tail[index] += self._random.choice((-1, 0, 1))
        self._next = (self._next + _MOVED_AT_ONCE) % len(tail)
        self._packed = struct.pack(f">{REGISTERS - 4}H", *tail)

    def _refuse(self, function: int, code: int) -> bytes:
        self._counters.refused += 1
        return bytes((function | 0x80, code))


class TcpServer(asyncio.Protocol):
    """One connection: requests of any number, whole or in pieces, in; replies out in their order."""

    def __init__(self, devices: dict[int, BlockDevice], only: BlockDevice | None) -> None:
        """Take the devices by unit id; with ``only`` every unit id is answered by that one."""
        self._devices = devices
        self._only = only
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; a wrong protocol identifier or length ends the connection."""
        assert self._transport is not None
        buffer = self._buffer + data if self._buffer else data
        out = []
        while len(buffer) >= 8:
            transaction, protocol, length, unit = _HEADER.unpack_from(buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self._transport.close()
                return
            if len(buffer) < 6 + length:
                break
            device = self._only or self._devices.get(unit)
            if device is not None:  # an unknown unit stays silent, as behind a serial gateway
                pdu = device.answer(buffer[7 : 6 + length])
                out.append(_HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
            buffer = buffer[6 + length :]
        self._buffer = buffer
        if out:
            self._transport.write(b"".join(out))


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpFleet:
    """Running servers.

    Attributes:
        ports: one for each device, or one for all.
        counters: totals, changing.
        servers: to be closed at the end.
    """

    ports: tuple[int, ...]
    counters: TcpCounters
    servers: tuple[asyncio.Server, ...]


async def start_fleet(
    devices: int, base_port: int, seed: int, *, one_port: bool = False, still: bool = False
) -> TcpFleet:
    """Serve ``devices`` devices on 127.0.0.1 from ``base_port`` up (0: ports that are free), or all on one port."""
    loop = asyncio.get_running_loop()
    counters = TcpCounters()
    fleet = {number: BlockDevice(number, seed, counters, still=still) for number in range(1, devices + 1)}
    if one_port:
        servers = [await loop.create_server(lambda: TcpServer(fleet, None), "127.0.0.1", base_port)]
    else:
        servers = [
            await loop.create_server(_factory(device), "127.0.0.1", base_port and base_port + number - 1)
            for number, device in fleet.items()
        ]
    ports = tuple(int(server.sockets[0].getsockname()[1]) for server in servers)
    return TcpFleet(ports=ports, counters=counters, servers=tuple(servers))


def _factory(device: BlockDevice) -> Callable[[], TcpServer]:
    return lambda: TcpServer({}, device)
