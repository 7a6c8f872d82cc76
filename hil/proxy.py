"""A TCP proxy that misbehaves: for half-open connections, resets and slow links between agent and broker."""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import Enum
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 4096


class Mode(Enum):
    """What happens to bytes; holds for open connections and for new ones."""

    PASS = "pass"
    HOLE = "hole"  # connections stay open, nothing gets through in either direction, nothing is answered
    RESET = "reset"  # open connections are reset now, new ones at once
    SLOW = "slow"  # bytes trickle at ``slow_bytes_s``


class FaultProxy:
    """Listens on 127.0.0.1 and passes to one target.

    Attributes:
        port: where it listens.
        mode: set it by ``become``.
        accepted: connections taken so far.
        up_bytes: bytes handed on to the target.
        down_bytes: bytes handed on from it.
        swallowed_bytes: bytes lost in the hole.
        slow_bytes_s: pace of SLOW, each direction of each connection.
    """

    def __init__(self, target_port: int, slow_bytes_s: int = 2000) -> None:
        self._target = target_port
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.mode = Mode.PASS
        self.accepted = 0
        self.up_bytes = 0
        self.down_bytes = 0
        self.swallowed_bytes = 0
        self.slow_bytes_s = slow_bytes_s

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Reset what is open and stop listening."""
        assert self._server is not None
        self._server.close()
        self.become(Mode.RESET)
        await asyncio.sleep(0)

    def become(self, mode: Mode) -> None:
        """Change the behaviour from the next byte on."""
        self.mode = mode
        if mode is Mode.RESET:
            for writer in list(self._writers):
                _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            if self.mode is Mode.RESET:
                _reset(writer)
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far_writer)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, far_writer, up=True))
                    group.create_task(self._pump(far_reader, writer, up=False))
            finally:
                self._writers.discard(far_writer)
                far_writer.close()
        except OSError:
            _reset(writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if self.mode is Mode.HOLE:
                    self.swallowed_bytes += len(data)
                    continue
                if self.mode is Mode.SLOW:
                    await asyncio.sleep(len(data) / self.slow_bytes_s)
                writer.write(data)
                if up:
                    self.up_bytes += len(data)
                else:
                    self.down_bytes += len(data)
                await writer.drain()
        except ConnectionError:
            _reset(writer)
            return
        if self.mode is not Mode.HOLE and not writer.is_closing():
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
