"""Two byte streams joined in memory: what one writes the other reads, at once."""

from __future__ import annotations

import asyncio

from drivers.errors import LinkDownError
from drivers.profile import LineSettings


class _Lane:
    """Bytes on their way in one direction."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.open = True
        self._reader: asyncio.Future[None] | None = None

    def put(self, data: bytes) -> None:
        self.waiting += data
        self._wake()

    def take(self) -> bytes:
        data = bytes(self.waiting)
        self.waiting.clear()
        return data

    def close(self) -> None:
        self.open = False
        self._wake()

    async def filled(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class MemoryStream:
    """One end of ``pipe()``; a ``ByteStream``.

    Attributes:
        line: the settings that were asked for last, None before; the bytes do not care.
    """

    def __init__(self, name: str, incoming: _Lane, outgoing: _Lane) -> None:
        self.line: LineSettings | None = None
        self._name = name
        self._in = incoming
        self._out = outgoing

    async def read(self) -> bytes:
        """Wait for at least one byte and give all that are there."""
        while not self._in.waiting:
            self._check_open()
            await self._in.filled()
        return self._in.take()

    def write(self, data: bytes) -> None:
        """Put ``data`` into the other end's input."""
        self._check_open()
        self._out.put(data)

    def discard_input(self) -> bytes:
        """Drop what came in and was not read; give it."""
        data = self._in.take()
        if not data:
            self._check_open()
        return data

    async def set_line(self, settings: LineSettings) -> None:
        """Note the settings."""
        self._check_open()
        self.line = settings

    async def aclose(self) -> None:
        """Close both ends; pending reads end with LinkDownError, after what was already there."""
        self._in.close()
        self._out.close()

    def _check_open(self) -> None:
        if not self._in.open:
            raise LinkDownError(f"{self._name}: the connection is closed")


def pipe(name: str = "memory") -> tuple[MemoryStream, MemoryStream]:
    """Make two joined streams."""
    there, back = _Lane(), _Lane()
    return MemoryStream(name, back, there), MemoryStream(name, there, back)
