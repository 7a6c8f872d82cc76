"""A station that connects to us: a listening socket that is a byte stream, whoever is connected at the moment."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import ExitStack, suppress

from drivers.errors import LinkDownError, PortBusyError, PortDeniedError
from drivers.profile import LineSettings
from drivers.transport.tcp import TcpStream, watch_over


class ListeningStream:
    """Bytes to and from the one who connected last; a ``ByteStream``.

    A station that comes back takes the place of its old connection, which may be half open for minutes. One that
    hangs up is waited for: the port itself is never gone.
    """

    def __init__(self, listener: socket.socket, name: str) -> None:
        """Take over a listening, non-blocking socket; ``aclose`` closes it."""
        self._listener = listener
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._stream: TcpStream | None = None
        self._change = asyncio.Event()
        self._closed = False
        self._loop.add_reader(listener.fileno(), self._accept)

    async def read(self) -> bytes:
        """Wait for at least one byte, and for a connection before that; give all bytes that are there."""
        while not self._closed:
            stream = self._stream
            if stream is None:
                self._change.clear()
                await self._change.wait()
                continue
            try:
                return await stream.read()
            except LinkDownError:
                await self._drop(stream)
        raise LinkDownError(f"{self._name} is closed")

    def write(self, data: bytes) -> None:
        """Hand ``data`` over for sending to the one who is connected; LinkDownError if nobody is."""
        if self._stream is None:
            raise LinkDownError(f"{self._name}: nobody is connected")
        self._stream.write(data)

    def discard_input(self) -> bytes:
        """Drop what came in and was not read; give it."""
        with suppress(LinkDownError):
            return b"" if self._stream is None else self._stream.discard_input()
        return b""

    async def set_line(self, settings: LineSettings) -> None:
        """Do nothing: no speed and no parity here."""

    async def aclose(self) -> None:
        """Stop listening and hang up; a pending read ends with LinkDownError."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        self._change.set()
        if self._stream is not None:
            await self._drop(self._stream)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it hung up before we looked
            return
        connection.setblocking(False)
        watch_over(connection)
        before, self._stream = self._stream, TcpStream(connection, self._name)
        self._change.set()
        if before is not None:
            before.hang_up("has been replaced by a newer connection")

    async def _drop(self, stream: TcpStream) -> None:
        if self._stream is stream:
            self._stream = None
        await stream.aclose()


async def open_listener(host: str, port: int) -> ListeningStream:
    """Listen on an address of ours.

    Raises:
        LinkDownError: the address is none of ours; PortBusyError, PortDeniedError if that is why.
    """
    where = f"{host}:{port}"
    with ExitStack() as undo:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            undo.callback(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(4)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            kind = {errno.EADDRINUSE: PortBusyError, errno.EACCES: PortDeniedError}.get(
                error.errno or 0, LinkDownError
            )
            raise kind(f"{where}: cannot be listened on ({why})") from error
        undo.pop_all()
    return ListeningStream(listener, where)
