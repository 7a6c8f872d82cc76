"""HJ 212 packets: the conformance suite, broken codecs, the CRC of annex A, splitting and acknowledgement."""

from __future__ import annotations

import random
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from drivers.codec import hj212
from drivers.codec.checksum import crc16_modbus
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.hj212 import Edition, Hj212Frame, Rules, crc, encode, stream_decoder
from drivers.codec.hj212_segment import DATA_ANSWER, EXECUTED, Segment, answer, compose, joined, later, parse, split
from drivers.codec.searched import Form, Look, SearchDecoder
from tests.drivers.codec.rounds import rounds
from tests.drivers.codec.search_mutants import MUTANTS, mangled

SEED = 20251124
MUTATED = rounds(24_000)
STANDARD = Rules(small_letters=False)


def _vector(source: str, segment: str, check: str) -> Vector[Hj212Frame]:
    wire = f"##{len(segment):04d}{segment}{check}\r\n".encode()
    return Vector(source=source, wire=wire, frame=Hj212Frame(segment=segment.encode(), raw=wire))


VECTORS = [
    _vector("HJ 212-2017 annex A",
            "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&",
            "1C80"),
    _vector("guocay/hj212-protocol, ApplicationTest case 6",
            "QN=20191012133710130;ST=22;CN=2011;PW=123456;MN=Y80110010000010;Flag=4;CP=&&DataTime=20191012133710;"
            "a214-Rtd=0.00,a214-Flag=N;a215-Rtd=0.00,a215-Flag=N;a216-Rtd=0.036,a216-Flag=N;a217-Rtd=0.033,"
            "a217-Flag=N;a211-Rtd=25.40,a211-Flag=N;a212-Rtd=49.20,a212-Flag=N;a213-Rtd=101.94,a213-Flag=N&&",
            "5780"),
    _vector("HJ 212-2025 annex A.1, as quoted by public implementations of it",
            "QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&",
            "2200"),
]  # fmt: skip
CODEC: Codec[Hj212Frame] = Codec(
    name="hj212",
    decoder=lambda _frame: stream_decoder(STANDARD),
    encode=lambda frame: encode(frame.segment),
    longest_bytes=12 + STANDARD.longest,
    guarded=True,
)


def chance() -> random.Random:
    return random.Random(SEED)


def _form() -> Form[Any]:
    return stream_decoder(STANDARD)._form


def test_it_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(CODEC, VECTORS, chance()) == ()
    largest = replace(
        CODEC, decoder=lambda _frame: stream_decoder(replace(STANDARD, longest=9999)), longest_bytes=12 + 9999
    )
    assert check_codec(largest, VECTORS, chance(), rounds=5) == ()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_suite_catches_a_codec_that_is(mutant: str) -> None:
    broken = replace(CODEC, decoder=lambda _frame: MUTANTS[mutant](_form()))
    assert check_codec(broken, VECTORS, chance(), rounds=10)


@pytest.mark.parametrize("wrong", [crc16_modbus, lambda _segment: 0x1C80])
def test_the_suite_catches_another_crc(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hj212, "crc", wrong)
    assert check_codec(CODEC, VECTORS, chance(), rounds=10)


def test_the_suite_catches_a_codec_that_does_not_compare_the_crc() -> None:
    def look(buffer: bytearray, at: int) -> Hj212Frame | Look:
        found: Hj212Frame | Look = _form().look(buffer, at)
        if found is not Look.DAMAGED:
            return found
        raw = bytes(buffer[at : at + 12 + int(buffer[at + 2 : at + 6])])
        return Hj212Frame(segment=raw[6:-6], raw=raw)

    broken = replace(CODEC, decoder=lambda _frame: SearchDecoder(Form(mark=b"##", look=look)))
    assert check_codec(broken, VECTORS, chance(), rounds=10)


def _bitwise(segment: bytes) -> int:
    """Annex A, bit by bit."""
    register = 0xFFFF
    for byte in segment:
        register = register >> 8 ^ byte
        for _ in range(8):
            low = register & 1
            register >>= 1
            if low:
                register ^= 0xA001
    return register


def test_the_crc_is_that_of_the_annex_and_not_that_of_modbus() -> None:
    segment = VECTORS[0].frame.segment
    assert crc(segment) == _bitwise(segment) == 0x1C80
    assert crc16_modbus(segment) != 0x1C80
    assert len({crc(Random(n).randbytes(30)) for n in range(5000)}) == 256, "as strong as the docstring says"


def test_small_letters_are_taken_unless_the_standard_is_kept_to() -> None:
    wire = encode(b"ST=32;CN=2011;CP=&&a=1&&")
    small = wire[:-6] + wire[-6:-2].lower() + b"\r\n"
    assert small != wire
    for rules, taken in ((Rules(), True), (STANDARD, False)):
        decoder = stream_decoder(rules)
        assert any(not isinstance(e, Noise) for e in (*decoder.feed(small), *decoder.flush())) is taken


def test_a_segment_longer_than_agreed_is_none() -> None:
    wire = encode(b"CP=&&a=" + b"1" * 1500 + b"&&")
    decoder = stream_decoder()
    assert all(isinstance(event, Noise) for event in decoder.feed(wire))
    assert decoder.buffered < 2
    assert not isinstance(next(iter(stream_decoder(Rules(longest=9999)).feed(wire))), Noise)
    with pytest.raises(ValueError, match="9999"):
        encode(bytes(10_000))


