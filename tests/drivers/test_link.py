"""The link under virtual time: the far end is a script of what to answer when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from drivers.codec.modbus_pdu import read_request
from drivers.codec.modbus_rtu import encode
from drivers.errors import ChecksumError, FrameError, LinkDownError, NoReplyError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Parity, Table
from drivers.transport.memory import MemoryStream, pipe
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual

LINE = LineSettings(baud=9600)
SILENCE_NS = 4_010_417  # 3.5 characters of 11 bits at 9600 Bd
CHARACTER_S = 10 / 9600
Answer = Callable[[bytes], Sequence[tuple[float, bytes]]]


@dataclass
class Bench:
    """A link and what its far end saw.

    Attributes:
        requests: (virtual nanoseconds, bytes) of each request.
        last_ns: when the far end put its last byte on the line.
    """

    link: RtuLink
    near: MemoryStream
    far: MemoryStream
    requests: list[tuple[int, bytes]] = field(default_factory=list)
    last_ns: int = 0

    async def play(self, answers: Sequence[Answer]) -> None:
        """Answer the requests one after the other; each answer is (seconds after the request, bytes)."""
        async with asyncio.TaskGroup() as group:
            for answer in answers:
                request = await self.far.read()
                self.requests.append((here().time_ns(), request))
                group.create_task(self.say(answer(request)))

    async def say(self, parts: Sequence[tuple[float, bytes]]) -> None:
        """Put bytes on the line, each part so many seconds from now."""
        start = here().time()
        for after_s, data in parts:
            await asyncio.sleep(start + after_s - here().time())
            self.far.write(data)
            self.last_ns = here().time_ns()


@asynccontextmanager
async def bench(*answers: Answer, line: LineSettings | None = LINE, echo: bool = False) -> AsyncIterator[Bench]:
    clock = VirtualClock(here())
    near, far = pipe("line")
    link = Link(near, name="line", clock=clock, pause=VirtualPause(clock), line=line, echo=echo)
    made = Bench(link=RtuLink(link), near=near, far=far)
    async with asyncio.TaskGroup() as group:
        peer = group.create_task(made.play(answers))
        yield made
        peer.cancel()


def ask(address: int = 0, count: int = 1) -> bytes:
    return read_request(Table.HOLDING_REGISTER, address, count)


def reply(*registers: int, unit: int = 1) -> bytes:
    data = b"".join(register.to_bytes(2, "big") for register in registers)
    return encode(unit, b"\x03" + bytes((len(data),)) + data)


def at(after_s: float, data: bytes) -> Answer:
    return lambda _request: [(after_s, data)]


def in_parts(*parts: tuple[float, bytes]) -> Answer:
    return lambda _request: parts


def silent(_request: bytes) -> Sequence[tuple[float, bytes]]:
    return []


async def value(made: Bench, address: int = 0, unit: int = 1, timeout_s: float = 0.2) -> int:
    pdu = await made.link.ask(unit, ask(address), timeout_s=timeout_s)
    assert pdu[:2] == b"\x03\x02"
    return int.from_bytes(pdu[2:], "big")


@virtual
async def test_every_request_comes_t35_after_the_last_byte_and_no_later() -> None:
    async with bench(at(0.03, reply(1)), at(0.03, reply(2)), at(0.03, reply(3))) as made:
        heard_ns = 0
        for wanted in (1, 2, 3):
            assert await value(made) == wanted
            gap_ns = made.requests[-1][0] - heard_ns
            assert SILENCE_NS <= gap_ns <= SILENCE_NS + 2_000  # the loop's own resolution
            heard_ns = made.last_ns


@virtual
async def test_a_byte_in_the_silence_starts_it_anew() -> None:
    async with bench(at(0.03, reply(1)), at(0.03, reply(2))) as made:
        await value(made)
        glitch_ns = made.last_ns + 2_000_000
        async with asyncio.TaskGroup() as group:
            group.create_task(made.say([(0.002, b"\x00")]))
            assert await value(made) == 2
        assert glitch_ns + SILENCE_NS <= made.requests[1][0] <= glitch_ns + 2 * SILENCE_NS
        assert made.link.counters.glitch == 1


@virtual
async def test_silence_is_kept_after_a_request_that_nobody_answers() -> None:
    async with bench(silent, at(0.02, reply(7, unit=2))) as made:
        with pytest.raises(NoReplyError) as caught:
            await value(made, timeout_s=0.001)
        assert caught.value.raw == b""
        assert str(caught.value) == "line: unit 1 did not answer within 1 ms"
        assert await value(made, unit=2) == 7
        sent_ns = made.requests[0][0] + round(8 * CHARACTER_S * 1e9)
        assert made.requests[1][0] >= sent_ns + SILENCE_NS


@virtual
async def test_the_deadline_is_the_wire_time_and_the_time_out() -> None:
    async with bench(silent) as made:
        with pytest.raises(NoReplyError):
            await value(made)
        waited_s = here().time() - made.requests[0][0] / 1e9
        assert waited_s == pytest.approx(0.2 + (8 + 7) * CHARACTER_S, abs=1e-4)


@pytest.mark.parametrize(
    "glitch", [b"\x00", b"\xff", b"\xfe", b"\x00\xff\xfe\x00", b"\x01", b"\x01\x03", b"\x01\x03\x02"]
)
def test_glitch_bytes_round_a_reply_are_survived_and_counted(glitch: bytes) -> None:
    @virtual
    async def run() -> None:
        async with bench(at(0.03, glitch + reply(0x1234) + glitch), at(0.03, reply(0x4321))) as made:
            assert await value(made) == 0x1234
            assert await value(made) == 0x4321
            assert made.link.counters.noise_bytes == 2 * len(glitch)
            assert made.link.counters.replies == 2

    run()


@virtual
async def test_a_reply_in_any_pieces_is_one_reply() -> None:
    whole = reply(0xBEEF)
    for cut in range(1, len(whole)):
        async with bench(in_parts((0.03, whole[:cut]), (0.04, whole[cut:]))) as made:
            assert await value(made) == 0xBEEF


@virtual
async def test_an_echo_that_is_expected_is_cut_out() -> None:
    async with bench(
        lambda request: [(0.001, request[:3]), (0.002, request[3:]), (0.03, reply(5))],
        lambda request: [(0.03, b"\xff" + request + reply(6))],
        echo=True,
    ) as made:
        assert await value(made) == 5
        assert await value(made) == 6
        assert (made.link.counters.echo, made.link.counters.glitch, made.link.counters.noise_bytes) == (0, 1, 1)


@virtual
async def test_an_echo_that_does_not_come_is_counted_and_the_reply_is_still_found() -> None:
    refusal = encode(1, b"\x83\x02")  # shorter than the echo that is waited for
    async with bench(at(0.03, reply(5)), at(0.03, refusal), echo=True) as made:
        assert await value(made) == 5
        assert await made.link.ask(1, ask(), timeout_s=0.2) == b"\x83\x02"
        assert made.link.counters.echo_missing == 2


@virtual
async def test_an_echo_that_nobody_spoke_of_is_noise() -> None:
    async with bench(lambda request: [(0.001, request), (0.03, reply(5))]) as made:
        assert await value(made) == 5
        assert made.link.counters.echo == 1


@virtual
async def test_two_replies_glued_are_one_reply_and_a_count() -> None:
    async with bench(at(0.03, reply(5) + reply(5)), at(0.03, reply(6))) as made:
        assert await value(made) == 5
        assert await value(made) == 6
        assert made.link.counters.surplus == 1


@virtual
async def test_two_different_replies_glued_are_none() -> None:
    async with bench(at(0.03, reply(5) + reply(6))) as made:
        with pytest.raises(FrameError, match="two different answers"):
            await value(made)


@virtual
async def test_the_reply_of_another_unit_is_no_answer() -> None:
    async with bench(
        at(0.03, reply(666, unit=2)),
        lambda _request: [(0.03, reply(666, unit=2)), (0.05, reply(5))],
    ) as made:
        with pytest.raises(NoReplyError) as caught:
            await value(made)
        assert caught.value.raw == reply(666, unit=2)
        assert await value(made) == 5
        assert made.link.counters.other_unit == 2


@virtual
async def test_a_wrong_checksum_is_told_as_soon_as_it_is_certain() -> None:
    bad = reply(5)[:-1] + b"\x00"
    async with bench(at(0.03, bad)) as made:
        with pytest.raises(ChecksumError) as caught:
            await value(made)
        assert caught.value.raw == bad
        assert here().time_ns() == made.last_ns
        assert made.link.counters.bad_checksum == 1


@virtual
async def test_a_wrong_checksum_behind_which_a_reply_has_begun_waits_for_it() -> None:
    bad = reply(5)[:-1] + b"\x00"
    async with bench(
        lambda _request: [(0.03, bad + reply(5)[:4]), (0.04, reply(5)[4:])],
        lambda _request: [(0.03, bad + reply(5)[:4])],
    ) as made:
        assert await value(made) == 5
        with pytest.raises(ChecksumError) as caught:
            await value(made)
        assert caught.value.raw == bad + reply(5)[:4]


@virtual
async def test_a_reply_that_breaks_off_is_a_bad_frame() -> None:
    async with bench(at(0.03, reply(5)[:-1])) as made:
        with pytest.raises(FrameError, match="line: unit 1 began an answer and did not end it") as caught:
            await value(made)
        assert caught.value.raw == reply(5)[:-1]


@virtual
async def test_a_refusal_behind_a_false_start_is_found() -> None:
    async with bench(at(0.03, b"\x01\x03\x02" + encode(1, b"\x83\x06"))) as made:
        assert await made.link.ask(1, ask(), timeout_s=0.2) == b"\x83\x06"


@virtual
async def test_a_babbling_line_is_told_and_not_waited_for_for_ever() -> None:
    async with bench(at(0.03, reply(1))) as made:
        async with asyncio.TaskGroup() as group:
            noise = group.create_task(made.say([(n / 1000, b"\x55") for n in range(10_000)]))
            with pytest.raises(FrameError, match="line: the line does not fall silent"):
                await value(made)
            noise.cancel()
        assert made.requests == []
        assert await value(made) == 1


@virtual
async def test_a_line_that_babbles_into_the_reply_time_ends_at_the_deadline() -> None:
    async with bench(lambda _request: [(n / 1000, b"\x55") for n in range(5_000)]) as made:
        with pytest.raises(NoReplyError, match="bytes came that answer nothing"):
            await value(made)
        assert here().time() < 0.3


@virtual
async def test_requests_take_their_turn_in_order() -> None:
    answers = [at(0.03, reply(n, unit=n)) for n in (1, 2, 3)]
    async with bench(*answers) as made, asyncio.TaskGroup() as group:
        tasks = [group.create_task(value(made, unit=n)) for n in (1, 2, 3)]
        assert [await task for task in tasks] == [1, 2, 3]
        assert [request[0] for _, request in made.requests] == [1, 2, 3]


@virtual
async def test_speed_and_parity_change_with_the_longer_silence() -> None:
    fast = LineSettings(baud=115200, parity=Parity.EVEN)
    async with bench(at(0.03, reply(1)), at(0.003, reply(2)), at(0.03, reply(3))) as made:
        await value(made)
        first_ns = made.last_ns
        assert await made.link.ask(1, ask(), timeout_s=0.2, line=fast) == reply(2)[1:-2]
        # silence, change, the old silence again, for whoever still listens at the old speed
        assert made.requests[1][0] >= first_ns + 2 * SILENCE_NS
        second_ns = made.last_ns
        assert await made.link.ask(1, ask(), timeout_s=0.2, line=LINE) == reply(3)[1:-2]
        assert made.requests[2][0] >= second_ns + 1_750_000 + SILENCE_NS


@virtual
async def test_a_closed_port_ends_the_exchange_at_once() -> None:
    async with bench(silent) as made:
        here().call_later(0.05, lambda: here().create_task(made.link.aclose()))
        with pytest.raises(LinkDownError):
            await value(made)
        assert here().time() == pytest.approx(0.05, abs=1e-3)
        with pytest.raises(LinkDownError):
            await value(made)
        assert made.link.counters.link_down == 2


@virtual
async def test_a_long_reply_byte_by_byte_costs_a_few_wake_ups() -> None:
    data = reply(*range(60))
    async with bench(lambda _request: [(0.02 + n * CHARACTER_S, data[n : n + 1]) for n in range(len(data))]) as made:
        turns = 0
        read = made.near.read

        async def counted() -> bytes:
            nonlocal turns
            turns += 1
            return await read()

        made.near.read = counted  # type: ignore[method-assign]
        pdu = await made.link.ask(1, ask(count=60), timeout_s=0.2)
        assert pdu == data[1:-2]
        assert here().time_ns() == made.last_ns
        assert turns <= 6


@virtual
async def test_a_false_start_does_not_hold_the_line_beyond_the_ceiling() -> None:
    async with bench(at(0.19, b"\x01\x03\x78")) as made:
        with pytest.raises(FrameError):
            await made.link.ask(1, ask(count=60), timeout_s=0.2)
        waited_s = here().time() - made.requests[0][0] / 1e9
        assert waited_s == pytest.approx(0.2 + (8 + 125) * CHARACTER_S, abs=1e-4)
