"""Late replies: whatever comes late, no request ever gets the answer to another one."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from drivers.codec.modbus_pdu import read_request
from drivers.codec.modbus_rtu import encode
from drivers.errors import DriverError, NoReplyError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Table
from drivers.transport.memory import MemoryStream, pipe
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual

LINE = LineSettings(baud=19200)


class Device:
    """Units on one line; each answers its requests in the order they came, each register with its own address.

    An answer takes the next of ``delays``, or 10 ms; while a unit works, its requests wait.
    """

    def __init__(self, stream: MemoryStream, delays: list[float]) -> None:
        self.requests: list[tuple[float, bytes]] = []
        self.delays = delays
        self._stream = stream
        self._queues: dict[int, asyncio.Queue[bytes]] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                request = await self._stream.read()
                self.requests.append((here().time(), request))
                if request[0] not in self._queues:
                    self._queues[request[0]] = asyncio.Queue()
                    group.create_task(self._answer(self._queues[request[0]]))
                self._queues[request[0]].put_nowait(request)

    async def _answer(self, queue: asyncio.Queue[bytes]) -> None:
        while True:
            request = await queue.get()
            await asyncio.sleep(self.delays.pop(0) if self.delays else 0.01)
            address, count = int.from_bytes(request[2:4], "big"), request[5]
            data = b"".join((address + n).to_bytes(2, "big") for n in range(count))
            self._stream.write(encode(request[0], bytes((request[1], len(data))) + data))


class Site:
    """A link and a device, for the length of one test."""

    def __init__(self, delays: list[float]) -> None:
        clock = VirtualClock(here())
        near, far = pipe("line")
        self.device = Device(far, delays)
        self.link = RtuLink(Link(near, name="line", clock=clock, pause=VirtualPause(clock), line=LINE))
        self._task = here().create_task(self.device.run())

    async def read(self, address: int, *, unit: int = 1, count: int = 1, timeout_s: float = 0.1) -> None:
        """Read registers; each has to hold its own address."""
        request = read_request(Table.HOLDING_REGISTER, address, count)
        pdu = await self.link.ask(unit, request, timeout_s=timeout_s)
        assert [pdu[n] << 8 | pdu[n + 1] for n in range(2, len(pdu), 2)] == [address + n for n in range(count)]

    def at(self, index: int) -> float:
        """When request ``index`` was on the line, seconds."""
        return self.device.requests[index][0]

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@virtual
async def test_a_request_that_looks_alike_waits_for_the_longest_answer_seen() -> None:
    """The device once took 300 ms; then it times out at 100 ms, and its late answer must not answer the next read."""
    site = Site([0.3, 0.29])
    await site.read(10, timeout_s=0.5)
    with pytest.raises(NoReplyError):
        await site.read(20)
    await site.read(30)
    assert site.at(2) - site.at(1) >= 0.3
    assert site.link.counters.late_replies == 1
    await site.end()


@virtual
async def test_a_window_that_was_short_still_guards_for_the_ceiling_of_the_caller() -> None:
    site = Site([])
    for address in range(80):
        await site.read(address)
    site.device.delays = [0.08]
    with pytest.raises(NoReplyError):
        await site.read(20)
    await site.read(500)
    assert site.at(-1) - site.at(-2) >= 0.1
    assert site.link.counters.late_replies == 1
    await site.end()


@virtual
async def test_another_unit_need_not_wait() -> None:
    site = Site([0.3, 0.4])
    await site.read(10, timeout_s=0.5)
    with pytest.raises(NoReplyError):
        await site.read(20)
    await site.read(30, unit=2)
    assert site.at(2) - site.at(1) < 0.15
    await site.end()


@virtual
async def test_a_request_of_another_length_need_not_wait_and_its_answer_frees_the_first() -> None:
    site = Site([0.3, 0.12])
    await site.read(10, timeout_s=0.5)
    with pytest.raises(NoReplyError):
        await site.read(20)
    await site.read(30, count=2)
    assert site.at(2) - site.at(1) < 0.15
    await site.read(40)
    assert site.at(3) - site.at(2) < 0.1
    await site.end()


@virtual
async def test_a_late_answer_in_the_next_exchange_is_noise_there() -> None:
    site = Site([0.12, 0.05])
    with pytest.raises(NoReplyError):
        await site.read(20)
    await site.read(30, count=2)
    assert (site.link.counters.late_replies, site.link.counters.other_reply) == (1, 1)
    await site.end()


@virtual
async def test_an_exchange_that_was_cancelled_counts_as_missed() -> None:
    site = Site([0.05])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await site.read(20)
    await site.read(30)
    assert site.at(1) - site.at(0) >= 0.1
    assert site.link.counters.late_replies == 1
    await site.end()


@virtual
async def test_the_window_follows_the_device_and_a_miss_widens_it() -> None:
    site = Site([0.002] * 20 + [0.09, 0.09])
    for address in range(20):
        await site.read(address)
    asked = here().time()
    with pytest.raises(NoReplyError):
        await site.read(50)
    assert here().time() - asked < 0.03
    await site.read(60)  # the ceiling again: a device that has become slower is measured, not lost
    await site.read(70)
    await site.end()


@pytest.mark.parametrize("seed", range(60))
def test_no_read_ever_gets_the_answer_to_another(seed: int) -> None:
    """Random delays, many beyond the time-out; every answered read has its own address in it."""

    @virtual
    async def run() -> None:
        chance = Random(seed)
        slow = 0.12 + chance.random() * 0.3
        site = Site([slow] + [chance.choice((0.001, 0.02, 0.099, slow * chance.random())) for _ in range(60)])
        await site.read(999, timeout_s=0.5)  # the link has seen the slowest answer once
        answered = 0
        for _ in range(60):
            try:
                await site.read(chance.randrange(1000), count=chance.choice((1, 1, 2, 3)), unit=1)
                answered += 1
            except DriverError:
                pass
        assert answered > 5
        await site.end()

    run()
