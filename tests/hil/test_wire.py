"""The simulated bus: it paces, it counts broken silences, and every fault it can inject really occurs."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from hil.characters import Characters, as_heard, exchange_ns
from hil.faults import Fault, FaultSizes, Injector
from hil.memory import LineStream
from hil.sim.images import freeze, sdm120, xy_md02
from hil.sim.modbus import RtuDevice, crc16, frame
from hil.virtualtime import here, virtual
from hil.wire import Exchange, Line

REQUEST = frame(1, bytes.fromhex("0400010002"))
VALUES = {"temperature": 30.5, "humidity": 54.6}
GOOD = bytes.fromhex("010404013102222ace")  # captured: e-tinkers/Modbus-RTU, SHT20 README


def two_devices() -> list[RtuDevice]:
    return [
        RtuDevice(1, freeze(xy_md02("a"), VALUES), turnaround_ns=3_000_000),
        RtuDevice(2, freeze(xy_md02("b"), {"temperature": -5.0, "humidity": 80.0}), turnaround_ns=3_000_000),
    ]


async def ask(stream: LineStream, request: bytes = REQUEST, wait_s: float = 3.0) -> bytes:
    stream.write(request)
    await asyncio.sleep(wait_s)
    return stream.discard_input()


def broken(script: Fault, seed: int, sizes: FaultSizes | None = None) -> tuple[Line, list[Exchange]]:
    log: list[Exchange] = []
    injector = Injector(seed, script={0: script}, sizes=sizes)
    return Line(two_devices(), injector=injector, on_exchange=log.append), log


@pytest.mark.parametrize(
    "settings", [Characters(baud=9600), Characters(baud=115200), Characters(baud=2400, parity="E")]
)
@virtual
async def test_a_reply_takes_its_time_on_the_wire(settings: Characters) -> None:
    line = Line(
        [RtuDevice(1, freeze(xy_md02("a"), VALUES), turnaround_ns=3_000_000, settings=settings)], settings=settings
    )
    stream = LineStream(line)
    stream.write(REQUEST)
    received = b""
    while len(received) < len(GOOD):
        received += await stream.read()
    wire = exchange_ns(settings, len(REQUEST), len(GOOD), 3_000_000) - settings.silence_ns
    assert received == GOOD
    assert wire <= here().time_ns() <= wire + 1000


@virtual
async def test_bytes_come_one_by_one_at_the_pace_of_the_line() -> None:
    line = Line(two_devices())
    stream = LineStream(line)
    stream.write(REQUEST)
    times = []
    for _ in range(len(GOOD)):
        assert len(await stream.read()) == 1
        times.append(here().time_ns())
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert steps == pytest.approx([line.settings.character_ns] * 8, abs=10)


@virtual
async def test_what_is_sent_at_another_speed_is_a_request_of_its_own() -> None:
    log: list[Exchange] = []
    device = two_devices()[0]
    stream = LineStream(Line([device], on_exchange=log.append))
    own = stream.line.settings
    await stream.set_line(Characters(baud=600))
    stream.write(b"\x00")
    await asyncio.sleep(Characters(baud=600).duration_ns(1) / 1e9)
    await stream.set_line(own)
    await asyncio.sleep(own.silence_ns / 1e9)
    stream.write(frame(device.unit, bytes.fromhex("0400000001")))
    await stream.read()
    assert [(one.request[:1], one.settings.baud) for one in log] == [(b"\x00", 600), (bytes([device.unit]), own.baud)]
    assert log[1].reply


@virtual
async def test_a_request_inside_the_silence_is_counted_and_one_after_it_is_not() -> None:
    log: list[Exchange] = []
    line = Line(two_devices(), on_exchange=log.append)
    stream = LineStream(line)
    for wait_ns in (line.settings.silence_ns - 10_000, line.settings.silence_ns + 10_000):
        stream.write(REQUEST)
        received = b""
        while len(received) < len(GOOD):
            received += await stream.read()
        await asyncio.sleep(wait_ns / 1e9)
    await ask(stream)
    assert [exchange.inside_silence for exchange in log] == [False, True, False]
    assert line.counters.inside_silence == 1


@virtual
async def test_a_strict_line_does_not_hear_a_request_inside_the_silence() -> None:
    line = Line(two_devices(), strict_silence=True)
    stream = LineStream(line)
    stream.write(REQUEST)
    received = b""
    while len(received) < len(GOOD):
        received += await stream.read()
    assert await ask(stream) == b""
    assert await ask(stream) == GOOD


@virtual
async def test_speaking_into_a_reply_spoils_both(seed: int) -> None:
    line = Line(two_devices(), injector=Injector(seed))
    stream = LineStream(line)
    stream.write(REQUEST)
    received = await stream.read()
    stream.write(frame(2, REQUEST[1:-2]))
    await asyncio.sleep(1)
    received += stream.discard_input()
    assert line.counters.collisions == 1
    assert line.counters.answered == 1
    assert len(received) == len(GOOD)
    assert crc16(received[:-2]) != received[-2:]


@virtual
async def test_without_faults_every_exchange_is_good(seed: int) -> None:
    line = Line(two_devices(), injector=Injector(seed))
    stream = LineStream(line)
    for _ in range(20):
        assert await ask(stream) == GOOD
    assert line.counters.answered == 20
    assert not line.injector.happened


@virtual
async def test_a_dropped_reply_is_silence(seed: int) -> None:
    line, log = broken(Fault.DROP, seed)
    assert await ask(LineStream(line)) == b""
    assert log[0].fault is Fault.DROP


@virtual
async def test_a_lost_byte_is_missing(seed: int) -> None:
    line, _ = broken(Fault.LOSE_BYTE, seed)
    heard = await ask(LineStream(line))
    assert any(GOOD[:at] + GOOD[at + 1 :] == heard for at in range(len(GOOD)))


@virtual
async def test_a_flipped_reply_differs_in_one_bit(seed: int) -> None:
    line, _ = broken(Fault.FLIP, seed)
    heard = await ask(LineStream(line))
    difference = int.from_bytes(heard, "big") ^ int.from_bytes(GOOD, "big")
    assert len(heard) == len(GOOD)
    assert difference.bit_count() == 1


@virtual
async def test_an_echo_is_the_request_while_it_is_sent(seed: int) -> None:
    line, log = broken(Fault.ECHO, seed)
    stream = LineStream(line)
    stream.write(REQUEST)
    await asyncio.sleep((line.settings.duration_ns(len(REQUEST)) + 1000) / 1e9)
    assert stream.discard_input() == REQUEST
    await asyncio.sleep(1)
    assert stream.discard_input() == GOOD
    assert log[0].fault is Fault.ECHO


@virtual
async def test_an_adapter_with_echo_gives_every_request_back() -> None:
    line = Line(two_devices(), echo=True)
    stream = LineStream(line)
    assert await ask(stream) == REQUEST + GOOD
    assert await ask(stream) == REQUEST + GOOD


@virtual
async def test_glitches_stand_around_an_undamaged_reply(seed: int) -> None:
    line, _ = broken(Fault.GLITCH, seed)
    heard = await ask(LineStream(line))
    before, found, after = heard.partition(GOOD)
    assert found
    assert before
    assert after
    assert set(before + after) <= {0x00, 0xFF, 0xFE}


@virtual
async def test_a_late_reply_comes_whole_but_late(seed: int) -> None:
    line, _ = broken(Fault.LATE, seed, FaultSizes(late_ns=(500_000_000, 600_000_000)))
    stream = LineStream(line)
    assert await ask(stream, wait_s=0.5) == b""
    await asyncio.sleep(0.3)
    assert stream.discard_input() == GOOD


@virtual
async def test_a_late_reply_can_stand_in_the_place_of_the_next_one(seed: int) -> None:
    line, _ = broken(Fault.LATE, seed, FaultSizes(late_ns=(500_000_000, 500_000_000)))
    line.stations[1].alive = False  # type: ignore[attr-defined]  # these stations are devices
    stream = LineStream(line)
    assert await ask(stream, wait_s=0.48) == b""
    assert await ask(stream, frame(2, REQUEST[1:-2])) == GOOD


@virtual
async def test_a_late_reply_that_meets_another_spoils_it(seed: int) -> None:
    line, _ = broken(Fault.LATE, seed, FaultSizes(late_ns=(500_000_000, 500_000_000)))
    stream = LineStream(line)
    assert await ask(stream, wait_s=0.503) == b""
    heard = await ask(stream, frame(2, REQUEST[1:-2]))
    assert GOOD not in heard
    assert len(heard) <= 2 * len(GOOD)
    assert crc16(heard[:-2]) != heard[-2:]


@virtual
async def test_a_duplicate_comes_twice(seed: int) -> None:
    line, _ = broken(Fault.DUPLICATE, seed)
    assert await ask(LineStream(line)) == GOOD + GOOD


@virtual
async def test_another_unit_answers_with_a_valid_frame(seed: int) -> None:
    line, _ = broken(Fault.OTHER_UNIT, seed)
    heard = await ask(LineStream(line))
    assert heard[0] == 2
    assert crc16(heard[:-2]) == heard[-2:]


@virtual
async def test_another_unit_cannot_answer_where_there_is_none(seed: int) -> None:
    line, log = broken(Fault.OTHER_UNIT, seed)
    del line.stations[1]
    assert await ask(LineStream(line)) == GOOD
    assert log[0].fault is Fault.NONE
    assert not line.injector.happened


@virtual
async def test_a_truncated_reply_is_a_beginning(seed: int) -> None:
    line, _ = broken(Fault.TRUNCATE, seed)
    heard = await ask(LineStream(line))
    assert 0 < len(heard) < len(GOOD)
    assert GOOD.startswith(heard)


@virtual
async def test_two_at_once_are_both_lost(seed: int) -> None:
    line, _ = broken(Fault.TWO_AT_ONCE, seed)
    heard = await ask(LineStream(line))
    assert len(heard) == len(GOOD)
    assert crc16(heard[:-2]) != heard[-2:]


@virtual
async def test_garbage_lies_before_and_after_the_reply(seed: int) -> None:
    line, _ = broken(Fault.GARBAGE, seed)
    heard = await ask(LineStream(line))
    assert GOOD in heard[1:-1]


@virtual
async def test_a_split_reply_pauses_where_it_is_told(seed: int) -> None:
    line, _ = broken(Fault.SPLIT, seed, FaultSizes(split_ns=(30_000_000, 30_000_000), split_at=3))
    stream = LineStream(line)
    stream.write(REQUEST)
    arrived: list[tuple[float, bytes]] = []
    while sum(len(data) for _, data in arrived) < len(GOOD):
        arrived.append((here().time(), await stream.read()))
        arrived[-1] = (here().time(), arrived[-1][1])
    assert b"".join(data for _, data in arrived) == GOOD
    pauses = [b[0] - a[0] for a, b in itertools.pairwise(arrived)]
    assert pauses[2] > 0.03
    assert max(pauses[:2] + pauses[3:]) < 0.002


@virtual
async def test_noise_is_heard_and_spoils_what_is_on_the_wire(seed: int) -> None:
    line, log = broken(Fault.NONE, seed)
    stream = LineStream(line)
    stream.disturb(b"\x00\xff\x12")
    await asyncio.sleep(0.01)
    assert stream.discard_input() == b"\x00\xff\x12"
    stream.write(REQUEST)
    await asyncio.sleep(0.002)
    stream.disturb(b"\x55")
    await asyncio.sleep(0.2)
    assert log[0].collided
    assert stream.discard_input() == b"\x55"


@virtual
async def test_babble_is_no_reply(seed: int) -> None:
    line, _ = broken(Fault.BABBLE, seed, FaultSizes(babble_bytes=80))
    heard = await ask(LineStream(line))
    assert len(heard) == 80
    assert GOOD not in heard


@virtual
async def test_a_stuck_line_is_zeros_for_as_long_as_it_is_stuck(seed: int) -> None:
    line, _ = broken(Fault.STUCK, seed, FaultSizes(stuck_ns=200_000_000))
    stream = LineStream(line)
    heard = await ask(stream, wait_s=0.21)
    assert set(heard) == {0}
    assert len(heard) == pytest.approx(200_000_000 / line.settings.character_ns, abs=25)
    await asyncio.sleep(0.1)
    stream.discard_input()
    assert await ask(stream) == GOOD


@virtual
async def test_rates_inject_about_as_often_as_they_say_and_the_same_for_a_seed(seed: int) -> None:
    counts = []
    for _ in range(2):
        line = Line(two_devices(), injector=Injector(seed, rates={Fault.DROP: 0.2, Fault.FLIP: 0.1}))
        stream = LineStream(line)
        for _ in range(300):
            await ask(stream, wait_s=0.1)
        counts.append(dict(line.injector.happened))
    assert counts[0] == counts[1]
    assert 30 <= counts[0][Fault.DROP] <= 95
    assert 10 <= counts[0][Fault.FLIP] <= 55


@virtual
async def test_a_flaky_device_fails_by_itself_and_its_neighbour_does_not(seed: int) -> None:
    flaky, sound = two_devices()
    flaky.rates[Fault.DROP] = 0.5
    line = Line([flaky, sound], injector=Injector(seed))
    stream = LineStream(line)
    silent = sum([not await ask(stream, wait_s=0.1) for _ in range(60)])
    assert 5 < silent < 55
    assert all([await ask(stream, frame(2, REQUEST[1:-2]), wait_s=0.1) for _ in range(60)])


@virtual
async def test_a_dead_device_is_silent_and_a_revived_one_answers() -> None:
    device, _ = two_devices()
    line = Line([device])
    stream = LineStream(line)
    device.alive = False
    assert await ask(stream) == b""
    device.alive = True
    assert await ask(stream) == GOOD


@virtual
async def test_at_the_wrong_speed_nobody_answers() -> None:
    line = Line(two_devices())
    stream = LineStream(line)
    await stream.set_line(Characters(baud=19200))
    assert await ask(stream) == b""
    await stream.set_line(Characters(baud=9600))
    assert await ask(stream) == GOOD


def test_a_reply_at_another_speed_or_parity_is_garbage() -> None:
    even = Characters(baud=2400, parity="E")
    data = bytes.fromhex("68aaaaaaaaaaaa681300df16")
    assert as_heard(data, even, even) == data
    assert as_heard(data, even, Characters(baud=9600, parity="E")) != data
    assert as_heard(data, even, Characters(baud=2400)) != data
    assert as_heard(b"", even, Characters()) == b""


def test_stop_bits_alone_do_not_change_what_is_heard() -> None:
    assert as_heard(b"\x01\x04", Characters(stop_bits=2), Characters()) == b"\x01\x04"


@virtual
async def test_a_long_block_arrives_in_portions_never_before_its_time() -> None:
    line = Line([RtuDevice(1, sdm120("a"), turnaround_ns=0)], step=16)
    stream = LineStream(line)
    stream.write(frame(1, bytes.fromhex("0400000050")))
    total = 0
    begin = line.settings.duration_ns(8) + line.settings.silence_ns
    while total < 165:
        total += len(await stream.read())
        assert here().time_ns() >= begin + line.settings.duration_ns(total)
    assert here().time_ns() <= begin + line.settings.duration_ns(165) + 1000
