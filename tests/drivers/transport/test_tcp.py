from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.errors import LinkDownError
from drivers.transport.tcp import open_tcp


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


async def test_bytes_pass_both_ways_and_the_end_is_told(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    port = listener.getsockname()[1]
    stream = await open_tcp("127.0.0.1", port)
    other, _ = await loop.sock_accept(listener)
    with other:
        stream.write(b"ask")
        assert await loop.sock_recv(other, 100) == b"ask"
        await loop.sock_sendall(other, b"answer")
        assert await stream.read() == b"answer"
    with pytest.raises(LinkDownError, match=f"127.0.0.1:{port} is gone"):
        await stream.read()
    await stream.aclose()


async def test_a_name_is_looked_up(listener: socket.socket) -> None:
    await (await open_tcp("localhost", listener.getsockname()[1])).aclose()


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("host", ["192.168..5", "a" * 64])
async def test_what_can_be_no_name_at_all_is_told_like_one_that_is_not_known(host: str) -> None:
    with pytest.raises(LinkDownError, match="is not known"):
        await open_tcp(host, 502)


async def test_each_failure_to_connect_has_its_sentence() -> None:
    before = descriptors()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: refused
        port = held.getsockname()[1]
        with pytest.raises(LinkDownError, match=rf"127\.0\.0\.1:{port}: no connection \(Connection refused\)"):
            await open_tcp("127.0.0.1", port)
    with pytest.raises(LinkDownError, match=r"no\.such\.host\.invalid:502: the name .* is not known"):
        await open_tcp("no.such.host.invalid", 502)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(LinkDownError, match=r"no connection within 0\.2 s"):
            await open_tcp(*address, timeout_s=0.2)
        for one in crowd:
            one.close()
    assert descriptors() == before
