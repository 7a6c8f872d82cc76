"""The Modbus TCP link against a server on loopback that a script drives."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from drivers.codec.modbus_pdu import read_request
from drivers.errors import LinkDownError, NoReplyError
from drivers.link_tcp import TcpLink, open_tcp_link
from drivers.profile import Table

Answer = Callable[[bytes], Sequence[bytes | float | None]]
READ = read_request(Table.HOLDING_REGISTER, 7, 2)
DATA = bytes.fromhex("03 04 00 01 00 02")


def frame(request: bytes, pdu: bytes = DATA, *, unit: int | None = None, transaction: int | None = None) -> bytes:
    """A reply, written from the standard."""
    number = int.from_bytes(request[:2], "big") if transaction is None else transaction
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, request[6] if unit is None else unit) + pdu


@dataclass
class Server:
    """Answers each request by the next answer: bytes are sent, numbers are seconds to wait, None hangs up."""

    answers: list[Answer]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.read(12):
                self.requests.append(request)
                for part in self.answers.pop(0)(request) if self.answers else [frame(request)]:
                    if part is None:
                        return
                    if isinstance(part, bytes):
                        writer.write(part)
                        await writer.drain()
                    else:
                        await asyncio.sleep(part)
        finally:
            writer.close()


@asynccontextmanager
async def site(*answers: Answer, pipeline: int = 1) -> AsyncIterator[tuple[Server, TcpLink]]:
    server = Server(list(answers))
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        link = await open_tcp_link("127.0.0.1", server.port, pipeline=pipeline)
        try:
            yield server, link
        finally:
            await link.aclose()


async def test_a_request_is_as_the_standard_prints_it_and_its_reply_is_given() -> None:
    async with site() as (server, link):
        assert await link.ask(0x11, READ, timeout_s=1) == DATA
        assert server.requests == [bytes.fromhex("00 01 00 00 00 06 11 03 00 07 00 02")]
        assert (link.counters.exchanges, link.counters.replies) == (1, 1)


async def test_a_refusal_is_a_reply() -> None:
    async with site(lambda request: [frame(request, b"\x83\x02")]) as (_, link):
        assert await link.ask(1, READ, timeout_s=1) == b"\x83\x02"


async def test_a_reply_in_any_pieces_is_one_reply() -> None:
    size = len(frame(bytes(7)))
    answers: list[Answer] = [
        lambda request, cut=cut: [frame(request)[:cut], 0.002, frame(request)[cut:]]  # type: ignore[misc]
        for cut in range(1, size)
    ]
    async with site(*answers) as (_, link):
        for _cut in range(1, size):
            assert await link.ask(1, READ, timeout_s=1) == DATA


async def test_silence_ends_at_the_time_out() -> None:
    async with site(lambda _request: []) as (server, link):
        with pytest.raises(NoReplyError, match=f"127.0.0.1:{server.port}: unit 1 did not answer within 50 ms"):
            await link.ask(1, READ, timeout_s=0.05)
        assert link.counters.no_reply == 1
        assert await link.ask(1, READ, timeout_s=1) == DATA


async def test_a_late_reply_is_dropped_and_no_request_waits_for_it() -> None:
    wrong = bytes.fromhex("03 04 DE AD DE AD")
    async with site(lambda request: [0.1, frame(request, wrong)]) as (_, link):
        with pytest.raises(NoReplyError):
            await link.ask(1, READ, timeout_s=0.02)
        assert await link.ask(1, READ, timeout_s=1) == DATA
        assert link.counters.late_replies == 1


async def test_foreign_and_damaged_replies_are_counted_and_never_taken() -> None:
    wrong = bytes.fromhex("03 04 DE AD DE AD")
    async with site(
        lambda request: [
            frame(request, wrong, unit=2),
            frame(request, wrong, transaction=999),
            frame(request, b"\x04" + wrong[1:]),
            frame(request, b"\x03\x02\xde\xad"),
            frame(request, b"\x03\x04\xde\xad"),
            frame(request, wrong + b"\x00"),
            frame(request, b"\x84\x02"),
            b"\xff\xff\xff",
            frame(request),
            frame(request, wrong),
        ]
    ) as (_, link):
        assert await link.ask(1, READ, timeout_s=1) == DATA
        assert await link.ask(1, READ, timeout_s=1) == DATA
        counters = link.counters
        assert (counters.other_unit, counters.other_reply) == (1, 5)
        assert counters.late_replies + counters.surplus == 2
        assert counters.noise_bytes == 3


async def test_half_a_reply_does_not_swallow_the_next() -> None:
    async with site(lambda request: [frame(request)[:-1]]) as (_, link):
        with pytest.raises(NoReplyError):
            await link.ask(1, READ, timeout_s=0.05)
        assert await link.ask(1, READ, timeout_s=1) == DATA


async def test_one_request_is_open_at_a_time_in_order() -> None:
    open_now: list[int] = []

    def watch(request: bytes) -> Sequence[bytes | float]:
        open_now.append(len(request) // 12)
        return [0.005, frame(request)]

    async with site(watch, watch, watch) as (server, link):
        await asyncio.gather(*(link.ask(unit, READ, timeout_s=1) for unit in (5, 6, 7)))
        assert [request[6] for request in server.requests] == [5, 6, 7]
        assert open_now == [1, 1, 1]


async def test_a_pipeline_matches_replies_in_any_order() -> None:
    kept: list[bytes] = []

    def later(request: bytes) -> Sequence[bytes]:
        kept.append(request)
        return [frame(one, b"\x03\x04" + one[:2] * 2) for one in reversed(kept)] if len(kept) == 3 else []

    async with site(later, later, later, pipeline=3) as (_, link):
        replies = await asyncio.gather(*(link.ask(1, READ, timeout_s=1) for _ in range(3)))
        assert replies == [b"\x03\x04" + bytes((0, n)) * 2 for n in (1, 2, 3)]


async def test_a_turn_that_is_cancelled_is_passed_on() -> None:
    async with site(lambda request: [0.05, frame(request)]) as (_, link):
        first = asyncio.gather(link.ask(1, READ, timeout_s=1))
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await link.ask(1, READ, timeout_s=1)
        assert list(await first) == [DATA]
        assert await link.ask(1, READ, timeout_s=1) == DATA


async def test_hanging_up_ends_what_is_open_and_what_comes() -> None:
    async with site(lambda _request: [None]) as (server, link):
        with pytest.raises(LinkDownError, match=f"127.0.0.1:{server.port} was closed by the other side"):
            await link.ask(1, READ, timeout_s=1)
        with pytest.raises(LinkDownError):
            await link.ask(1, READ, timeout_s=1)
        assert link.counters.link_down == 2


async def test_closing_ends_what_is_open() -> None:
    async with site(lambda _request: []) as (_, link):
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, lambda: loop.create_task(link.aclose()))
        with pytest.raises(LinkDownError, match="is closed"):
            await link.ask(1, READ, timeout_s=1)
        await link.aclose()


async def test_transaction_numbers_go_round() -> None:
    async with site() as (server, link):
        link._transaction = 0xFFFE
        for _ in range(3):
            assert await link.ask(1, READ, timeout_s=1) == DATA
        assert [request[:2] for request in server.requests] == [b"\xff\xff", b"\x00\x00", b"\x00\x01"]
