"""A port that stations connect to."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from drivers.errors import LinkDownError, PortBusyError
from drivers.port_url import Way, read_port
from drivers.transport.tcp_listen import ListeningStream, open_listener
from hil.broker import free_port


async def opened() -> tuple[ListeningStream, int]:
    port = free_port()
    return await open_listener("127.0.0.1", port), port


def test_the_name_of_such_a_port_is_read() -> None:
    found = read_port("tcp-listen://0.0.0.0:9001")
    assert (found.way, found.host, found.number) == (Way.TCP_LISTEN, "0.0.0.0", 9001)
    assert Way.TCP_LISTEN.is_line
    with pytest.raises(LinkDownError, match="tcp-listen://host:port"):
        read_port("tcp-listen://0.0.0.0")


async def test_bytes_pass_both_ways_and_a_station_may_come_back() -> None:
    stream, port = await opened()
    waiting = asyncio.gather(stream.read())
    for word in (b"first", b"second"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(word)
        assert (await waiting)[0] == word
        stream.write(b"heard " + word)
        assert await reader.readexactly(6 + len(word)) == b"heard " + word
        waiting = asyncio.gather(stream.read())
        await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
    waiting.cancel()
    await stream.aclose()


async def test_the_newer_connection_counts() -> None:
    stream, port = await opened()
    old_reader, old = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.05)
    _, new = await asyncio.open_connection("127.0.0.1", port)
    assert await old_reader.read() == b"", "the old one is hung up on"
    new.write(b"here")
    assert await stream.read() == b"here"
    assert stream.discard_input() == b""
    await stream.aclose()
    old.close()
    new.close()


async def test_nobody_there_cannot_be_told_anything() -> None:
    stream, _ = await opened()
    assert stream.discard_input() == b""
    with pytest.raises(LinkDownError, match="nobody is connected"):
        stream.write(b"hello")
    await stream.aclose()
    await stream.aclose()
    with pytest.raises(LinkDownError, match="is closed"):
        await stream.read()


async def test_a_pending_read_ends_when_the_port_is_closed() -> None:
    stream, _ = await opened()
    waiting = asyncio.gather(stream.read(), return_exceptions=True)
    await asyncio.sleep(0)
    await stream.aclose()
    (ended,) = await waiting
    assert isinstance(ended, LinkDownError)


async def test_what_cannot_be_listened_on_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortBusyError, match="in use"):
        await open_listener("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(LinkDownError, match="cannot be listened on"):
        await open_listener("203.0.113.1", 9001)


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_no_descriptor_is_left() -> None:
    gc.collect()
    before = _open_descriptors()
    for _ in range(5):
        stream, port = await opened()
        writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(3)]
        await asyncio.sleep(0.02)
        await stream.aclose()
        for writer in writers:
            writer.close()
            await writer.wait_closed()
    await asyncio.sleep(0.02)
    gc.collect()
    assert _open_descriptors() <= before
