"""The end of sending, waited for: on a pty, which has none, and on a port that takes its time."""

from __future__ import annotations

import asyncio
import os
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from drivers.adapter import Adapter, Direction, SendingEnd
from drivers.errors import LinkDownError
from drivers.profile import LineSettings
from drivers.transport.drain import Drain
from drivers.transport.serial import open_serial

WAITING = Adapter(sending_end=SendingEnd.WAIT)


@dataclass
class Port:
    """Both ends of a pty."""

    side: int
    path: str


@pytest.fixture
def port() -> Iterator[Port]:
    side, client = os.openpty()
    tty.setraw(client)
    yield Port(side, os.ttyname(client))
    for descriptor in (side, client):
        os.close(descriptor)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("drain ")]


async def test_a_port_whose_end_of_sending_is_waited_for_sends_and_hears(port: Port) -> None:
    stream = await open_serial(port.path, LineSettings(), WAITING)
    for _ in range(3):
        stream.write(b"\x01\x03")
        await stream.drain()
        assert os.read(port.side, 10) == b"\x01\x03"
    await stream.set_line(LineSettings(baud=19200))
    os.write(port.side, b"answer")
    assert await stream.read() == b"answer"
    await stream.aclose()
    await asyncio.sleep(0.05)
    assert threads() == []


async def test_a_port_whose_end_of_sending_is_reckoned_waits_for_nothing_and_has_no_thread(port: Port) -> None:
    stream = await open_serial(port.path, LineSettings())
    stream.write(b"\x01\x03")
    await stream.drain()
    assert threads() == []
    await stream.aclose()


async def test_a_port_without_rts_that_is_to_turn_by_it_still_sends(port: Port) -> None:
    adapter = Adapter(direction=Direction.RTS, sending_end=SendingEnd.WAIT)
    stream = await open_serial(port.path, LineSettings(), adapter)
    assert [finding.code for finding in stream.findings] == ["rts-refused"]
    stream.write(b"\x01")
    await stream.drain()
    assert os.read(port.side, 10) == b"\x01"
    await stream.aclose()


async def test_the_loop_goes_on_while_a_port_takes_its_time(port: Port) -> None:
    begun, release, left = asyncio.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(_fd: int) -> None:
        loop.call_soon_threadsafe(begun.set)
        release.wait(10)

    drain = Drain(os.open(port.path, os.O_RDWR | os.O_NOCTTY), "slow", left.set, slowly)
    drain.begin()
    waiting = loop.create_task(drain.wait(10))
    await begun.wait()
    turns = 0
    for _ in range(20):
        await asyncio.sleep(0)
        turns += 1
    assert (turns, waiting.done(), left.is_set()) == (20, False, False)
    release.set()
    await waiting
    assert left.is_set()
    drain.close()
    os.close(drain._fd)


async def test_a_port_that_never_sends_is_told_and_closing_it_waits_for_nobody(port: Port) -> None:
    release = threading.Event()

    def never(_fd: int) -> None:
        release.wait(10)

    drain = Drain(os.open(port.path, os.O_RDWR | os.O_NOCTTY), "stuck", lambda: None, never)
    drain.begin()
    with pytest.raises(LinkDownError, match="stuck does not send what it was given"):
        await drain.wait(0.02)
    drain.close()
    os.close(drain._fd)
    release.set()


async def test_a_port_that_is_pulled_while_it_sends_is_gone(port: Port) -> None:
    def gone(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    drain = Drain(os.open(port.path, os.O_RDWR | os.O_NOCTTY), "pulled", lambda: None, gone)
    drain.begin()
    with pytest.raises(LinkDownError, match="pulled is gone"):
        await drain.wait(1)
    drain.close()
    os.close(drain._fd)
