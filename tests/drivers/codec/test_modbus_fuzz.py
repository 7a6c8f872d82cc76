"""Mutated replies: whatever a decoder takes for a frame has, by the standard's own algorithm, a right checksum.

Up to three flipped bits and bursts up to 16 bits are caught by the CRC for certain; beyond that it lets one in 65,536
through, which no decoder can help. So those two kinds must never give a frame, and any other only a sound one.
"""

from __future__ import annotations

from random import Random

import pytest

from drivers.codec.framing import Noise
from drivers.codec.modbus_rtu import RtuReplyDecoder, RtuStreamDecoder, encode
from tests.drivers.codec.rounds import rounds

ROUNDS = rounds(15000)


def sound(raw: bytes) -> bool:
    """Modbus over serial line V1.02, 6.2.2, bit by bit."""
    crc = 0xFFFF
    for byte in raw[:-2]:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return raw[-2:] == bytes((crc & 0xFF, crc >> 8))


def test_a_reply_to_read_and_write_with_another_byte_count_is_no_frame() -> None:
    """Function 23, V1.1b3, 6.17: the request says how much is read, and the reply counts it."""
    request = encode(0x11, bytes.fromhex("17 0000 0002 0010 0001 02 000A"))
    for count, frames in ((0x04, 1), (0x44, 0)):
        decoder = RtuReplyDecoder(request)
        reply = encode(0x11, bytes((0x17, count)) + bytes.fromhex("00FE0ACD"))
        events = [*decoder.feed(reply), *decoder.flush()]
        assert sum(not isinstance(event, Noise) for event in events) == frames


def test_an_identification_that_never_tells_its_end_is_not_held_for_ever() -> None:
    request = encode(0x11, bytes.fromhex("2B 0E 01 00"))
    decoder = RtuReplyDecoder(request)
    boast = encode(0x11, bytes.fromhex("2B 0E 01 01 00 00 FF"))[:-2] + b"\x00\x01\x41" * 20
    given = sum(len(event.raw) for _ in range(100) for event in decoder.feed(boast))
    assert decoder.buffered <= 4 * 256
    assert given + decoder.buffered == 100 * len(boast)


def flipped(data: bytes, chance: Random) -> bytes:
    number = int.from_bytes(data, "big")
    for bit in chance.sample(range(8 * len(data)), chance.randint(1, 3)):
        number ^= 1 << bit
    return number.to_bytes(len(data), "big")


def burst(data: bytes, chance: Random) -> bytes:
    """Change some of 16 bits in a row, in the order of transmission, which is the least significant bit first."""
    number = int.from_bytes(data, "little") ^ (chance.randint(1, 0xFFFF) << chance.randrange(8 * len(data) - 16))
    return number.to_bytes(len(data), "little")


def mangled(data: bytes, chance: Random) -> bytes:
    at, end = sorted(chance.choices(range(len(data) + 1), k=2))
    return chance.choice(
        (
            data[:at] + data[end:],
            data[:at] + chance.randbytes(end - at) + data[end:],
            data[:at] + data[:end],
            chance.randbytes(len(data)),
        )
    )


@pytest.mark.fuzz
def test_no_mutated_reply_gives_an_unsound_frame(seed: int) -> None:
    chance = Random(seed)
    for _ in range(ROUNDS):
        unit, count = chance.randint(1, 247), chance.choice((1, 2, 10, 60, 125))
        request = encode(unit, bytes((chance.choice((3, 4)), 0, chance.randrange(256), 0, count)))
        good = encode(unit, request[1:2] + bytes((2 * count,)) + chance.randbytes(2 * count))
        kind = chance.choice((flipped, burst, mangled))
        bad = kind(good, chance)
        decoder = chance.choice((RtuReplyDecoder(request), RtuStreamDecoder()))
        events = [*decoder.feed(bad), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bad
        frames = [event.raw for event in events if not isinstance(event, Noise)]
        assert all(sound(raw) for raw in frames)
        if kind is not mangled and isinstance(decoder, RtuReplyDecoder):
            assert not [raw for raw in frames if len(raw) == len(good)]
