"""TCP connections, for Modbus TCP and for serial converters that pass bytes through."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from contextlib import ExitStack
from typing import Final

from drivers.errors import LinkDownError
from drivers.transport.descriptor import DescriptorStream

_UNANSWERED_MS: Final = 10_000  # sent and not acknowledged this long: the connection is dead (RFC 5482)
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


class TcpStream(DescriptorStream):
    """One connection; a ``ByteStream``."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection = connection
        super().__init__(connection.fileno(), name)

    def hang_up(self, why: str) -> None:
        """Close at once; a pending read, and everything later, fails with a sentence that ends in ``why``."""
        self._ended(why)
        if not self._released:
            self._released = True
            self._release()

    def _release(self) -> None:
        self._connection.close()


def watch_over(connection: socket.socket) -> None:
    """Let a connection send at once and notice a dead peer."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


async def connect(host: str, port: int, *, timeout_s: float) -> socket.socket:
    """Open a non-blocking connection that sends at once and notices a dead peer.

    Raises:
        LinkDownError: no such host, refused, no route, or no answer within ``timeout_s``.
    """
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            return await _connect(host, port)
    except TimeoutError:
        raise LinkDownError(
            f"{where}: no connection within {timeout_s:g} s; is the device on, is the address right?"
        ) from None
    except socket.gaierror as error:
        raise LinkDownError(f"{where}: the name {host} is not known ({error.strerror})") from error
    except ValueError as error:  # it can be no name: two dots in a row, a label that is too long
        raise LinkDownError(f"{where}: the name {host} is not known (it can be none)") from error
    except OSError as error:
        raise LinkDownError(
            f"{where}: no connection ({os.strerror(error.errno) if error.errno else error})"
        ) from error


async def open_tcp(host: str, port: int, *, timeout_s: float = 5.0) -> TcpStream:
    """Open a byte stream over TCP; raises like ``connect``."""
    return TcpStream(await connect(host, port, timeout_s=timeout_s), f"{host}:{port}")


async def _connect(host: str, port: int) -> socket.socket:
    last: OSError | None = None
    for family, address in await _addresses(host, port):
        try:
            return await _connect_to(family, address)
        except OSError as error:
            last = error
    raise last or OSError("the name has no address")


async def _connect_to(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    with ExitStack() as undo:
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        undo.callback(connection.close)
        watch_over(connection)
        await asyncio.get_running_loop().sock_connect(connection, address)
        undo.pop_all()
    return connection


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Give (family, address); only a name costs a look-up, which runs in a thread."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, (str(address[0]), port)) for family, _, _, _, address in found]
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]
