"""Which answer belongs to which SDI-12 command, and what a break leaves behind."""

from __future__ import annotations

import os
from random import Random

import pytest

from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.sdi12 import LONGEST, Sdi12Frame, crc_characters, encode
from drivers.codec.sdi12_reply import BreakDecoder, Form, Marking, Sdi12ReplyDecoder, timing
from drivers.codec.seven_bit import seven_bits, with_parity
from hil.sim.sdi12 import checked

SEED = 20251124
ROUNDS = int(os.environ.get("TIDEGATE_FUZZ_ROUNDS", "4000"))
ANSWERS = {
    b"0\r\n": {Form.ACK, Form.VALUES},
    b"00001\r\n": {Form.TIMING},
    b"000512\r\n": {Form.TIMING},
    b"0000599\r\n": {Form.TIMING},
    b"0+3.14-2.718\r\n": {Form.VALUES},
    b"013NRSYSINC1000001.2101\r\n": {Form.TEXT},
    b"013VAISALA_WXT530103Y2630000\r\n": {Form.TEXT},
    b"0000\r\n": {Form.TEXT},
}
"""What the standard and makers print, and the commands that it may answer."""


@pytest.mark.parametrize("wire", ANSWERS)
@pytest.mark.parametrize("form", Form)
def test_an_answer_counts_only_for_a_command_that_it_may_answer(wire: bytes, form: Form) -> None:
    for bytes_ in (wire, with_parity(wire)):
        decoder = Sdi12ReplyDecoder("0", form)
        (event,) = (*decoder.feed(bytes_), *decoder.flush())
        if form in ANSWERS[wire]:
            assert isinstance(event, Sdi12Frame)
        else:
            assert event == Noise(raw=bytes_, reason=NoiseReason.OTHER_REPLY)


def test_a_late_answer_in_front_of_the_right_one_is_not_taken_for_it() -> None:
    decoder = Sdi12ReplyDecoder("0", Form.TIMING, command=b"0M!")
    events = list(decoder.feed(b"0M!0+1.5+2.5\r\n1\r\n00053\r\n"))
    assert [event.reason for event in events if isinstance(event, Noise)] == [
        NoiseReason.ECHO, NoiseReason.OTHER_REPLY, NoiseReason.OTHER_UNIT,
    ]  # fmt: skip
    assert isinstance(events[-1], Sdi12Frame)
    assert timing(events[-1]) == (5, 3)


def test_values_whose_crc_was_ordered_need_it() -> None:
    def answer(wire: bytes) -> list[object]:
        decoder = Sdi12ReplyDecoder("0", Form.VALUES, crc=True)
        return [getattr(event, "reason", event) for event in (*decoder.feed(wire), *decoder.flush())]

    assert answer(b"0+3.14\r\n") == [NoiseReason.BAD_CHECKSUM]
    assert answer(b"0+3.15OqZ\r\n") == [NoiseReason.BAD_CHECKSUM]
    assert answer(b"0+3.14OqZ\r\n") == [Sdi12Frame(address="0", body="+3.14", crc="OqZ", raw=b"0+3.14OqZ\r\n")]


def test_the_decoder_of_guarded_values_holds_what_a_codec_has_to_hold() -> None:
    vectors = [
        Vector(source="SDI-12 1.4, 4.4.12.3", wire=wire, frame=Sdi12Frame(address="0", body=body, crc=crc, raw=wire))
        for body, crc in (("+3.14", "OqZ"), ("+3.14+2.718+1.414", "Ipz"), ("+1.11+2.22+3.33+4.44+5.55+6.66", "I]q"))
        for wire in (f"0{body}{crc}\r\n".encode(),)
    ]
    codec: Codec[Sdi12Frame] = Codec(
        name="sdi12 values",
        decoder=lambda _frame: Sdi12ReplyDecoder("0", Form.VALUES, crc=True),
        encode=encode,
        longest_bytes=LONGEST,
        guarded=True,
    )
    assert check_codec(codec, vectors, Random(SEED)) == ()


def test_requests_of_one_likeness_are_those_whose_answers_look_alike() -> None:
    ours = [Sdi12ReplyDecoder("0", form) for form in Form]
    assert len({one.likeness for one in ours}) == len(Form)
    assert {one.peer for one in ours} == {ours[0].fresh().peer}
    assert Sdi12ReplyDecoder("1", Form.ACK).peer != ours[0].peer


def test_a_break_is_answered_by_silence_alone() -> None:
    decoder = BreakDecoder(1)
    assert [event.raw for event in (*decoder.feed(b"\x00"), *decoder.feed(b"0\r\n"))] == [b"\x00", b"0\r\n"]
    assert list(decoder.flush()) == [Marking()]
    assert decoder.fresh().likeness == decoder.likeness != BreakDecoder(2).likeness


@pytest.mark.fuzz
def test_no_mutated_answer_gives_values_with_a_wrong_crc_nor_a_form_that_was_not_asked_for(seed: int) -> None:
    chance = Random(seed)
    for _ in range(ROUNDS):
        wire = bytearray(chance.choice([*ANSWERS]))
        if chance.randrange(2):
            data = f"0{chance.choice('+-')}{chance.randrange(10**7)}+{chance.randrange(999)}.5".encode()
            wire = bytearray(data + crc_characters(data) + b"\r\n")
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(wire) + 1)
            wire[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        form, crc = chance.choice([*Form]), bool(chance.randrange(2))
        decoder = Sdi12ReplyDecoder("0", form, crc=crc and form is Form.VALUES)
        events = [*decoder.feed(bytes(wire)), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bytes(wire)
        for event in events:
            if isinstance(event, Noise):
                continue
            assert form.fits(event)
            assert event.address == "0"
            text = seven_bits(event.raw)
            assert text is not None
            if event.crc:
                assert checked(text[:-5].decode()) == text[:-2].decode()
            elif form is Form.VALUES:
                assert not crc
