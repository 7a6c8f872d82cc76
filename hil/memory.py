"""The client end of a ``Line`` in memory, in the shape of a byte stream; runs under any event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from drivers.errors import LinkDownError
from hil.characters import Characters, HasBaud
from hil.wire import Line


class LineStream:
    """What a driver holds in the place of a serial port.

    Attributes:
        line: the bus behind it.
    """

    def __init__(
        self,
        line: Line,
        now_ns: Callable[[], int] | None = None,
        parity_of: Callable[[Any], str] | None = None,
    ) -> None:
        """Take the bus and its clock, by default the time of the running event loop.

        ``parity_of`` reads the letter of a client's settings; without it parity is invisible, as on a pty.
        """
        self._parity_of = parity_of
        self._loop = asyncio.get_running_loop()
        self._now_ns = now_ns or (lambda: round(self._loop.time() * 1e9))
        self.line = line
        self._settings = line.settings
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._down = False
        self._plan()  # somebody may speak by himself

    async def read(self) -> bytes:
        """Wait for at least one byte; give all that are there. LinkDownError when the adapter is gone."""
        while not self._buffer:
            if self._down:
                raise LinkDownError("the simulated adapter is gone")
            self._arrived.clear()
            await self._arrived.wait()
        return self.discard_input()

    def write(self, data: bytes) -> None:
        """Begin to send ``data`` now."""
        if self._down:
            raise LinkDownError("the simulated adapter is gone")
        now = self._now_ns()
        self._take(self.line.advance(now))
        self.line.client_sent(data, now, self._settings)
        self._plan()

    def discard_input(self) -> bytes:
        """Drop what came in and was not read; give it."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def set_line(self, settings: HasBaud) -> None:
        """Change the client's speed, stop bits and, where it can be seen, parity."""
        own = self.line.settings
        parity = own.parity if self._parity_of is None else self._parity_of(settings)
        self._settings = Characters(
            baud=settings.baud, stop_bits=settings.stop_bits, parity=parity, data_bits=own.data_bits
        )
        self.line.client_changed(self._settings)

    async def aclose(self) -> None:
        """Release the port; a pending read ends with LinkDownError."""
        self.unplug()

    def disturb(self, data: bytes) -> None:
        """Put noise on the wire from now on."""
        now = self._now_ns()
        self._take(self.line.advance(now))
        self.line.noise(data, now)
        self._plan()

    def unplug(self) -> None:
        """Take the adapter away: reads and writes fail from now on."""
        self._down = True
        self._buffer.clear()
        self.line.silence()
        if self._timer is not None:
            self._timer.cancel()
        self._arrived.set()

    def replug(self) -> None:
        """Put the adapter back, for a stream that is used again."""
        self._down = False

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.line.next_ns()
        if due is not None:
            wait = max(0, due - self._now_ns()) / 1e9
            self._timer = self._loop.call_later(wait, self._advance)

    def _advance(self) -> None:
        self._take(self.line.advance(self._now_ns()))
        self._plan()

    def _take(self, data: bytes) -> None:
        if data:
            self._buffer += data
            self._arrived.set()
