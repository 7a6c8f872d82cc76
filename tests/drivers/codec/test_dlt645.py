"""DL/T 645 frames: the conformance suite, broken codecs that it has to catch, replies among everything else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import pytest

from drivers.codec import dlt645, summed
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.dlt645 import (
    ANY,
    SHAPE,
    Dlt645Frame,
    Edition,
    address_request,
    broadcast_time,
    encode,
    follow_request,
    freeze_request,
    read_request,
    reply_decoder,
    stream_decoder,
)
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.summed import Shape, SummedReplyDecoder, SummedStreamDecoder

SEED = 20251124
Events: TypeAlias = list[Dlt645Frame | Noise]


def chance() -> random.Random:
    return random.Random(SEED)


def _vector(source: str, wire: str, address: str, control: int, data: str) -> Vector[Dlt645Frame]:
    raw = bytes.fromhex(wire)
    frame = Dlt645Frame(address=address, control=control, data=bytes.fromhex(data), raw=raw)
    return Vector(source=source, wire=raw, frame=frame)


VECTORS = [
    _vector("page hwhale.com article 138066", "6861010000000068910733333635455833 6B16", "000000000161", 0x91,
            "00 00 03 02 12 25 00"),
    _vector("Go go645 TestDecode", "681401003182216891083333343339333333F116", "218231000114", 0x91,
            "00 00 01 00 06 00 00 00"),
    _vector("Java/C source with bus log, 1997", "6827596303000168810444E95635F416", "010003635927", 0x81,
            "11 B6 23 02"),
    _vector("C source, read address", "68944103261218689306C7743659454BEB16", "181226034194", 0x93,
            "94 41 03 26 12 18"),
    _vector("Go TestParseDLT645Frame, a refusal", "6860079204009168D101376716", "910004920760", 0xD1, "04"),
]  # fmt: skip
REQUEST_TO = {
    vector.frame.address: encode(vector.frame.address, vector.frame.control & 0x1F, vector.frame.data[:size])
    for vector, size in zip(VECTORS, (4, 4, 2, 0, 4), strict=True)
}
EDITION_OF = {
    vector.frame.address: Edition.V1997 if index == 2 else Edition.V2007 for index, vector in enumerate(VECTORS)
}
STREAM: Codec[Dlt645Frame] = Codec(
    name="dlt645 stream",
    decoder=lambda _frame: stream_decoder(),
    encode=lambda frame: encode(frame.address, frame.control, frame.data),
    longest_bytes=dlt645.LONGEST,
    guarded=True,
)
REPLY: Codec[Dlt645Frame] = replace(
    STREAM,
    name="dlt645 reply",
    decoder=lambda frame: reply_decoder(REQUEST_TO[frame.address], EDITION_OF[frame.address]),
)


def test_it_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(STREAM, VECTORS, chance()) == ()
    assert check_codec(REPLY, VECTORS, chance()) == ()


class _Deaf(SummedStreamDecoder[Dlt645Frame]):
    def _noise(self, end: int) -> Iterator[Noise]:
        for _ in super()._noise(end):
            yield from ()


class _NoRestart(SummedStreamDecoder[Dlt645Frame]):
    def feed(self, data: bytes) -> Iterator[Dlt645Frame | Noise]:
        for event in super().feed(data):
            yield event
            if isinstance(event, Noise):
                self._buffer.clear()


class _Hoarder(SummedStreamDecoder[Dlt645Frame]):
    def _noise(self, end: int) -> Iterator[Noise]:
        yield from super()._noise(end) if not self._buffer.startswith(b"\x00") else iter(())


def _shape(**changes: object) -> Shape[Dlt645Frame]:
    return replace(SHAPE, **changes)  # type: ignore[arg-type]


class _NoSum(Shape[Dlt645Frame]):
    def whole(self, wake: bytes, body: bytes) -> Dlt645Frame | None:
        return self.read(wake, body) if body[-1] == summed.END else None


class _NoEnd(Shape[Dlt645Frame]):
    def whole(self, wake: bytes, body: bytes) -> Dlt645Frame | None:
        return self.read(wake, body) if summed.check_sum(body[:-2]) == body[-2] else None


def _address_unreversed(wake: bytes, body: bytes) -> Dlt645Frame:
    return replace(SHAPE.read(wake, body) or VECTORS[0].frame, address=body[1:7].hex())


BROKEN: dict[str, Callable[[], SummedStreamDecoder[Dlt645Frame]]] = {
    "deaf": lambda: _Deaf(SHAPE),
    "no restart": lambda: _NoRestart(SHAPE),
    "a hoarder": lambda: _Hoarder(SHAPE),
    "without sum": lambda: SummedStreamDecoder(_NoSum(longest=267, head=16, size=SHAPE.size, read=SHAPE.read)),
    "without end byte": lambda: SummedStreamDecoder(_NoEnd(longest=267, head=16, size=SHAPE.size, read=SHAPE.read)),
    "reading addresses backwards": lambda: SummedStreamDecoder(_shape(read=_address_unreversed)),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_suite_catches_a_codec_that_is(broken: str) -> None:
    codec = replace(STREAM, name=broken, decoder=lambda _frame: BROKEN[broken]())
    assert check_codec(codec, VECTORS, chance(), rounds=10)


def test_the_suite_catches_data_without_its_33(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlt645, "_MINUS", bytes(range(256)))
    assert check_codec(STREAM, VECTORS, chance(), rounds=10)


def _run(decoder: SummedReplyDecoder[Dlt645Frame], *chunks: bytes) -> Events:
    return [event for chunk in chunks for event in decoder.feed(chunk)] + list(decoder.flush())


def test_requests_are_those_of_published_exchanges() -> None:
    assert read_request(Edition.V2007, "000000000161", "02030000").hex() == "68610100000000681104333336351816"
    assert read_request(Edition.V1997, ANY, "9010").hex().upper() == "68AAAAAAAAAAAA68010243C3D516"
    assert address_request().hex().upper() == "68AAAAAAAAAAAA681300DF16"


def test_a_follow_up_names_its_number_in_the_later_edition_alone() -> None:
    (late,) = (e for e in stream_decoder().feed(follow_request(Edition.V2007, "1" * 12, "0001FF00", 2)))
    (early,) = (e for e in stream_decoder().feed(follow_request(Edition.V1997, "1" * 12, "901F", 2)))
    assert isinstance(late, Dlt645Frame)
    assert isinstance(early, Dlt645Frame)
    assert (late.control, late.data.hex()) == (0x12, "00ff010002")
    assert (early.control, early.data.hex()) == (0x02, "1f90")


def test_clock_and_freezing_are_what_the_standard_sends() -> None:
    (clock,) = (e for e in stream_decoder().feed(broadcast_time((25, 11, 24, 10, 41, 59))))
    assert isinstance(clock, Dlt645Frame)
    assert (clock.address, clock.control, clock.data.hex()) == ("999999999999", 0x08, "594110241125")
    (freeze,) = (e for e in stream_decoder().feed(freeze_request("999999999999", hour=0, minute=0)))
    assert isinstance(freeze, Dlt645Frame)
    assert (freeze.control, freeze.data.hex()) == (0x16, "00009999")


def test_wake_up_bytes_belong_to_the_frame_on_the_wire_and_not_to_its_meaning() -> None:
    wire = VECTORS[0].wire
    (frame,) = stream_decoder().feed(b"\xfe" * 13 + wire)
    assert frame == VECTORS[0].frame
    assert frame.raw == b"\xfe" * 13 + wire


THREE = bytes.fromhex(
    "6820111221063668810563E9333333DB166820111221063668C503E9016385166820110600415668810643C33C3333330016"
)
"""One read of a smart socket's line: three frames of two meters, one of them a refusal of another function."""


