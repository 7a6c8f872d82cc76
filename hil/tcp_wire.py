"""A Modbus TCP server with faults, on a pair of sockets in this process: under virtual time too.

A pair of UNIX sockets delivers at once, so a loop that jumps as soon as nothing is ready never jumps over a byte.
Written from Modbus Messaging on TCP/IP V1.0b; shares no code with the drivers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hil.faults import Fault, Injector
from hil.sim.modbus import serve
from hil.sim.registers import Image
from hil.wire import Exchange

_HEAD = struct.Struct(">HHHB")
_NS = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class TcpUnit:
    """One unit behind the server.

    Attributes:
        image: what it holds.
        turnaround_ns: time it takes before it answers.
        alive: False answers nothing.
    """

    image: Image
    turnaround_ns: int = 2_000_000
    alive: bool = True


class TcpWire:
    """The server end of any number of connections, one after the other.

    Attributes:
        units: by unit id; may be changed at any time.
        injector: chooses the fault of each request.
        cut_at: bytes of the next reply after which the connection is closed, None for never; used once.
    """

    def __init__(
        self,
        units: Mapping[int, TcpUnit],
        *,
        injector: Injector | None = None,
        pick: Callable[[int], Fault] | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        """Take the units; ``pick`` chooses the fault by unit in the place of the injector."""
        self._loop = asyncio.get_running_loop()
        self.units = dict(units)
        self.injector = injector or Injector(0)
        self.cut_at: int | None = None
        self._pick = pick
        self._on_exchange = on_exchange
        self._number = 0
        self._buffer = b""
        self._server: socket.socket | None = None

    def connect(self) -> socket.socket:
        """Give the client end of a new connection; an older one is closed."""
        self.hang_up()
        client, self._server = socket.socketpair()
        client.setblocking(False)
        self._server.setblocking(False)
        self._buffer = b""
        self._loop.add_reader(self._server.fileno(), self._readable, self._server)
        return client

    def hang_up(self) -> None:
        """Close the connection."""
        if self._server is not None:
            self._loop.remove_reader(self._server.fileno())
            self._server.close()
            self._server = None

    def noise(self, data: bytes) -> None:
        """Send bytes that answer nothing."""
        self._write(self._server, data)

    def _readable(self, server: socket.socket) -> None:
        try:
            data = server.recv(4096)
        except OSError:
            data = b""
        if not data:
            if server is self._server:
                self.hang_up()
            return
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            size = 6 + _HEAD.unpack_from(self._buffer)[2]
            if len(self._buffer) < size:
                return
            request, self._buffer = self._buffer[:size], self._buffer[size:]
            self._hear(server, request)

    def _hear(self, server: socket.socket, request: bytes) -> None:
        now_ns = round(self._loop.time() * 1e9)
        number, unit_id, pdu = self._number, request[6], request[7:]
        self._number += 1
        unit = self.units.get(unit_id)
        fault, reply, delay_ns = Fault.NONE, b"", 0
        held: tuple[tuple[str, str], ...] = ()
        if unit is not None and unit.alive:
            fault = self._pick(unit_id) if self._pick is not None else self.injector.pick(number)
            answer, held = serve(unit.image, pdu, now_ns / _NS)
            delay_ns = unit.turnaround_ns
            if fault is Fault.LATE:
                delay_ns += self.injector.random.randint(*self.injector.sizes.late_ns)
            reply = self._with(fault, request, _frame(request, unit_id, answer), now_ns)
            if fault is not Fault.NONE:
                self.injector.happened[fault] += 1
            self._send(server, reply, fault, delay_ns)
        if self._on_exchange is not None:
            self._on_exchange(
                Exchange(
                    number=number, start_ns=now_ns, end_ns=now_ns, gap_ns=None, inside_silence=False, collided=False,
                    request=request[6:], reply=reply, reply_start_ns=now_ns + delay_ns if reply else None,
                    reply_end_ns=now_ns + delay_ns if reply else None, fault=fault, held=held,
                )
            )  # fmt: skip

    def _with(self, fault: Fault, request: bytes, reply: bytes, now_ns: int) -> bytes:
        """Damage a reply. FLIP hits what Modbus itself can see; TCP guards the registers with its own checksum."""
        rand = self.injector.random
        if fault is Fault.DROP:
            return b""
        if fault is Fault.FLIP:
            at = rand.randrange(_HEAD.size + 2)
            return reply[:at] + bytes([reply[at] ^ (1 << rand.randrange(8))]) + reply[at + 1 :]
        if fault is Fault.LOSE_BYTE:
            at = rand.randrange(_HEAD.size + 2)
            return reply[:at] + reply[at + 1 :]
        if fault is Fault.ECHO:
            return request + reply
        if fault in (Fault.GLITCH, Fault.GARBAGE):
            pool = b"\x00\xff\xfe" if fault is Fault.GLITCH else bytes(range(256))
            before, after = (bytes(rand.choices(pool, k=rand.randint(1, 8))) for _ in range(2))
            return before + reply + after
        if fault is Fault.DUPLICATE:
            return reply + reply
        if fault is Fault.TRUNCATE:
            return reply[: rand.randrange(1, len(reply))]
        if fault is Fault.BABBLE:
            return rand.randbytes(self.injector.sizes.babble_bytes)
        if fault is Fault.STUCK:
            return bytes(self.injector.sizes.babble_bytes)
        if fault in (Fault.OTHER_UNIT, Fault.TWO_AT_ONCE):
            return self._stray(request, now_ns) + (reply if fault is Fault.TWO_AT_ONCE else b"")
        return reply

    def _stray(self, request: bytes, now_ns: int) -> bytes:
        """Give another unit's answer under the number of this request, as a confused gateway does."""
        others = [unit for unit in self.units if unit != request[6]]
        other = self.injector.random.choice(others)
        return _frame(request, other, serve(self.units[other].image, request[7:], now_ns / _NS)[0])

    def _send(self, server: socket.socket, reply: bytes, fault: Fault, delay_ns: int) -> None:
        if not reply:
            return
        if self.cut_at is not None:
            at, self.cut_at = self.cut_at, None
            self._loop.call_later(delay_ns / _NS, self._cut, server, reply[:at])
        elif fault is Fault.SPLIT:
            sizes, rand = self.injector.sizes, self.injector.random
            at = rand.randrange(1, len(reply)) if sizes.split_at is None else min(sizes.split_at, len(reply) - 1)
            pause_ns = rand.randint(*sizes.split_ns)
            self._loop.call_later(delay_ns / _NS, self._write, server, reply[:at])
            self._loop.call_later((delay_ns + pause_ns) / _NS, self._write, server, reply[at:])
        else:
            self._loop.call_later(delay_ns / _NS, self._write, server, reply)

    def _cut(self, server: socket.socket, data: bytes) -> None:
        self._write(server, data)
        if server is self._server:
            self.hang_up()

    def _write(self, server: socket.socket | None, data: bytes) -> None:
        if server is not None and server is self._server and data:
            with contextlib.suppress(OSError):
                server.send(data)


def _frame(request: bytes, unit: int, pdu: bytes) -> bytes:
    return request[:2] + struct.pack(">HHB", 0, len(pdu) + 1, unit) + pdu
