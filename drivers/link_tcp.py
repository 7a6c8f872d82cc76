"""Modbus TCP: many small exchanges at little cost.

The transaction number tells every reply from every other, so a late reply is dropped without any waiting. One
exchange is one send, one receive and one future; there is no task and no decoder object in it as long as replies
come whole, which they do.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Final

from drivers.codec.framing import Noise
from drivers.codec.modbus_tcp import HEADER, HEADER_BYTES, TcpFrame, TcpStreamDecoder, answers, encode
from drivers.errors import LinkDownError, NoReplyError
from drivers.hearing import count_noise
from drivers.link_counters import LinkCounters
from drivers.profile import LineSettings
from drivers.transport.tcp import connect

MODBUS_PORT: Final = 502
_CHUNK_BYTES: Final = 4096
_READ_HEAD: Final = 9  # header, function, byte count


@dataclass(slots=True)
class _Waiting:
    """An exchange whose reply has not come."""

    reply: asyncio.Future[bytes]
    unit: int
    pdu: bytes


class TcpLink:
    """One connection to a Modbus TCP server; a ``Line`` of ``drivers.sources``.

    It does not connect again: after a LinkDownError the caller opens a new one.

    Args:
        connection: a non-blocking socket, from ``drivers.transport.tcp.connect``; the link closes it.
        name: what a person calls the server, for sentences.
        pipeline: requests that may be open at once; devices that say nothing else bear one.
    """

    def __init__(self, connection: socket.socket, *, name: str, pipeline: int = 1) -> None:
        self.name = name
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._free = pipeline
        self._queue: list[asyncio.Future[None]] = []  # mostly empty: a deque takes 0.6 kB on each of 200 connections
        self._open: dict[int, _Waiting] = {}
        self._transaction = 0
        self._decoder = TcpStreamDecoder()
        self._output = bytearray()
        self._end: str | None = None
        self._counts: Counter[str] = Counter()
        self._exchanges = 0
        self._replies = 0
        self._loop.add_reader(connection.fileno(), self._on_readable)

    @property
    def counters(self) -> LinkCounters:
        """What has happened so far."""
        return LinkCounters(exchanges=self._exchanges, replies=self._replies, **self._counts)

    async def ask(
        self,
        unit: int,
        pdu: bytes,
        *,
        timeout_s: float,
        line: LineSettings | None = None,  # noqa: ARG002 - no line here
        reply_bytes: int | None = None,  # noqa: ARG002 - the header tells it
    ) -> bytes:
        """Send ``pdu`` to ``unit`` and give the PDU of the reply, as ``Line.ask`` says."""
        if self._free:
            self._free -= 1
        else:
            await self._turn()
        try:
            transaction = self._send(unit, pdu)
            reply: asyncio.Future[bytes] = self._loop.create_future()
            self._open[transaction] = _Waiting(reply, unit, pdu)
            timer = self._loop.call_later(timeout_s, self._expire, transaction, timeout_s)
            try:
                return await reply
            finally:
                timer.cancel()
                self._open.pop(transaction, None)
        finally:
            self._pass_on()

    async def aclose(self) -> None:
        """Close the connection; exchanges that run end with LinkDownError."""
        self._ended("is closed")
        self._connection.close()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = self._loop.create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give this turn to who waits longest, or free it."""
        while self._queue:
            turn = self._queue.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _send(self, unit: int, pdu: bytes) -> int:
        if self._end is not None:
            self._counts["link_down"] += 1
            raise LinkDownError(f"{self.name} {self._end}")
        self._transaction = transaction = (self._transaction + 1) & 0xFFFF
        data = encode(transaction, unit, pdu)
        self._exchanges += 1
        if self._output:
            self._output += data
            return transaction
        try:
            sent = self._connection.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._ended(f"broke off ({error.strerror})")
            self._counts["link_down"] += 1
            raise LinkDownError(f"{self.name} {self._end}") from error
        if sent < len(data):
            self._output += data[sent:]
            self._loop.add_writer(self._connection.fileno(), self._on_writable)
        return transaction

    def _on_writable(self) -> None:
        try:
            sent = self._connection.send(self._output)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(f"broke off ({error.strerror})")
            return
        del self._output[:sent]
        if not self._output:
            self._loop.remove_writer(self._connection.fileno())

    def _on_readable(self) -> None:
        try:
            data = self._connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(f"broke off ({error.strerror})")
            return
        if not data:
            self._ended("was closed by the other side")
        elif self._decoder.buffered or not self._take_whole(data):
            for event in self._decoder.feed(data):
                self._take(event)

    def _take_whole(self, data: bytes) -> bool:
        """Take ``data`` if it is one whole reply to an open read, by far the most common case; no decoder needed."""
        if len(data) < _READ_HEAD:
            return False
        transaction, protocol, length, unit = HEADER.unpack_from(data)
        waiting = self._open.get(transaction)
        if waiting is None or protocol or length + 6 != len(data) or unit != waiting.unit:
            return False
        request = waiting.pdu
        function = request[0]
        count = request[3] << 8 | request[4] if len(request) == 5 else 0
        if (
            function not in (3, 4)
            or data[7] != function
            or data[8] != 2 * count
            or len(data) != _READ_HEAD + 2 * count
        ):
            return False
        self._answer(waiting, data[HEADER_BYTES:])
        return True

    def _take(self, event: TcpFrame | Noise) -> None:
        if isinstance(event, Noise):
            count_noise(self._counts, event.raw, event.reason)
            return
        waiting = self._open.get(event.transaction)
        if waiting is None:
            self._counts["late_replies"] += 1
        elif not answers(waiting.unit, waiting.pdu, event):
            self._counts["other_unit" if event.unit != waiting.unit else "other_reply"] += 1
        else:
            self._answer(waiting, event.pdu)

    def _answer(self, waiting: _Waiting, pdu: bytes) -> None:
        if waiting.reply.done():
            self._counts["surplus"] += 1
            return
        self._replies += 1
        waiting.reply.set_result(pdu)

    def _expire(self, transaction: int, timeout_s: float) -> None:
        waiting = self._open.get(transaction)
        if waiting is not None and not waiting.reply.done():
            self._counts["no_reply"] += 1
            sentence = f"{self.name}: unit {waiting.unit} did not answer within {timeout_s * 1000:.0f} ms"
            waiting.reply.set_exception(NoReplyError(sentence))
        if self._decoder.buffered:  # half a frame whose rest never came must not swallow the next reply
            for event in tuple(self._decoder.flush()):
                self._take(event)

    def _ended(self, why: str) -> None:
        if self._end is not None:
            return
        self._end = why
        self._loop.remove_reader(self._connection.fileno())
        self._loop.remove_writer(self._connection.fileno())
        for waiting in self._open.values():
            if not waiting.reply.done():
                self._counts["link_down"] += 1
                waiting.reply.set_exception(LinkDownError(f"{self.name} {why}"))


async def open_tcp_link(host: str, port: int = MODBUS_PORT, *, timeout_s: float = 5.0, pipeline: int = 1) -> TcpLink:
    """Connect to a Modbus TCP server; raises like ``drivers.transport.tcp.connect``."""
    connection = await connect(host, port, timeout_s=timeout_s)
    return TcpLink(connection, name=f"{host}:{port}", pipeline=pipeline)
