"""The codec of IEC 62056-21 against the conformance suite, and the suite against broken copies of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

import drivers.codec.iec62056_21
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.iec62056_21 import IecDecoder, IecFrame, Kind, encode
from drivers.codec.iec62056_21_baud import Mode, option_baud, parse_identification
from drivers.codec.iec62056_21_data import parse_data, parse_obis
from drivers.codec.iec62056_21_reply import IecReplyDecoder
from drivers.codec.seven_bit import seven_bits, with_parity
from tests.drivers.codec.broken_copy import Change, broken_copy
from tests.drivers.codec.rounds import rounds

SEED = 20251124
ROUNDS = rounds(15000)
MODULE = "drivers.codec.iec62056_21"
LONGEST = 512  # bytes of the longest message, for the checks; a readout may have far more
_FILE = Path(__file__).parents[2] / "vectors" / "iec62056_21" / "frames.json"
WIRES: dict[str, bytes] = {
    vector["id"][-3:]: bytes.fromhex(vector["response"] or vector["request"])
    for vector in json.loads(_FILE.read_text(encoding="utf-8"))
}
DSMR = (
    b"/ISk5\\2ME382-1003\r\n\r\n0-0:96.1.1(4B414C37303035)\r\n1-0:1.8.1(00001.001*kWh)\r\n"
    b"0-1:24.2.1(121030140000)(00024.123*m3)\r\n!"
)
BLOCKS = frozenset((Kind.BLOCK, Kind.COMMAND))
LINES = frozenset((Kind.SIGN_ON, Kind.IDENTIFICATION, Kind.OPTION))
TELEGRAMS = frozenset((Kind.TELEGRAM,))


def both(wire: bytes, frame: Any, **parts: Any) -> list[Vector[Any]]:
    """The message as a port with seven bits gives it, and as one without."""
    return [
        Vector(source="see frames.json", wire=raw, frame=frame(**parts, parity_bits=raw is not wire, raw=raw))
        for raw in (wire, with_parity(wire))
    ]


def blocks(module: Any) -> list[Vector[Any]]:
    readout = "F.F(00000000)\r\n0.0.0(10067967)\r\n0.9.1(202405)\r\n0.9.2(221113)\r\n!\r\n"
    block, command = module.Kind.BLOCK, module.Kind.COMMAND
    return [
        *both(WIRES["006"], module.IecFrame, kind=block, text=readout, check=0x33),
        *both(WIRES["003"], module.IecFrame, kind=command, command="P0", text="(00000001)", check=0x61),
        *both(WIRES["008"], module.IecFrame, kind=command, command="P0", text="(1234567)", check=0x50),
    ]


def lines(module: Any) -> list[Vector[Any]]:
    return [
        *both(WIRES["007"], module.IecFrame, kind=module.Kind.IDENTIFICATION, text="MCS5\\@V0050710000051"),
        *both(b"/?12345678!\r\n", module.IecFrame, kind=module.Kind.SIGN_ON, text="12345678"),
        *both(WIRES["005"], module.IecFrame, kind=module.Kind.OPTION, text="050"),
    ]


def codec(module: Any, kinds: frozenset[Kind], *, guarded: bool) -> Codec[Any]:
    wanted = frozenset(module.Kind(kind.value) for kind in kinds)
    return Codec(
        name="iec62056-21",
        decoder=lambda _frame: module.IecDecoder(wanted, LONGEST),
        encode=lambda frame: bytes(module.encode(frame)),
        longest_bytes=LONGEST,
        guarded=guarded,
    )


def test_blocks_hold_what_a_codec_has_to_hold() -> None:
    module = drivers.codec.iec62056_21
    assert check_codec(codec(module, BLOCKS, guarded=True), blocks(module), Random(SEED)) == ()


def test_replies_hold_what_their_kind_of_message_holds() -> None:
    module = drivers.codec.iec62056_21
    readouts = [vector for vector in blocks(module) if vector.frame.kind is Kind.BLOCK]
    reply = replace(
        codec(module, BLOCKS, guarded=True),
        decoder=lambda _frame: IecReplyDecoder(Kind.OPTION, "1", LONGEST, b"\x06000\r\n"),
    )
    assert check_codec(reply, readouts, Random(SEED)) == ()
    lines_ = [vector for vector in lines(module) if vector.frame.kind is Kind.IDENTIFICATION]
    sign_on = replace(reply, decoder=lambda _frame: IecReplyDecoder(Kind.SIGN_ON, "1", LONGEST), guarded=False)
    assert check_codec(sign_on, lines_, Random(SEED)) == ()


def test_lines_and_telegrams_hold_what_they_can_without_a_check() -> None:
    module = drivers.codec.iec62056_21
    assert check_codec(codec(module, LINES, guarded=False), lines(module), Random(SEED)) == ()
    telegrams = [
        Vector(source="frames.json", wire=wire, frame=frame)
        for raw in (WIRES["001"][:20] + b"\r\n1.8.0(1.5*kWh)\r\n!\r\n", DSMR + b"\r\n")
        for wire in (raw, with_parity(raw))
        for frame in IecDecoder(TELEGRAMS).feed(wire)
        if isinstance(frame, IecFrame)
    ]
    assert len(telegrams) >= 2
    assert check_codec(codec(module, TELEGRAMS, guarded=False), telegrams, Random(SEED)) == ()


MUTANTS: dict[str, tuple[Change, ...]] = {
    "the check character is not compared": ((MODULE, "bcc(text[1 : end + 1]) != text[end + 1]", "False"),),
    "the check leaves the end out, both ways": (
        (MODULE, "bcc(text[1 : end + 1]) != text[end + 1]", "bcc(text[1:end]) != text[end + 1]"),
        (MODULE, "bytes((bcc(text + end),))", "bytes((bcc(text),))"),
        (MODULE, "+ bytes((bcc(body),))", "+ bytes((bcc(body[:-1]),))"),
    ),
    "the check counts the start, both ways": (
        (MODULE, "return reduce(xor, data, 0)", "return reduce(xor, data, STX)"),
    ),
    "bit 7 is cut off unseen": (
        (MODULE, "table = EVEN if raw[0] & 0x80 else PLAIN", "table = bytes(i & 0x7F for i in range(256))"),
    ),
    "STX inside is content": ((MODULE, 'rb"[^\\x20-\\x7e\\r\\n]"', 'rb"[^\\x02\\x20-\\x7e\\r\\n]"'),),
    "a false start ends the search": (
        (MODULE, "            at += 1\n        yield from", "            at += 9\n        yield from"),
    ),
    "noise is not reported": (
        (
            MODULE,
            "return cut_noise(self._buffer, end, reason)",
            "return iter([*cut_noise(self._buffer, end, reason)][:0])",
        ),
    ),
    "it waits for one byte too many": ((MODULE, "if end + 1 == len(text):", "if end + 2 >= len(text):"),),
    "what it holds has no limit": (
        (MODULE, "if not last and len(self._buffer) - at < self._longest:", "if not last:"),
        (MODULE, "bytes(self._buffer[at : at + span])", "bytes(self._buffer[at:])"),
    ),
    "a command loses its name, both ways": ((MODULE, 'command=name.decode("ascii")', 'command=""'),),
}  # fmt: skip


@pytest.mark.parametrize("wrong", MUTANTS)
def test_the_suite_catches_a_codec_in_which(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = broken_copy([MODULE], MUTANTS[wrong], monkeypatch)
    assert check_codec(codec(changed, BLOCKS, guarded=True), blocks(changed), Random(SEED), rounds=20)


def test_the_copy_that_the_mutants_are_made_of_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = broken_copy([MODULE], (), monkeypatch)
    assert check_codec(codec(copy, BLOCKS, guarded=True), blocks(copy), Random(SEED), rounds=20) == ()


def test_the_break_is_a_command_without_data() -> None:
    """Its characters have an even number of ones, SOH apart, so it shows no parity; it stands in no reply."""
    (frame,) = (event for event in IecDecoder(BLOCKS).feed(b"\x01B0\x03\x71") if isinstance(event, IecFrame))
    assert (frame.command, frame.text, frame.check) == ("B0", "", 0x71)
    assert encode(frame) == frame.raw


def test_the_crc_of_a_telegram_is_checked() -> None:
    wire = WIRES["004"]
    (frame,) = (event for event in IecDecoder(TELEGRAMS).feed(wire) if isinstance(event, IecFrame))
    assert frame.check == 0x6EEE
    damaged = wire.replace(b"(0002)", b"(0003)")
    events = [*IecDecoder(TELEGRAMS).feed(damaged)]
    assert [event.reason for event in events if isinstance(event, Noise)] == [NoiseReason.BAD_CHECKSUM]


@pytest.mark.parametrize("parity", [False, True])
def test_a_telegram_that_lost_its_end_does_not_swallow_the_next_one(parity: bool) -> None:
    old, new = (
        encode(
            IecFrame(
                kind=Kind.TELEGRAM,
                command="ABC5meter",
                text=f"\r\n1-0:1.8.0*255({value})\r\n",
                parity_bits=parity,
                raw=b"",
            )
        )
        for value in ("0001.0*kWh", "0002.0*kWh")
    )
    for wire in (old[:-3] + new, old[:14] + new, old[:-3].replace(b"8", b"9") + new):
        decoder = IecDecoder(TELEGRAMS)
        events = [event for at in range(0, len(wire), 7) for event in decoder.feed(wire[at : at + 7])]
        assert [event.raw for event in events if isinstance(event, IecFrame)] == [new]
        assert b"".join(event.raw for event in events) == wire


def test_a_readout_of_many_kilobytes_comes_byte_by_byte() -> None:
    text = "".join(f"1.8.0*{number % 100:02d}({number:06d}.123*kWh)\r\n" for number in range(500)) + "!\r\n"
    wire = encode(IecFrame(kind=Kind.BLOCK, text=text, raw=b""))
    decoder = IecDecoder(BLOCKS)
    events = [event for byte in wire for event in decoder.feed(bytes((byte,)))]
    assert [event.raw for event in events] == [wire]


@pytest.mark.parametrize(
    ("line", "mode", "baud", "reaction_s"),
    [
        ("ABC5METER", Mode.C, 9600, 0.2),
        ("ABC0METER", Mode.C, 300, 0.2),
        ("ABc6METER", Mode.C, 19200, 0.02),
        ("ABCEMETER", Mode.B, 9600, 0.2),
        ("ABCAMETER", Mode.B, 600, 0.2),
        ("ABC METER".replace(" ", "!"), Mode.A, 300, 0.2),
        ("ABC9METER", Mode.A, 300, 0.2),
    ],
)
def test_the_character_behind_the_manufacturer_names_mode_and_speed(
    line: str, mode: Mode, baud: int, reaction_s: float
) -> None:
    known = parse_identification(line)
    assert (known.mode, known.baud, known.reaction_s) == (mode, baud, reaction_s)


def test_an_option_names_only_speeds_of_mode_c() -> None:
    assert [option_baud(z) for z in "0123456"] == [300, 600, 1200, 2400, 4800, 9600, 19200]
    assert option_baud("7") is None


@pytest.mark.parametrize(
    ("mine", "theirs", "fits"),
    [
        ("1.8.0", "1.8.0", True),
        ("1.8.0", "1-0:1.8.0*255", True),
        ("1-0:1.8.0", "1.8.0", True),
        ("1-0:1.8.0", "2-0:1.8.0", False),
        ("1.8.0", "1.8.1", False),
        ("1.8.0", "1.8.0*01", False),
        ("1.8.0*01", "1-0:1.8.0*01", True),
        ("1.8.0*255", "1.8.0", True),
        ("6.8", "6.8.0", True),
        ("F.F", "F.F", True),
        ("F.F", "F.F.0", True),
    ],
)
def test_a_reduced_id_means_the_whole_one(mine: str, theirs: str, fits: bool) -> None:
    one, other = parse_obis(mine), parse_obis(theirs)
    assert one is not None
    assert other is not None
    assert one.fits(other) is fits


def test_groups_on_a_line_of_their_own_belong_to_the_id_before() -> None:
    (one,) = parse_data("P.01(2401010015)(00)(15)(2)(1.5)(kW)\r\n(0.1)(0.2)\r\n")
    assert [group.text for group in one.groups][-2:] == ["0.1", "0.2"]


def test_the_reply_decoder_takes_what_answers_its_message() -> None:
    sign_on = IecReplyDecoder(Kind.SIGN_ON, "12345678")
    events = list(sign_on.feed(b"/?12345678!\r\n" + WIRES["007"]))
    assert [event.raw for event in events if isinstance(event, IecFrame)] == [WIRES["007"]]
    option = IecReplyDecoder(Kind.OPTION)
    events = list(option.feed(b"\x06050\r\n" + WIRES["006"]))
    assert [event.raw for event in events if isinstance(event, IecFrame)] == [WIRES["006"]]
    assert option.likeness != sign_on.likeness


@pytest.mark.fuzz
def test_no_mutated_block_is_believed_with_a_wrong_check(seed: int) -> None:
    chance = Random(seed)
    good = [vector.wire for vector in blocks(drivers.codec.iec62056_21)]
    for _ in range(ROUNDS):
        wire = bytearray(chance.choice(good))
        for _ in range(1 + chance.randrange(3)):
            at = chance.randrange(len(wire))
            wire[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        decoder = IecDecoder(chance.choice((BLOCKS, BLOCKS | LINES, TELEGRAMS)))
        events = [*decoder.feed(bytes(wire)), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bytes(wire)
        for event in events:
            if isinstance(event, IecFrame) and event.kind in BLOCKS:
                text = seven_bits(event.raw)
                assert text is not None
                check = 0
                for byte in text[1:-1]:
                    check ^= byte
                assert check == text[-1]
