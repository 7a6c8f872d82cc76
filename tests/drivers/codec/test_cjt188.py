"""CJ/T 188 frames: the conformance suite, broken codecs that it has to catch, identifiers of either order."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from drivers.codec import cjt188, summed
from drivers.codec.cjt188 import (
    ANY,
    SHAPE,
    Cjt188Frame,
    address_request,
    clock_request,
    encode,
    read_request,
    reply_decoder,
    stream_decoder,
)
from drivers.codec.cjt188_layout import canonical, values
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.summed import Shape, SummedStreamDecoder

SEED = 20251124


def chance() -> random.Random:
    return random.Random(SEED)


def _vector(source: str, wire: str, type_: int, address: str, control: int, data: str) -> Vector[Cjt188Frame]:
    raw = bytes.fromhex(wire)
    frame = Cjt188Frame(type=type_, address=address, control=control, data=bytes.fromhex(data), raw=raw)
    return Vector(source=source, wire=raw, frame=frame)


VECTORS = [
    _vector("Java (fox-edge CJT188 test)",
            "68104433221100337881161F9000007766552C007766552C3101221105152021841316", 0x10, "78330011223344", 0x81,
            "1F 90 00 00 77 66 55 2C 00 77 66 55 2C 31 01 22 11 05 15 20 21 84"),
    _vector("Java source, a heat meter of type 27",
            "682766904318001111812E1F90000000000008270100000800000000170000000035071900002C603600982200660100493514"
            "011118200800CB16", 0x27, "11110018439066", 0x81,
            "1F 90 00 00 00 00 00 08 27 01 00 00 08 00 00 00 00 17 00 00 00 00 35 07 19 00 00 2C 60 36 00 98 22 00"
            "66 01 00 49 35 14 01 11 18 20 08 00"),
    _vector("by rule, layout of a PHP test", "681011223344556677C1030111224C16", 0x10, "77665544332211", 0xC1,
            "01 11 22"),
    _vector("C# FrameCJT188_2004 test, a request", "6810880527101520000103901F012516", 0x10, "00201510270588", 0x01,
            "90 1F 01"),
]  # fmt: skip
REQUEST_TO = {
    "78330011223344": read_request(0x10, "78330011223344", "901F", 0, low_first=False),
    "11110018439066": read_request(0x20, "11110018439066", "901F", 0, low_first=True),
    "77665544332211": read_request(0x10, "77665544332211", "901F", 1, low_first=True),
}
STREAM: Codec[Cjt188Frame] = Codec(
    name="cjt188 stream",
    decoder=lambda _frame: stream_decoder(),
    encode=lambda frame: encode(frame.type, frame.address, frame.control, frame.data),
    longest_bytes=cjt188.LONGEST,
    guarded=True,
)
REPLY: Codec[Cjt188Frame] = replace(
    STREAM, name="cjt188 reply", decoder=lambda frame: reply_decoder(REQUEST_TO[frame.address])
)


def test_it_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(STREAM, VECTORS, chance()) == ()
    assert check_codec(REPLY, VECTORS[:-1], chance()) == ()


class _NoSum(Shape[Cjt188Frame]):
    def whole(self, wake: bytes, body: bytes) -> Cjt188Frame | None:
        return self.read(wake, body) if body[-1] == summed.END else None


def _with_offset(wake: bytes, body: bytes) -> Cjt188Frame | None:
    frame = SHAPE.read(wake, body)
    return None if frame is None else replace(frame, data=bytes((byte - 0x33) & 0xFF for byte in frame.data))


def _short(head: bytes) -> int | None:
    return 12 + head[10] if len(head) > 10 else 0


BROKEN: dict[str, Shape[Cjt188Frame]] = {
    "without sum": _NoSum(longest=268, head=16, size=SHAPE.size, read=SHAPE.read),
    "taking 33 off as DL/T 645 does": replace(SHAPE, read=_with_offset),
    "one byte short": replace(SHAPE, size=_short),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_suite_catches_a_codec_that_is(broken: str) -> None:
    codec = replace(STREAM, name=broken, decoder=lambda _frame: SummedStreamDecoder(BROKEN[broken]))
    assert check_codec(codec, VECTORS, chance(), rounds=10)


def test_requests_are_those_of_published_exchanges() -> None:
    assert read_request(0x10, "00201510270588", "901F", 1, low_first=False) == VECTORS[3].wire
    assert read_request(0x10, "00000805000001", "901F", 0, low_first=True).hex().upper() == (
        "68100100000508000001031F90003916"
    )
    (frame,) = stream_decoder().feed(address_request(0, low_first=True))
    assert isinstance(frame, Cjt188Frame)
    assert (frame.type, frame.address, frame.control, frame.data.hex()) == (0xAA, ANY, 3, "0a8100")


def test_the_clock_goes_out_low_byte_first() -> None:
    (frame,) = stream_decoder().feed(clock_request(0x10, "1" * 14, (2025, 11, 24, 10, 44, 5), 7))
    assert isinstance(frame, Cjt188Frame)
    assert (frame.control, frame.data.hex()) == (4, "15a007054410241125" + "20")


@pytest.mark.parametrize("low_first", [False, True])
def test_a_reply_may_turn_the_identifier_round(low_first: bool) -> None:
    request = read_request(0x10, "78330011223344", "901F", 0, low_first=low_first)
    assert list(reply_decoder(request).feed(VECTORS[0].wire)) == [VECTORS[0].frame]


def test_another_serial_number_is_no_answer_unless_this_meter_counts_its_own() -> None:
    request = read_request(0x10, "78330011223344", "901F", 9, low_first=True)
    decoder = reply_decoder(request)
    (event,) = (*decoder.feed(VECTORS[0].wire), *decoder.flush())
    assert isinstance(event, Noise)
    assert event.reason is NoiseReason.OTHER_REPLY
    assert list(reply_decoder(request, any_serial=True).feed(VECTORS[0].wire)) == [VECTORS[0].frame]


def test_a_meter_may_answer_as_another_type() -> None:
    assert list(reply_decoder(REQUEST_TO["11110018439066"]).feed(VECTORS[1].wire)) == [VECTORS[1].frame]


def test_identifiers_are_known_in_either_order() -> None:
    for written in ("901F", "911F", "D120", "D12B", "A010", "A015", "810A", "A018"):
        wire = bytes.fromhex(written)
        assert canonical(wire) == canonical(wire[::-1]) == written


def test_a_number_in_an_unknown_unit_is_no_value() -> None:
    (said,) = values("water", "D120", bytes.fromhex("00771200 99")) or ()
    assert (said.value, said.unit) == (None, None)


def test_history_is_named_by_month_and_by_what_its_unit_measures() -> None:
    (said,) = values("water", "D122", bytes.fromhex("00771200 2C")) or ()
    assert (said.quantity, str(said.value), said.unit) == ("volume_month_3", "1277.00", "m3")
    (said,) = values("heat", "D12B", bytes.fromhex("00771200 0A")) or ()
    assert (said.quantity, str(said.value), said.unit) == ("energy_month_12", "127700.00", "MW.h")


def test_a_layout_that_does_not_fit_is_not_known() -> None:
    assert values("water", "901F", bytes(21)) is None
    assert values("heat", "901F", bytes(19)) is None
    assert values(None, "901F", bytes(19)) is None
