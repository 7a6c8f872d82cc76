"""Serial ports of device servers (RFC 2217), through pyserial's client.

pyserial blocks: it sleeps while options are negotiated and reads from a queue. So two threads of this stream do that,
one that reads and one that does everything else in the order it was asked for; the event loop never waits for either.
A change of speed or parity takes the server's answer and some 0.1 s of pyserial's own sleeping.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import serial
import serial.rfc2217

from drivers.errors import LinkDownError
from drivers.profile import LineSettings

_LOOK_S: Final = 0.5  # how often the reading thread looks whether it is to end
_MOST_UNREAD: Final = 65536  # bytes; a serial port's driver keeps 4096, and as here what comes then is lost
_FAULTS: Final = (serial.SerialException, ValueError, OSError)
"""What pyserial raises: ValueError where the server rejects a setting."""


class Rfc2217Stream:
    """One port of a device server; a ``ByteStream``."""

    def __init__(self, port: serial.rfc2217.Serial, name: str, commands: ThreadPoolExecutor) -> None:
        """Take over the open port and the one thread that talks to it."""
        self._port = port
        self._name = name
        self._commands = commands
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._waiting: asyncio.Future[None] | None = None
        self._end: str | None = None
        self._reader = threading.Thread(target=self._read_on, name=f"rfc2217 {name}", daemon=True)
        self._reader.start()

    async def read(self) -> bytes:
        """Wait for at least one byte and give all that are there."""
        while not self._input:
            self._check_open()
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._take()

    def write(self, data: bytes) -> None:
        """Hand ``data`` over for sending, behind all that was asked for before."""
        self._check_open()
        self._commands.submit(self._port.write, data).add_done_callback(self._on_written)

    def discard_input(self) -> bytes:
        """Drop what came in and was not read; give it."""
        if not self._input:
            self._check_open()
        return self._take()

    async def set_line(self, settings: LineSettings) -> None:
        """Change speed, parity, size and stop bits, behind all that was asked for before.

        Raises:
            LinkDownError: the server does not take them, or is gone.
        """
        self._check_open()
        try:
            await self._loop.run_in_executor(self._commands, _set, self._port, settings)
        except _FAULTS as error:
            what = f"{settings.baud} Bd {settings.data_bits}{settings.parity.value}{settings.stop_bits}"
            self._ended(f"does not take {what} ({error})")
            self._check_open()

    async def aclose(self) -> None:
        """Close the connection; a pending read ends with LinkDownError."""
        already = self._end is not None
        self._ended("is closed")
        if already and not self._port.is_open:
            return
        await self._loop.run_in_executor(self._commands, self._port.close)
        self._commands.shutdown(wait=False)

    def _read_on(self) -> None:
        """Bring what comes into the loop, until the port is closed or gone."""
        why = "is gone (closed by the other side)"
        try:
            while self._port.is_open and self._end is None:
                data = self._port.read(1)
                if data:
                    data += self._port.read(self._port.in_waiting)
                    self._tell(self._arrived, data)
        except (*_FAULTS, TypeError) as error:  # TypeError: closed while it read
            why = f"is gone ({error})"
        self._tell(self._ended, why)

    def _on_written(self, done: Future[int | None]) -> None:
        error = done.exception() if not done.cancelled() else None
        if error is not None:
            self._tell(self._ended, f"cannot be written to ({error})")

    def _tell(self, what: Callable[..., None], argument: object) -> None:
        if not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(what, argument)
            except RuntimeError:  # the loop was closed in between: nobody is left to be told
                return

    def _arrived(self, data: bytes) -> None:
        self._input += data[: _MOST_UNREAD - len(self._input)]
        self._wake()

    def _ended(self, why: str) -> None:
        if self._end is None:
            self._end = why
            self._wake()

    def _check_open(self) -> None:
        if self._end is not None:
            raise LinkDownError(f"{self._name} {self._end}")

    def _take(self) -> bytes:
        data = bytes(self._input)
        self._input.clear()
        return data

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def open_rfc2217(host: str, port: int, settings: LineSettings) -> Rfc2217Stream:
    """Connect to a device server and set its line.

    Raises:
        LinkDownError: no connection, no RFC 2217 at the other end, or it does not take these settings.
    """
    name = f"rfc2217://{_bracketed(host)}:{port}"
    commands = ThreadPoolExecutor(1, thread_name_prefix=f"rfc2217 {host}:{port}")
    try:
        opened = await asyncio.get_running_loop().run_in_executor(commands, _open, name, settings)
    except _FAULTS as error:
        commands.shutdown(wait=False)
        raise LinkDownError(f"{name}: {_reason(error)}") from error
    return Rfc2217Stream(opened, name, commands)


class _Port(serial.rfc2217.Serial):
    """pyserial's client, which forgets its socket when the other side is gone before it."""

    def close(self) -> None:
        """Close the connection, whatever has become of it."""
        connection = self._socket  # type: ignore[attr-defined]  # pyserial types nothing private
        super().close()
        if connection is not None:
            connection.close()


def _open(url: str, settings: LineSettings) -> _Port:
    port = _Port(
        None,
        baudrate=settings.baud,
        bytesize=settings.data_bits,
        parity=settings.parity.value,
        stopbits=settings.stop_bits,
        timeout=_LOOK_S,
    )
    port.port = url
    port.open()
    return port


def _set(port: serial.rfc2217.Serial, settings: LineSettings) -> None:
    """Change what differs; each change is a question to the server of its own."""
    if port.baudrate != settings.baud:
        port.baudrate = settings.baud
    if port.parity != settings.parity.value:
        port.parity = settings.parity.value
    if port.bytesize != settings.data_bits:
        port.bytesize = settings.data_bits
    if port.stopbits != settings.stop_bits:
        port.stopbits = settings.stop_bits


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(error: BaseException) -> str:
    text = str(error)
    if "not seem to support RFC2217" in text:
        return "what answers there is no RFC 2217 server; is it a converter that passes bytes through (rtu+tcp://)?"
    if "parameter change" in text or "rejected" in text:
        return "the server does not take this speed or parity"
    cause = error.__context__
    return f"no connection ({cause if isinstance(cause, OSError) else text})"
