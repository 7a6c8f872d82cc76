"""The SDI-12 codec against the conformance suite, and the suite against broken copies of it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

import drivers.codec.sdi12
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.sdi12 import LONGEST, Sdi12Decoder, Sdi12Frame, command, crc_characters
from drivers.codec.seven_bit import seven_bits, with_parity
from drivers.protocols.sdi12_listen import Sdi12LineDecoder
from tests.drivers.codec.broken_copy import Change, broken_copy
from tests.drivers.codec.rounds import rounds

SEED = 20251124
ROUNDS = rounds(15000)
CHECKSUM, SDI12 = "drivers.codec.checksum", "drivers.codec.sdi12"
PUBLISHED = (
    # SDI-12 specification, version 1.4, 4.4.12.3: address, values, CRC
    ("0", "+3.14", "OqZ"),
    ("0", "+3.14+2.718+1.414", "Ipz"),
    ("0", "+1.11+2.22+3.33+4.44+5.55+6.66", "I]q"),
    ("0", "+7.77+8.88+9.99", "IvW"),
    ("0", "", "AP@"),
)


def guarded(module: Any) -> list[Vector[Any]]:
    found = []
    for address, body, crc in PUBLISHED:
        for parity in (False, True):
            wire = (address + body + crc + "\r\n").encode()
            wire = with_parity(wire) if parity else wire
            frame = module.Sdi12Frame(address=address, body=body, crc=crc, parity_bits=parity, raw=wire)
            found.append(Vector(source="SDI-12 1.4, 4.4.12.3", wire=wire, frame=frame))
    return found


def codec(module: Any, *, crc: bool | None, is_guarded: bool) -> Codec[Any]:
    def encode(frame: Any) -> bytes:
        wire = bytes(module.encode(frame))
        return with_parity(wire) if frame.parity_bits else wire

    return Codec(
        name="sdi12",
        decoder=lambda _frame: module.Sdi12Decoder(crc=crc),
        encode=encode,
        longest_bytes=LONGEST,
        guarded=is_guarded,
    )


def test_answers_with_a_crc_hold_what_a_codec_has_to_hold() -> None:
    good = guarded(drivers.codec.sdi12)
    assert check_codec(codec(drivers.codec.sdi12, crc=True, is_guarded=True), good, Random(SEED)) == ()


def test_answers_without_one_hold_what_they_can() -> None:
    bare = [
        Vector(source="SDI-12 1.4", wire=wire, frame=Sdi12Frame(address=wire[:1].decode(), body=body, raw=wire))
        for wire, body in (
            (b"00001\r\n", "0001"),
            (b"5\r\n", ""),
            (b"0+1.234-4.56+12354-0.00045\r\n", "+1.234-4.56+12354-0.00045"),
        )
    ]
    both = bare + guarded(drivers.codec.sdi12)
    either = codec(drivers.codec.sdi12, crc=None, is_guarded=False)
    assert check_codec(either, both, Random(SEED)) == ()
    listening = replace(either, decoder=lambda _frame: Sdi12LineDecoder())
    assert check_codec(listening, both, Random(SEED)) == ()


MUTANTS: dict[str, tuple[Change, ...]] = {
    "the CRC is not checked": ((SDI12, "tail != crc_characters(data[:-_CRC_CHARS])", "False"),),
    "the CRC starts at FFFF, both ways": (
        (CHECKSUM, "return _remainder(_mirrored(data))", "return crc16_modbus(data)"),
    ),
    "the six bits of the CRC change places, both ways": (
        (SDI12, "0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F", "0x40 | crc & 0x3F, 0x40 | crc >> 6 & 0x3F"),
    ),
    "the CRC leaves the address out, both ways": (
        (SDI12, "crc = crc16_arc(data)", "crc = crc16_arc(data[1:])"),
    ),
    "noise is not reported": (
        (
            SDI12,
            "yield Noise(raw=raw, reason=NoiseReason.ECHO) if raw == self._command else noise_of(raw)",
            "yield from ()",
        ),
    ),
    "only the start of a line is tried": (
        (SDI12, "range(max(begin, len(raw) - LONGEST), len(raw) - len(_END))", "range(1)"),
    ),
    "what it holds has no limit": ((SDI12, "if len(self._buffer) > 2 * LONGEST:", "if False:"),),
    "parity bits are not understood": ((SDI12, "for table in (PLAIN, EVEN)]", "for table in (PLAIN,)]"),),
    "the answer ends at LF and one more": ((SDI12, "end + len(_END) for end", "end + len(_END) + 1 for end"),),
}  # fmt: skip


@pytest.mark.parametrize("wrong", MUTANTS)
def test_the_suite_catches_a_codec_in_which(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = broken_copy([CHECKSUM, SDI12], MUTANTS[wrong], monkeypatch)
    assert check_codec(codec(changed, crc=True, is_guarded=True), guarded(changed), Random(SEED), rounds=20)


def test_the_copy_that_the_mutants_are_made_of_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = broken_copy([CHECKSUM, SDI12], (), monkeypatch)
    assert check_codec(codec(copy, crc=True, is_guarded=True), guarded(copy), Random(SEED)) == ()


def test_an_echo_another_sensor_and_the_answer_are_told_apart() -> None:
    sent = command("0", "D0")
    decoder = Sdi12Decoder("0", command=sent)
    events = [*decoder.feed(sent + b"0+3.14OqZ\r\n"), *decoder.feed(b"1+2\r\n"), *decoder.flush()]
    assert [event.reason if isinstance(event, Noise) else event.values for event in events] == [
        NoiseReason.ECHO,
        ("+3.14",),
        NoiseReason.OTHER_UNIT,
    ]


@pytest.mark.parametrize(("address", "body"), [("", "M"), ("!", "M"), ("00", "M"), ("0", "M!"), ("0", "é")])
def test_what_is_no_command_is_not_sent(address: str, body: str) -> None:
    with pytest.raises(ValueError, match="SDI-12"):
        command(address, body)


def test_parity_is_stripped_only_where_every_character_has_it() -> None:
    assert seven_bits(b"0+3.14\r\n") == b"0+3.14\r\n"
    assert seven_bits(with_parity(b"0+3.14\r\n")) == b"0+3.14\r\n"
    assert seven_bits(with_parity(b"0+3.1") + b"4\r\n") is None


@pytest.mark.fuzz
def test_no_mutated_answer_is_believed_with_a_wrong_crc(seed: int) -> None:
    chance = Random(seed)
    for _ in range(ROUNDS):
        numbers = [chance.randrange(10 ** chance.randint(1, 7)) for _ in range(chance.randrange(5))]
        body = "".join(f"{chance.choice('+-')}{number}" for number in numbers)
        data = f"{chance.choice('09azAZ')}{body}".encode()
        wire = bytearray(data + crc_characters(data) + b"\r\n")
        if chance.randrange(2):
            wire = bytearray(with_parity(bytes(wire)))
        for _ in range(1 + chance.randrange(3)):
            at = chance.randrange(len(wire))
            wire[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        decoder = Sdi12Decoder(crc=chance.choice((True, None)))
        events = [*decoder.feed(bytes(wire)), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bytes(wire)
        for event in events:
            if isinstance(event, Sdi12Frame) and event.crc:
                text = seven_bits(event.raw)
                assert text is not None
                assert _crc_by_the_standard(text[:-5]) == text[-5:-2]


def _crc_by_the_standard(data: bytes) -> bytes:
    """SDI-12 1.4, 4.4.12.1 and 4.4.12.2, step by step."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return bytes((0x40 | crc >> 12, 0x40 | (crc >> 6 & 0x3F), 0x40 | (crc & 0x3F)))
