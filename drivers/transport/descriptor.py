"""A byte stream on a non-blocking descriptor that the event loop watches: what serial ports and sockets share."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from drivers.errors import LinkDownError
from drivers.profile import LineSettings

_CHUNK_BYTES: Final = 4096


class DescriptorStream:
    """Reads, writes and notices the end of one descriptor; a ``ByteStream``.

    The loop watches it only while ``read`` waits: who knows when the next bytes are due sleeps until then, and the
    bytes that come one by one cost nothing. A port that is gone stays readable for ever; nothing here spins on it.
    """

    def __init__(self, fd: int, name: str) -> None:
        """Take over ``fd``, which is non-blocking; ``aclose`` closes it."""
        self._fd = fd
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._output = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._end: str | None = None
        self._released = False

    async def read(self) -> bytes:
        """Wait for at least one byte and give all that are there."""
        self._fill()
        while not self._input:
            self._check_open()
            self._reader = self._loop.create_future()
            self._loop.add_reader(self._fd, self._fill)
            try:
                await self._reader
            finally:
                self._reader = None
                if self._end is None:
                    self._loop.remove_reader(self._fd)
        return self._take()

    def write(self, data: bytes) -> None:
        """Hand ``data`` over for sending; what the system does not take at once follows as soon as it does."""
        self._check_open()
        if self._output:
            self._output += data
            return
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._ended(f"cannot be written to ({error.strerror})")
            self._check_open()
            return
        if sent < len(data):
            self._output += data[sent:]
            self._loop.add_writer(self._fd, self._on_writable)

    def discard_input(self) -> bytes:
        """Drop what came in and was not read, the system's buffer too; give it."""
        self._fill()
        if not self._input:
            self._check_open()
        return self._take()

    async def set_line(self, settings: LineSettings) -> None:
        """Do nothing: no speed and no parity here."""

    async def aclose(self) -> None:
        """Release the descriptor; a pending read ends with LinkDownError."""
        self._ended("is closed")
        if not self._released:
            self._released = True
            self._release()

    def _release(self) -> None:
        """Close the descriptor, through what it belongs to if that is more."""
        os.close(self._fd)

    def _fill(self) -> None:
        if self._end is not None:
            return
        try:
            data = os.read(self._fd, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(f"is gone ({error.strerror})")
            return
        if not data:
            self._ended("is gone (unplugged, or closed by the other side)")
            return
        self._input += data
        self._wake()

    def _on_writable(self) -> None:
        try:
            sent = os.write(self._fd, self._output)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(f"cannot be written to ({error.strerror})")
            return
        del self._output[:sent]
        if not self._output:
            self._loop.remove_writer(self._fd)

    def _ended(self, why: str) -> None:
        if self._end is not None:
            return
        self._end = why
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._wake()

    def _check_open(self) -> None:
        if self._end is not None:
            raise LinkDownError(f"{self._name} {self._end}")

    def _take(self) -> bytes:
        data = bytes(self._input)
        self._input.clear()
        return data

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
