"""Modbus ASCII: the conformance suite, broken codecs that it has to catch, replies and noise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import modbus_ascii
from drivers.codec.conformance import Chance, Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.modbus_ascii import AsciiFrame, AsciiReplyDecoder, AsciiStreamDecoder, characters, encode, lrc
from tests.drivers.codec.rounds import rounds

SEED = 20251124
_REQUEST = b":1103006B00037E\r\n"
_REPLY = b":110306022B0000006455\r\n"


class Seeded(Random):
    """A ``Chance``."""


def chance() -> Chance:
    return Seeded(SEED)


def _vector(source: str, wire: bytes, unit: int, pdu: str) -> Vector[AsciiFrame]:
    return Vector(source=source, wire=wire, frame=AsciiFrame(unit=unit, pdu=bytes.fromhex(pdu), raw=wire))


VECTORS = [
    _vector("Modbus ASCII canonical example", _REQUEST, 0x11, "03 00 6B 00 03"),
    _vector("the same, its reply; LRC by hand: 100 - (11+03+06+02+2B+64)", _REPLY, 0x11, "03 06 02 2B 00 00 00 64"),
    _vector("Serial Line V1.02, 6.2.1 by rule: a refusal", b":1183026A\r\n", 0x11, "83 02"),
    _vector("6.11 by rule: a confirmation", b":110F0013000AC3\r\n", 0x11, "0F 00 13 00 0A"),
]
REQUEST_TO = {
    VECTORS[1].wire: VECTORS[0].wire,
    VECTORS[2].wire: VECTORS[0].wire,
    VECTORS[3].wire: encode(0x11, bytes.fromhex("0F 00 13 00 0A 02 CD 01")),
}
STREAM: Codec[AsciiFrame] = Codec(
    name="modbus-ascii stream",
    decoder=lambda _frame: AsciiStreamDecoder(),
    encode=lambda frame: encode(frame.unit, frame.pdu),
    longest_bytes=513,
    guarded=True,
)
REPLY: Codec[AsciiFrame] = replace(
    STREAM, name="modbus-ascii reply", decoder=lambda frame: AsciiReplyDecoder(REQUEST_TO[frame.raw])
)


def test_it_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(STREAM, VECTORS, chance()) == ()
    assert check_codec(REPLY, VECTORS[1:], chance()) == ()


class _NoCheck(AsciiStreamDecoder):
    def _whole(self, size: int) -> AsciiFrame | Noise:
        event = super()._whole(size)
        if isinstance(event, Noise) and event.reason is NoiseReason.BAD_CHECKSUM:
            body = bytes.fromhex(event.raw[1:-2].decode())
            return AsciiFrame(unit=body[0], pdu=body[1:-1], raw=event.raw)
        return event


class _Deaf(AsciiStreamDecoder):
    def _noise(self, end: int, reason: NoiseReason) -> Iterator[Noise]:
        for _ in super()._noise(end, reason):
            yield from ()


class _Endless(AsciiStreamDecoder):
    def _digits_end(self) -> int | None:
        return next((i for i in range(1, len(self._buffer)) if self._buffer[i] not in b"0123456789ABCDEF"), None)


class _NoRestart(AsciiStreamDecoder):
    def _scan(self) -> Iterator[AsciiFrame | Noise]:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            start = max(0, self._buffer.find(b":"))
            yield from self._noise(start, NoiseReason.GARBAGE)
            if self._digits_end() != end - start:
                yield from self._noise(end - start + 2, NoiseReason.GARBAGE)
            else:
                yield self._whole(end - start + 2)


@pytest.mark.parametrize("broken", [_NoCheck, _Deaf, _Endless, _NoRestart])
def test_the_suite_catches_a_codec_that_is(broken: type[AsciiStreamDecoder]) -> None:
    codec = replace(STREAM, name=broken.__name__, decoder=lambda _frame: broken())
    assert check_codec(codec, VECTORS, chance(), rounds=10)


def test_the_suite_catches_a_sum_instead_of_its_complement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus_ascii, "lrc", lambda data: sum(data) & 0xFF)
    assert check_codec(STREAM, VECTORS, chance(), rounds=10)


def test_the_check_of_the_published_frame() -> None:
    assert lrc(bytes.fromhex("11 03 00 6B 00 03")) == 0x7E
    assert characters(5) == len(_REQUEST)


def _events(wire: bytes, request: bytes = _REQUEST) -> list[AsciiFrame | Noise]:
    decoder = AsciiReplyDecoder(request)
    return [*decoder.feed(wire), *decoder.flush()]


@pytest.mark.parametrize(
    ("wire", "reasons"),
    [
        (_REQUEST, [NoiseReason.ECHO]),
        (encode(0x12, bytes.fromhex("03 06 02 2B 00 00 00 64")), [NoiseReason.OTHER_UNIT]),
        (encode(0x11, bytes.fromhex("04 06 02 2B 00 00 00 64")), [NoiseReason.OTHER_REPLY]),
        (encode(0x11, bytes.fromhex("03 04 02 2B 00 00")), [NoiseReason.OTHER_REPLY]),
        (encode(0x11, bytes.fromhex("03 05 02 2B 00 00 00 64")), [NoiseReason.OTHER_REPLY]),
        (_REPLY[:-4] + b"56\r\n", [NoiseReason.BAD_CHECKSUM]),
        (b":1203" + _REPLY[5:-4] + b"56\r\n", [NoiseReason.GARBAGE]),
        (_REPLY[:-1], [NoiseReason.CUT_SHORT]),
        (_REPLY.lower(), [NoiseReason.GARBAGE, NoiseReason.GARBAGE]),
        (b"\xff\x00", [NoiseReason.GLITCH]),
    ],
)
def test_what_is_no_reply_is_sorted(wire: bytes, reasons: list[NoiseReason]) -> None:
    events = _events(wire)
    assert all(isinstance(event, Noise) for event in events)
    assert {event.reason for event in events if isinstance(event, Noise)} == set(reasons)
    assert b"".join(event.raw for event in events) == wire


def test_a_reply_is_found_behind_anything_with_its_length_known_ahead() -> None:
    decoder = AsciiReplyDecoder(_REQUEST)
    assert list(decoder.feed(b":11\xff" + _REPLY[:9])) == [
        Noise(raw=b":11", reason=NoiseReason.GARBAGE), Noise(raw=b"\xff", reason=NoiseReason.GLITCH)
    ]  # fmt: skip
    assert decoder.missing == len(_REPLY) - 9
    (frame,) = decoder.feed(_REPLY[9:])
    assert frame.raw == _REPLY
    refused = AsciiReplyDecoder(_REQUEST)
    assert list(refused.feed(b":1183")) == []
    assert refused.missing == 6


def test_replies_of_one_likeness_are_told_apart_by_nothing() -> None:
    def likeness(pdu: str) -> bytes:
        return AsciiReplyDecoder(encode(0x11, bytes.fromhex(pdu))).likeness

    assert likeness("03 00 6B 00 03") == likeness("03 00 00 00 03")
    assert likeness("03 00 6B 00 03") != likeness("03 00 6B 00 04")
    assert likeness("06 00 01 00 03") != likeness("06 00 01 00 04")


@given(st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([_REPLY, _REQUEST, b":", b"\r\n", b":11"]))))
def test_no_bytes_make_it_raise_or_lose_one(parts: list[bytes]) -> None:
    decoder = AsciiReplyDecoder(_REQUEST)
    out = b""
    for part in parts:
        out += b"".join(event.raw for event in decoder.feed(part))
        assert decoder.missing >= 0
    out += b"".join(event.raw for event in decoder.flush())
    assert out == b"".join(parts)


@pytest.mark.fuzz
def test_a_damaged_reply_is_hardly_ever_believed(seed: int) -> None:
    """The LRC is a sum of one byte: two errors that cancel out are not seen, one is."""
    rand = random.Random(seed)
    for _ in range(rounds(20_000)):
        wire = bytearray(_REPLY)
        at = rand.randrange(len(wire))
        wire[at] = rand.randrange(256)
        frames = [event for event in _events(bytes(wire)) if isinstance(event, AsciiFrame)]
        assert not frames or bytes(wire) == _REPLY
