"""A port that holds back what it is to send: reckoned, its answers come too late; waited for, they do not."""

from __future__ import annotations

import asyncio

import pytest

from drivers.codec.modbus_pdu import read_request
from drivers.errors import NoReplyError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Table
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line

HELD_S = 0.25
CEILING_S = 0.2
REQUEST = read_request(Table.INPUT_REGISTER, 1, 2)


class HoldingStream(LineStream):
    """An adapter that begins to send a quarter of a second after it was told to, and says when it has ended."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self._ends_s = 0.0

    def write(self, data: bytes) -> None:
        here().call_later(HELD_S, super().write, data)
        self._ends_s = here().time() + HELD_S + self.line.settings.duration_ns(len(data)) / 1e9

    async def drain(self) -> None:
        await asyncio.sleep(max(0.0, self._ends_s - here().time()))


def holding(log: list[Exchange], *, waits: bool, alive: bool = True) -> RtuLink:
    settings = Characters(baud=9600)
    device = RtuDevice(7, IMAGES["generic/xy-md02"]("7"), settings=settings, turnaround_ns=3_000_000, alive=alive)
    stream = HoldingStream(Line([device], settings=settings, on_exchange=log.append))
    clock = VirtualClock(here())
    link = Link(
        stream, name="line", clock=clock, pause=VirtualPause(clock), line=LineSettings(baud=9600),
        drain=stream.drain if waits else None,
    )  # fmt: skip
    return RtuLink(link)


@virtual
async def test_reckoned_the_answer_of_a_port_that_holds_back_is_too_late() -> None:
    link = holding([], waits=False)
    with pytest.raises(NoReplyError):
        await link.ask(7, REQUEST, timeout_s=CEILING_S)
    await link.aclose()


@virtual
async def test_waited_for_it_is_in_time_and_the_window_is_no_wider_for_it() -> None:
    log: list[Exchange] = []
    link = holding(log, waits=True)
    for _ in range(20):
        assert (await link.ask(7, REQUEST, timeout_s=CEILING_S))[:2] == b"\x04\x04"
    assert len(log) == 20
    assert not any(one.inside_silence for one in log)
    await link.aclose()


@virtual
async def test_a_dead_device_costs_its_ceiling_from_the_real_end_on() -> None:
    log: list[Exchange] = []
    link = holding(log, waits=True, alive=False)
    for _ in range(2):
        with pytest.raises(NoReplyError):
            await link.ask(7, REQUEST, timeout_s=CEILING_S)
    first, second = log
    assert second.start_ns - first.end_ns >= CEILING_S * 1e9
    await link.aclose()
