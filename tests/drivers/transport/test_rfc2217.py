"""Ports of device servers, through pyserial's own server side: speed, parity, unplugged, not there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.codec import modbus_pdu
from drivers.errors import LinkDownError, NoReplyError
from drivers.line_opening import open_link
from drivers.profile import LineSettings, Parity, Table
from drivers.transport.rfc2217 import open_rfc2217
from hil.characters import Characters
from hil.rfc2217 import Rfc2217Line
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.wire import Line

_EVEN = LineSettings(baud=2400, parity=Parity.EVEN)
_REQUEST = modbus_pdu.read_request(Table.INPUT_REGISTER, 1, 2)


def _line(settings: Characters) -> Line:
    device = RtuDevice(7, IMAGES["generic/xy-md02"]("7"), settings=settings)
    return Line([device], settings=settings, step=16)


def _number(rig: Rfc2217Line) -> int:
    return int(rig.url.rpartition(":")[2])


@pytest.fixture
def rig() -> Iterator[Rfc2217Line]:
    with Rfc2217Line(_line(Characters(baud=2400, parity="E"))) as served:
        yield served


async def test_the_right_speed_and_parity_are_answered_and_the_wrong_ones_are_not(rig: Rfc2217Line) -> None:
    pause = TimerfdPause()
    link = await open_link(rig.url, _EVEN, echo=False, clock=SystemClock(), pause=pause)
    try:
        good = await link.ask(7, _REQUEST, timeout_s=0.2)
        assert good[:2] == b"\x04\x04"
        for wrong in (LineSettings(baud=2400), LineSettings(baud=9600, parity=Parity.EVEN)):
            with pytest.raises(NoReplyError):
                await link.ask(7, _REQUEST, timeout_s=0.1, line=wrong)
            assert rig.settings.parity == wrong.parity.value
            assert rig.settings.baud == wrong.baud
        assert (await link.ask(7, _REQUEST, timeout_s=0.2, line=_EVEN))[:2] == b"\x04\x04"
    finally:
        await link.aclose()
        pause.close()
    assert threading.active_count() <= 3


async def test_what_the_wrong_parity_sends_is_garbage_on_the_line(rig: Rfc2217Line) -> None:
    stream = await open_rfc2217("127.0.0.1", _number(rig), LineSettings(baud=2400))
    try:
        stream.write(bytes.fromhex("07 04 00 01 00 02 20 6D"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.read()
        with rig.lock:
            assert rig._line.counters.requests == 1
            assert rig._line.counters.unanswered == 1
    finally:
        await stream.aclose()


async def test_bytes_of_every_value_pass() -> None:
    """IAC is doubled on the way, NUL and the like are not touched."""
    with Rfc2217Line(Line([], settings=Characters(baud=115200), step=16, echo=True)) as echoing:
        stream = await open_rfc2217("127.0.0.1", _number(echoing), LineSettings(baud=115200))
        data = bytes(range(256))
        stream.write(data)
        heard = b""
        async with asyncio.timeout(5):
            while len(heard) < len(data):
                heard += await stream.read()
        assert heard == data
        await stream.aclose()


async def test_a_line_that_babbles_while_nobody_reads_fills_no_memory(rig: Rfc2217Line) -> None:
    stream = await open_rfc2217("127.0.0.1", _number(rig), _EVEN)
    for _ in range(1000):
        stream._arrived(bytes(1024))  # as the reading thread does
    kept = stream.discard_input()
    assert 16384 <= len(kept) <= 128 * 1024, "the longest message has room"
    await stream.aclose()


async def test_a_server_that_goes_away_is_a_link_that_is_down(rig: Rfc2217Line) -> None:
    stream = await open_rfc2217("127.0.0.1", _number(rig), _EVEN)
    waiting = asyncio.ensure_future(stream.read())  # noqa: TID251 - it is awaited
    await asyncio.sleep(0)
    await asyncio.to_thread(rig.unplug)
    with pytest.raises(LinkDownError, match="is gone"):
        async with asyncio.timeout(5):
            await waiting
    for attempt in (lambda: stream.write(b"x"), stream.discard_input):
        with pytest.raises(LinkDownError):
            attempt()
    with pytest.raises(LinkDownError):
        await stream.set_line(LineSettings())
    await stream.aclose()


async def test_a_speed_that_the_server_refuses_ends_the_port_with_a_sentence(rig: Rfc2217Line) -> None:
    stream = await open_rfc2217("127.0.0.1", _number(rig), _EVEN)
    with pytest.raises(LinkDownError, match="does not take 4000000 Bd 8N1"):
        await stream.set_line(LineSettings(baud=4_000_000))
    await stream.aclose()


async def test_a_second_client_is_turned_away(rig: Rfc2217Line) -> None:
    number = _number(rig)
    stream = await open_rfc2217("127.0.0.1", number, _EVEN)
    with pytest.raises(LinkDownError):
        await open_rfc2217("127.0.0.1", number, _EVEN)
    await stream.aclose()
    assert rig.sessions == 1


async def test_nobody_there_and_no_rfc_2217_there_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with pytest.raises(LinkDownError, match=r"rtu\+tcp"):
            await open_rfc2217("127.0.0.1", number, _EVEN)
    with pytest.raises(LinkDownError, match="refused"):
        await open_rfc2217("127.0.0.1", number, _EVEN)


async def test_the_loop_goes_on_while_a_port_is_opened_and_set(rig: Rfc2217Line) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        counting = group.create_task(count())
        stream = await open_rfc2217("127.0.0.1", _number(rig), _EVEN)
        await stream.set_line(LineSettings(baud=9600))
        await stream.aclose()
        counting.cancel()
    assert turns > 10
