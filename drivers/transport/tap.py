"""A stream that tells someone else all that passes through it."""

from __future__ import annotations

from typing import Protocol

from drivers.profile import LineSettings
from drivers.sources import ByteStream


class Sink(Protocol):
    """Who listens. Must not raise and must not wait."""

    def sent(self, data: bytes) -> None:
        """Take what goes out."""
        ...

    def received(self, data: bytes) -> None:
        """Take what came in, also what was then dropped unread."""
        ...


class Tap:
    """A ``ByteStream`` round another."""

    def __init__(self, stream: ByteStream, sink: Sink) -> None:
        self._stream = stream
        self._sink = sink

    async def read(self) -> bytes:
        """Wait for at least one byte and give all that are there."""
        data = await self._stream.read()
        self._sink.received(data)
        return data

    def write(self, data: bytes) -> None:
        """Hand ``data`` over for sending."""
        self._stream.write(data)
        self._sink.sent(data)

    def discard_input(self) -> bytes:
        """Drop what came in and was not read; give it."""
        data = self._stream.discard_input()
        if data:
            self._sink.received(data)
        return data

    async def set_line(self, settings: LineSettings) -> None:
        """Change the line."""
        await self._stream.set_line(settings)

    async def aclose(self) -> None:
        """Release the port."""
        await self._stream.aclose()