def test_of_three_frames_from_two_meters_the_one_that_answers_is_taken() -> None:
    request = read_request(Edition.V1997, "564100061120", "9010")
    events = _run(reply_decoder(request, Edition.V1997), THREE)
    frames = [event for event in events if not isinstance(event, Noise)]
    assert [frame.address for frame in frames] == ["564100061120"]
    reasons = [event.reason for event in events if isinstance(event, Noise)]
    assert reasons == [NoiseReason.OTHER_UNIT, NoiseReason.OTHER_UNIT]


def test_a_reply_to_another_identifier_is_no_answer() -> None:
    request = read_request(Edition.V2007, "000000000161", "02010100")
    (event,) = _run(reply_decoder(request, Edition.V2007), VECTORS[0].wire)
    assert isinstance(event, Noise)
    assert event.reason is NoiseReason.OTHER_REPLY


def test_the_echo_of_the_request_is_known() -> None:
    request = read_request(Edition.V2007, "000000000161", "02030000")
    events = _run(reply_decoder(request, Edition.V2007), b"\xfe\xfe\xfe\xfe" + request + VECTORS[0].wire)
    assert [e.reason if isinstance(e, Noise) else e.address for e in events] == [NoiseReason.ECHO, "000000000161"]


@pytest.mark.parametrize("request_to", [ANY, "AAAAAAAA0161", "000000000161"])
def test_wildcards_take_what_fits(request_to: str) -> None:
    request = read_request(Edition.V2007, request_to, "02030000")
    assert [e for e in _run(reply_decoder(request, Edition.V2007), VECTORS[0].wire) if not isinstance(e, Noise)]


def test_a_wildcard_may_be_answered_with_itself() -> None:
    reply = encode(ANY, 0x81, bytes.fromhex("1090 00000000"))
    (frame,) = _run(reply_decoder(read_request(Edition.V1997, ANY, "9010"), Edition.V1997), reply)
    assert isinstance(frame, Dlt645Frame)
    assert frame.address == ANY


def test_a_follow_up_of_another_number_is_no_answer() -> None:
    request = follow_request(Edition.V2007, "000000000161", "0001FF00", 2)
    for number, found in ((1, 0), (2, 1)):
        reply = encode("000000000161", 0x92, bytes.fromhex("00FF0100 11223344") + bytes((number,)))
        events = _run(reply_decoder(request, Edition.V2007), reply)
        assert len([e for e in events if not isinstance(e, Noise)]) == found


def test_a_wrong_sum_is_told_at_once_when_it_is_all_that_came() -> None:
    request = read_request(Edition.V2007, "000000000161", "02030000")
    damaged = VECTORS[0].wire[:-2] + bytes.fromhex("6C16")
    (event,) = reply_decoder(request, Edition.V2007).feed(b"\xfe\xfe" + damaged)
    assert isinstance(event, Noise)
    assert event.reason is NoiseReason.BAD_CHECKSUM


def test_what_is_missing_is_known_once_the_length_is() -> None:
    request = read_request(Edition.V2007, "000000000161", "02030000")
    decoder = reply_decoder(request, Edition.V2007)
    assert list(decoder.feed(VECTORS[0].wire[:9])) == []
    assert decoder.missing == 0
    assert list(decoder.feed(VECTORS[0].wire[9:11])) == []
    assert decoder.missing == len(VECTORS[0].wire) - 11
