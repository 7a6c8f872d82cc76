"""HDLC: the conformance suite, broken codecs, shared flags, addresses, segments."""

from __future__ import annotations

import random
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from drivers.codec import hdlc
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.hdlc import LONGEST, FrameKind, HdlcFrame, encode, joined, stream_decoder
from drivers.codec.searched import Form
from tests.drivers.codec.search_mutants import MUTANTS, ROUNDS, mangled

SEED = 20251124


def _vector(source: str, wire: str, ends: str, control: int, information: str) -> Vector[HdlcFrame]:
    raw = bytes.fromhex(wire)
    destination, sender = (bytes.fromhex(part) for part in ends.split())
    frame = HdlcFrame(
        destination=destination, source=sender, control=control, segmented=False,
        information=bytes.fromhex(information), raw=raw,
    )  # fmt: skip
    return Vector(source=source, wire=raw, frame=frame)


VECTORS = [
    _vector("dlms-cosem test_hdlc, AARQ",
            "7EA02C02232110AF9FE6E600601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFFC5E47E", "0223 21",
            0x10, "E6E600601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFF"),
    _vector("dlms-cosem test_hdlc, UA",
            "7EA01F21022373E6C781801205019A06019A070400000001080400000001CCA27E",
            "21 0223", 0x73, "81801205019A06019A070400000001080400000001"),
    _vector("comment of a C# reader, Aidon list 1",
            "7ea02a410883130413e6e7000f40000000000101020309060100010700ff060000045102020f00161b6adc7e",
            "41 0883", 0x13,
            "e6e7000f40000000000101020309060100010700ff060000045102020f00161b"),
]  # fmt: skip
CODEC: Codec[HdlcFrame] = Codec(
    name="hdlc",
    decoder=lambda _frame: stream_decoder(),
    encode=lambda f: encode(f.destination, f.source, f.control, f.information, segmented=f.segmented),
    longest_bytes=LONGEST,
    guarded=True,
)


def chance() -> random.Random:
    return random.Random(SEED)


def _form() -> Form[Any]:
    return stream_decoder()._form


def test_it_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(CODEC, VECTORS, chance()) == ()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_suite_catches_a_codec_that_is(mutant: str) -> None:
    broken = replace(CODEC, decoder=lambda _frame: MUTANTS[mutant](_form()))
    assert check_codec(broken, VECTORS, chance(), rounds=10)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [("_check", lambda _data: b"\xc5\xe4"), ("_LENGTH", 0x03), ("_MOST_ADDRESS_BYTES", 1), ("_SHORTEST", 40),
     ("_TYPE_3", 0x90)],
)  # fmt: skip
def test_the_suite_catches_a_wrong(what: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdlc, what, wrong)
    assert check_codec(CODEC, VECTORS, chance(), rounds=5)


def _frames(wire: bytes) -> list[HdlcFrame | Noise]:
    decoder = stream_decoder()
    return [*decoder.feed(wire), *decoder.flush()]


def test_one_flag_may_end_a_frame_and_begin_the_next() -> None:
    wire = VECTORS[0].wire[:-1] + VECTORS[1].wire[:-1] + VECTORS[2].wire
    for cut in range(len(wire)):
        decoder = stream_decoder()
        events = [*decoder.feed(wire[:cut]), *decoder.feed(wire[cut:])]
        assert events == [vector.frame for vector in VECTORS]
        assert b"".join(event.raw for event in events) == wire


def test_a_frame_without_a_flag_behind_noise_is_none() -> None:
    events = _frames(VECTORS[0].wire + b"\x00" + VECTORS[1].wire[1:])
    assert [event for event in events if not isinstance(event, Noise)] == [VECTORS[0].frame]


def test_kinds_are_known_by_the_control_byte() -> None:
    kinds = {0x10: "I", 0x93: "SNRM", 0x73: "UA", 0x53: "DISC", 0x1F: "DM", 0x97: "FRMR", 0x13: "UI", 0x03: "UI",
             0x11: "RR", 0xB1: "RR", 0x15: "RNR", 0x19: "other", 0xE3: "other"}  # fmt: skip
    for control, kind in kinds.items():
        (frame,) = _frames(encode(b"\x03", b"\x00\x02\x00\x23", control))
        assert isinstance(frame, HdlcFrame)
        assert frame.kind.value == kind
        assert (frame.destination, frame.source, frame.information) == (b"\x03", b"\x00\x02\x00\x23", b"")


def test_a_wrong_check_sequence_is_said_to_be_one() -> None:
    wire = VECTORS[0].wire
    for at in (8, 20, len(wire) - 3):
        events = _frames(wire[:at] + bytes((wire[at] ^ 1,)) + wire[at + 1 :])
        reasons = [event.reason for event in events if isinstance(event, Noise)]
        assert len(reasons) == len(events)
        assert reasons[0] is NoiseReason.BAD_CHECKSUM


def test_segments_are_put_together() -> None:
    parts = [b"\xe6\xe7\x00abc", b"def", b"gh"]
    wire = b"".join(
        encode(b"\x41", b"\x08\x83", 0x13, part, segmented=part is not parts[-1]) for part in parts
    ) + encode(b"\x03", b"\x05", 0x11)
    frames = [event for event in _frames(wire) if isinstance(event, HdlcFrame)]
    whole = joined(frames)
    assert whole is not None
    assert [(frame.kind, information) for frame, information in whole] == [
        (FrameKind.UI, b"\xe6\xe7\x00abcdefgh"),
        (FrameKind.RR, b""),
    ]
    assert joined([*frames[:1], frames[3], *frames[1:3]]) is not None, "others in between do not disturb"
    assert joined(frames[:2]) is None


def _sound(body: bytes) -> bool:
    register = 0xFFFF
    for byte in body[:-2]:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return (register ^ 0xFFFF).to_bytes(2, "little") == body[-2:]


@pytest.mark.fuzz
def test_no_mutated_frame_gives_one_with_a_wrong_check_sequence(seed: int) -> None:
    dice = Random(seed)
    for _ in range(ROUNDS):
        bad = mangled(b"".join(dice.choice(VECTORS).wire[: dice.choice((-1, None))] for _ in range(2)), dice)
        events = _frames(bad)
        assert b"".join(event.raw for event in events) == bad
        assert all(_sound(event.raw.removeprefix(b"\x7e")[:-1])
                   for event in events if isinstance(event, HdlcFrame))  # fmt: skip
