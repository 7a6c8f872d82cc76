"""A device over a memory wire; the other side answers by the standard, written here and nowhere else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from drivers.errors import ChecksumError, DeviceFailedError, FrameError, NoReplyError, RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import (
    Framing,
    Limits,
    LineSettings,
    ModbusLocation,
    NumberType,
    RawRead,
    Table,
)
from drivers.protocols.modbus import ModbusDevice
from drivers.quality import Quality
from drivers.transport.memory import pipe
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from tests.drivers.modbus_server import UNIT, Server, connected, crc, point_of, profile_of


@virtual
async def test_one_read_gives_one_batch() -> None:
    server = Server(registers={a: 100 + a for a in range(8)})
    async with connected(server, point_of(1), point_of(0), point_of(4, NumberType.U32)) as device:
        (read,) = device.reads
        began_ns = here().time_ns()
        batch = await device.read(read)
        assert (batch.device, batch.points, batch.statuses) == (4, (0, 1, 2), (0, 0, 0))
        assert batch.values == (101, 100, 104 << 16 | 105)
        assert server.asked == [(3, 0, 6)]
        assert batch.mono_ns > began_ns


@virtual
async def test_lengths_on_the_wire_are_those_of_the_frames() -> None:
    seen: list[int] = []

    def note(reply: bytes) -> bytes:
        seen.append(len(reply))
        return reply

    server = Server(registers=dict.fromkeys(range(8), 7), spoil=note)
    async with connected(server, point_of(0), point_of(4), point_of(3, bit=True)) as device:
        for read in device.reads:
            await device.read(read)
        assert [read.reply_bytes for read in device.reads] == seen
        assert {read.request_bytes for read in device.reads} == {8}


@virtual
async def test_points_of_another_period_are_read_apart() -> None:
    server = Server(registers=dict.fromkeys(range(4), 1))
    points = (point_of(0, period_s=60), point_of(1, period_s=1), point_of(2, period_s=60), point_of(3, period_s=1))
    async with connected(server, *points) as device:
        assert [(read.period_s, read.points) for read in device.reads] == [(1, (1, 3)), (60, (0, 2))]


@virtual
async def test_coils_are_bits() -> None:
    server = Server(bits=frozenset({3, 9}))
    async with connected(server, point_of(3, bit=True), point_of(4, bit=True), point_of(9, bit=True)) as device:
        batch = await device.read(device.reads[0])
        assert batch.values == (True, False, True)
        assert server.asked == [(1, 3, 7)]


@virtual
async def test_a_block_that_touches_an_undefined_address_is_split_and_remembered() -> None:
    present = (0, 1, 6, 7, 12)
    server = Server(registers={a: a for a in present})
    async with connected(server, *(point_of(a) for a in present)) as device:
        got: dict[int, object] = {}
        refusals: list[RefusedError] = []
        while len(got) < len(present):
            for read in device.reads:
                try:
                    batch = await device.read(read)
                except RefusedError as error:
                    refusals.append(error)
                else:
                    got |= dict(zip(batch.points, batch.values, strict=True))
        assert list(got.values()) == list(present)
        assert [(e.replanned, e.exception, e.quality) for e in refusals] == [(True, 2, Quality.BAD_NOT_SUPPORTED)] * 2
        assert "unit 17 refuses holding registers 0 to 12: illegal data address" in str(refusals[0])
        asked = len(server.asked)
        for read in device.reads:
            await device.read(read)
        assert [question[1:] for question in server.asked[asked:]] == [(0, 2), (6, 2), (12, 1)]


@virtual
async def test_a_split_leaves_the_other_reads_as_they_are() -> None:
    server = Server(registers={0: 0, 5: 5})
    async with connected(server, point_of(0), point_of(5), point_of(40, period_s=60)) as device:
        slow = device.reads[-1]
        with pytest.raises(RefusedError):
            await device.read(device.reads[0])
        assert device.reads[-1] is slow
        assert [read.points for read in device.reads] == [(0,), (1,), (2,)]


@virtual
async def test_a_device_that_bears_short_reads_only_gets_short_reads() -> None:
    server = Server(registers=dict.fromkeys(range(40), 3), most=10)
    async with connected(server, *(point_of(a) for a in range(40))) as device:
        for _ in range(3):
            for read in device.reads:
                with suppress(RefusedError):
                    await device.read(read)
        assert [len(read.points) for read in device.reads] == [10, 10, 10, 10]


@virtual
async def test_a_point_that_does_not_exist_stays_refused_and_costs_no_other() -> None:
    server = Server(registers={0: 1})
    async with connected(server, point_of(0), point_of(1)) as device:
        with pytest.raises(RefusedError):
            await device.read(device.reads[0])
        good, missing = device.reads
        assert (await device.read(good)).values == (1,)
        with pytest.raises(RefusedError) as caught:
            await device.read(missing)
        assert not caught.value.replanned
        assert len(device.reads) == 2


@virtual
async def test_a_read_of_the_plan_before_may_still_be_done() -> None:
    server = Server(registers={0: 1, 4: 2})
    async with connected(server, point_of(0), point_of(4)) as device:
        old = device.reads[0]
        with pytest.raises(RefusedError):
            await device.read(old)
        server.registers |= dict.fromkeys(range(1, 4), 0)
        assert (await device.read(old)).values == (1, 2)
        assert len(device.reads) == 2


@pytest.mark.parametrize(
    ("exception", "kind", "quality"),
    [
        (1, RefusedError, Quality.BAD_NOT_SUPPORTED),
        (4, DeviceFailedError, Quality.BAD_DEVICE_FAILURE),
        (6, DeviceFailedError, Quality.BAD_DEVICE_FAILURE),
        (11, NoReplyError, Quality.BAD_TIMEOUT),
        (99, RefusedError, Quality.BAD_NOT_SUPPORTED),
    ],
)
@virtual
async def test_other_refusals_split_nothing(
    exception: int, kind: type[RefusedError | NoReplyError], quality: Quality
) -> None:
    async with connected(Server(exception=exception), point_of(0), point_of(5)) as device:
        before = device.reads
        with pytest.raises(kind) as caught:
            await device.read(before[0])
        assert type(caught.value) is kind
        assert caught.value.quality is quality
        assert f"exception {exception}" in str(caught.value)
        assert device.reads is before


@virtual
async def test_glitch_bytes_round_the_reply_do_no_harm() -> None:
    server = Server(registers={0: 230}, spoil=lambda reply: b"\x00\xff" + reply + b"\x00")
    async with connected(server, point_of(0)) as device:
        assert (await device.read(device.reads[0])).values == (230,)


@virtual
async def test_a_flipped_bit_is_never_a_reading() -> None:
    server = Server(registers={0: 230, 1: 500})
    async with connected(server, point_of(0), point_of(1)) as device:
        for position in range(9 * 8):

            def flip(reply: bytes, position: int = position) -> bytes:
                return bytes(b ^ (1 << position % 8 if i == position // 8 else 0) for i, b in enumerate(reply))

            server.spoil = flip
            with pytest.raises((NoReplyError, FrameError)):
                await device.read(device.reads[0])
        server.spoil = None
        assert (await device.read(device.reads[0])).values == (230, 500)


@virtual
async def test_a_wrong_checksum_is_named() -> None:
    server = Server(registers={0: 230}, spoil=lambda reply: reply[:-1] + bytes((reply[-1] ^ 1,)))
    async with connected(server, point_of(0)) as device:
        with pytest.raises(ChecksumError):
            await device.read(device.reads[0])


@virtual
async def test_a_probe_asks_one_short_thing_and_takes_a_refusal_for_life() -> None:
    server = Server(registers={0: 0, 1: 0, 6: 0})
    async with connected(server, point_of(0, NumberType.U32), point_of(6)) as device:
        await device.probe()
        server.registers.clear()
        await device.probe()
        assert server.asked == [(3, 6, 1), (3, 6, 1)]
        server.exception = 11
        with pytest.raises(NoReplyError):
            await device.probe()
        server.exception, server.spoil = 0, lambda _: b""
        with pytest.raises(NoReplyError):
            await device.probe()


@virtual
async def test_what_was_learnt_survives_a_new_line() -> None:
    server = Server(registers={0: 1, 4: 2})
    async with connected(server, point_of(0), point_of(4)) as device:
        with pytest.raises(RefusedError):
            await device.read(device.reads[0])
        async with connected(server, point_of(0)) as other:
            device.use(other._line)
            assert [(await device.read(read)).values for read in device.reads] == [(1,), (2,)]


@pytest.mark.parametrize(
    "short", [b"", b"\x03", b"\x03\x02\x00", b"\x03\x04\x00\x00\x00\x00\x00", b"\x04\x02\x00\x00"]
)
@virtual
async def test_an_answer_of_another_shape_is_a_bad_frame(short: bytes) -> None:
    """A line matches replies to requests; the device does not trust it blindly."""

    class Careless:
        name = "careless"

        async def ask(
            self,
            unit: int,
            pdu: bytes,
            *,
            timeout_s: float,
            line: LineSettings | None = None,
            reply_bytes: int | None = None,
        ) -> bytes:
            assert reply_bytes is None
            assert (unit, pdu, timeout_s, line) == (UNIT, b"\x03\x00\x00\x00\x01", 0.2, None)
            return short

        async def aclose(self) -> None:
            """Nothing to close."""

    device = ModbusDevice(
        index=0,
        unit=UNIT,
        profile=profile_of(point_of(0), limits=Limits()),
        line=Careless(),
        clock=VirtualClock(here()),
        framing=Framing.RTU,
    )
    with pytest.raises(FrameError):
        await device.read(device.reads[0])


@virtual
async def test_a_vendor_function_is_asked_beside_the_tables_and_never_to_probe() -> None:
    """The far end answers by hand: function 41 hex has no shape that a standard tells."""
    own = ModbusLocation(
        table=Table.HOLDING_REGISTER,
        address=0,
        type=NumberType.U32,
        raw=RawRead(request=bytes.fromhex("41 01"), reply_bytes=7, skip=2),
    )
    near, far = pipe()
    clock = VirtualClock(here())
    link = Link(near, name="memory", clock=clock, pause=VirtualPause(clock), line=LineSettings())
    device = ModbusDevice(
        index=0,
        unit=UNIT,
        profile=profile_of(replace(point_of(0), place=own), point_of(7), limits=Limits()),
        line=RtuLink(link),
        clock=clock,
        framing=Framing.RTU,
    )
    asked: list[bytes] = []

    async def answer() -> None:
        for pdu in ("03 02 00 2A", "41 AA 00 01 86 A0 55", "03 02 00 2A", "C1 02"):
            asked.append(await far.read())
            body = bytes((UNIT,)) + bytes.fromhex(pdu)
            far.write(b"\xff" + body + crc(body))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer())
        table, vendor = device.reads
        assert (vendor.request_bytes, vendor.reply_bytes) == (5, 10)
        assert (await device.read(table)).values == (42,)
        assert (await device.read(vendor)).values == (100_000,)
        await device.probe()
        with pytest.raises(RefusedError, match="refuses function 65: illegal data address") as caught:
            await device.read(vendor)
        assert not caught.value.replanned
    assert [request[1] for request in asked] == [3, 0x41, 3, 0x41]