@pytest.mark.parametrize("portion", [1, 7, 4096])
def test_a_damaged_length_does_not_swallow_the_next_packet(portion: int) -> None:
    damaged, good = VECTORS[0].wire.replace(b"##0", b"##8", 1), VECTORS[1].wire
    decoder, stream = stream_decoder(Rules(longest=9999)), damaged + good
    events = [one for at in range(0, len(stream), portion) for one in decoder.feed(stream[at : at + portion])]
    assert [one.raw for one in events if isinstance(one, Hj212Frame)] == [good]
    assert b"".join(one.raw for one in events) == stream


def test_a_wrong_crc_is_said_to_be_one() -> None:
    decoder = stream_decoder()
    (event,) = [*decoder.feed(VECTORS[1].wire.replace(b"5780", b"5781")), *decoder.flush()]
    assert isinstance(event, Noise)
    assert event.reason is NoiseReason.BAD_CHECKSUM


def _said(vector: Vector[Hj212Frame]) -> Segment:
    said = parse(vector.frame.segment)
    assert said is not None
    return said


def test_a_segment_is_read_and_written_back() -> None:
    for vector in VECTORS:
        assert compose(_said(vector)) == vector.frame.segment
    asked = _said(VECTORS[0])
    assert (asked.head("CN"), asked.version, asked.wants_answer, asked.place) == ("1062", 1, True, (1, 1))
    assert not _said(VECTORS[1]).wants_answer


@pytest.mark.parametrize(
    "bad", [b"", b"CP=&&", b"ST=32;CP=&a=1&&", b"ST=32CP=&&a=1&&", b"ST;CP=&&a=1&&", b"ST=1;CP=&&=1&&", b"a=1&&"]
)
def test_what_is_no_segment_is_none(bad: bytes) -> None:
    assert parse(bad) is None


def test_an_answer_goes_back_under_the_number_of_the_request() -> None:
    back = answer(_said(VECTORS[0]), EXECUTED, Edition.V2017, ((("ExeRtn", "1"),),))
    assert compose(back) == (
        b"QN=20160801085857223;ST=91;CN=9012;PW=100000;MN=010000A8900016F000169DC0;Flag=4;CP=&&ExeRtn=1&&"
    )
    assert answer(_said(VECTORS[0]), DATA_ANSWER, Edition.V2025).head("Flag") == "8"


def test_a_long_message_is_split_and_put_together_again() -> None:
    items = (
        (("DataTime", "20250101000000"),),
        *(((f"w{n:05d}-Avg", "1.5"), (f"w{n:05d}-Flag", "N")) for n in range(90)),
    )
    said = Segment(header=(("QN", "20250101000000000"), ("CN", "2051"), ("Flag", "5")), items=items)
    packets = split(said, 1024)
    assert len(packets) > 1
    for number, packet in enumerate(packets, 1):
        assert len(compose(packet)) <= 1024
        assert (packet.place, packet.head("Flag")) == ((number, len(packets)), "7")
        assert parse(compose(packet)) == packet
        assert packet.head("QN") == f"2025010100000000{number - 1}", "each is acknowledged by itself (table C.50)"
    (whole,) = joined([*reversed(packets), packets[0]])
    assert set(whole.items) == set(items)
    assert whole.head("QN") == said.head("QN")
    assert joined([packets[0], packets[0], packets[-1]]) == (packets[0], packets[-1]), (
        "what is missing is not made up"
    )
    assert split(said, 9999) == (said,)
    with pytest.raises(ValueError, match="alone"):
        split(replace(said, items=((("a", "1" * 2000),), (("b", "1"),))), 1024)


def test_packets_of_two_periods_are_not_mixed() -> None:
    both = []
    for hour in ("08", "09"):
        items = ((("DataTime", f"20250101{hour}0000"),), *(((f"w{n:05d}-Avg", "1.5"),) for n in range(90)))
        header = (("QN", f"20250101{hour}0000000"), ("CN", "2061"), ("Flag", "5"))
        both.append(Segment(header=header, items=items))
    first, second = (split(said, 1024) for said in both)
    found = joined([packet for pair in zip(first, second, strict=True) for packet in pair])
    assert [whole.items for whole in found] == [said.items for said in both]


def test_a_request_number_counts_on_in_time() -> None:
    assert later("20241231235959999", 1) == "20250101000000000"
    assert later("none", 1) == "none"


def test_two_messages_that_are_whole_stay_two() -> None:
    said = _said(VECTORS[1])
    assert joined([said, said]) == (said, said)


def test_packet_numbers_that_are_nonsense_are_none() -> None:
    for number, count in (("0", "2"), ("3", "2"), ("x", "2"), ("-1", "2"), ("1", "")):
        packet = Segment(header=(("PNUM", count), ("PNO", number)), items=())
        assert packet.place == (0, 0)
        assert joined([packet]) == (packet,)


@pytest.mark.fuzz
def test_no_mutated_packet_gives_a_frame_with_a_wrong_crc(seed: int) -> None:
    dice = Random(seed)
    for _ in range(MUTATED):
        bad = mangled(dice.choice(VECTORS).wire, dice)
        decoder = stream_decoder()
        events = [*decoder.feed(bad), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bad
        for event in events:
            if isinstance(event, Hj212Frame):
                assert int(event.raw[-6:-2], 16) == _bitwise(event.segment)
                assert event.raw[2:6] == b"%04d" % len(event.segment)
                parse(event.segment)
