"""The M-Bus codec against the conformance suite, and the suite against broken copies of it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

import drivers.codec.mbus
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.mbus import (
    LONGEST,
    Function,
    MbusFrame,
    MbusReplyDecoder,
    MbusStreamDecoder,
    encode,
    long,
    short,
    with_count_bit,
)
from drivers.codec.mbus_record import parse_records
from drivers.errors import FrameError
from tests.drivers.codec.broken_copy import Change, broken_copy
from tests.drivers.codec.rounds import rounds

SEED = 20251124
ROUNDS = rounds(15000)
MODULE = "drivers.codec.mbus"
_FILE = Path(__file__).parents[2] / "vectors" / "mbus" / "frames.json"
WIRES = {
    vector["id"]: bytes.fromhex(vector["response"])
    for vector in json.loads(_FILE.read_text(encoding="utf-8"))
    if vector["response"] and vector["response"] != "E5"
}


def vectors(module: Any) -> list[Vector[Any]]:
    """Frames whose parts are written down by hand."""
    parts = (
        ("libmbus application_busy", "mbus-003", 0x08, 1, 0x70, "08"),
        ("libmbus error, a control frame", "mbus-004", 0x08, 1, 0x70, ""),
        ("libmbus frame2", "mbus-002", 0x08, 2, 0x72, "785634122440010755000000 03131531 00DA023B13018B60043718 02"),
        ("libmbus sen_pollusonic_2", "mbus-008", 0x08, 1, 0x73, "93929190 10000569 31650000 69000000"),
    )
    found = [
        Vector(
            source=source,
            wire=WIRES[name],
            frame=module.MbusFrame(
                control=control, address=address, ci=ci, data=bytes.fromhex(data), raw=WIRES[name]
            ),
        )
        for source, name, control, address, ci, data in parts
    ]
    for source, wire, control, address in (
        ("EN 13757-2, SND_NKE to 1", "1040014116", 0x40, 1),
        ("EN 13757-2, REQ_UD2 to 7", "105B076216", 0x5B, 7),
    ):
        raw = bytes.fromhex(wire)
        found.append(
            Vector(source=source, wire=raw, frame=module.MbusFrame(control=control, address=address, raw=raw))
        )
    return found


def codec(module: Any) -> Codec[Any]:
    return Codec(
        name="mbus stream",
        decoder=lambda _frame: module.MbusStreamDecoder(),
        encode=lambda frame: bytes(module.encode(frame)),
        longest_bytes=LONGEST,
        guarded=True,
    )


REPLY: Codec[MbusFrame] = Codec(
    name="mbus reply",
    decoder=lambda frame: MbusReplyDecoder(short(Function.REQ_UD2, frame.address or 0)),
    encode=encode,
    longest_bytes=LONGEST,
    guarded=True,
)


def test_the_stream_decoder_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(codec(drivers.codec.mbus), vectors(drivers.codec.mbus), Random(SEED)) == ()


def test_every_published_telegram_is_found_behind_anything() -> None:
    published = [
        Vector(source=name, wire=wire, frame=frame)
        for name, wire in WIRES.items()
        for frame in MbusStreamDecoder().feed(wire)
        if isinstance(frame, MbusFrame)
    ]
    assert len(published) == len(WIRES)
    assert check_codec(codec(drivers.codec.mbus), published, Random(SEED), rounds=10) == ()


def test_the_reply_decoder_holds_it_too() -> None:
    replies = [vector for vector in vectors(drivers.codec.mbus) if not vector.frame.from_client]
    assert check_codec(REPLY, replies, Random(SEED)) == ()


@pytest.mark.parametrize(
    ("chunks", "frames"),
    [
        ((b"\xe5",), 1),
        ((b"\x00\xff\xe5",), 1),
        ((b"\x00", b"\xff", b"\xe5", b"\xe5"), 2),
        ((b"\x12\xe5",), 0),
        ((b"\x12", b"\xe5"), 0),
        ((b"\x68\x04\x05\xe5",), 0),
        ((WIRES["mbus-003"] + b"\xe5",), 2),
    ],
)
def test_the_single_character_stands_alone(chunks: tuple[bytes, ...], frames: int) -> None:
    decoder = MbusStreamDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)] + list(decoder.flush())
    assert len([event for event in events if isinstance(event, MbusFrame)]) == frames
    assert b"".join(event.raw for event in events) == b"".join(chunks)


MUTANTS: dict[str, tuple[Change, ...]] = {
    "the sum is not checked": ((MODULE, "if sum(body) & 0xFF != sums or ", "if "),),
    "the end is not checked": ((MODULE, "if raw[-1] != _STOP:", "if False:"),),
    "control and address change places, both ways": (
        (MODULE, "(control=body[0], address=body[1], ci=", "(control=body[1], address=body[0], ci="),
        (MODULE, "body = bytes((control, address, ci)) + data", "body = bytes((address, control, ci)) + data"),
    ),
    "the sum counts the length, both ways": (
        (MODULE, "body, sums = raw[4:-2], raw[-2]", "body, sums = raw[4:-2], raw[-2] - raw[1] & 0xFF"),
        (MODULE, "+ bytes((sum(body) & 0xFF, _STOP))", "+ bytes((sum(body) + len(body) & 0xFF, _STOP))"),
    ),
    "the second length is not compared": ((MODULE, "(len(head) > 2 and head[2] != head[1]) or ", ""),),
    "two halves make a frame": ((MODULE, " or raw.find(raw[:_BEGINNING], 1) > 0", ""),),
    "a false start drops two bytes": (
        (MODULE, "BAD_CHECKSUM\n                at += 1", "BAD_CHECKSUM\n                at += 2"),
    ),
    "noise is not reported": ((MODULE, "            yield noise\n", "            yield from ()\n"),),
    "it waits for one byte too many": ((MODULE, "at + size > len(buffer)", "at + size >= len(buffer)"),),
    "any E5 is an acknowledgement": ((MODULE, " and not self._torn and is_glitch(bytes(buffer[:at]))", ""),),
}  # fmt: skip


@pytest.mark.parametrize("wrong", MUTANTS)
def test_the_suite_catches_a_codec_in_which(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = broken_copy([MODULE], MUTANTS[wrong], monkeypatch)
    wire = WIRES["mbus-014"]
    long_one = changed.MbusFrame(control=0x08, address=0, ci=0x72, data=wire[7:-2], raw=wire)
    published = Vector(source="libmbus SEN_Sensus-PolluTherm", wire=wire, frame=long_one)
    assert check_codec(codec(changed), [*vectors(changed), published], Random(SEED), rounds=20)


def test_the_copy_that_the_mutants_are_made_of_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = broken_copy([MODULE], (), monkeypatch)
    assert check_codec(codec(copy), vectors(copy), Random(SEED)) == ()


def _reasons(request: bytes, *heard: bytes) -> list[NoiseReason | bytes]:
    decoder = MbusReplyDecoder(request)
    events = [event for data in heard for event in decoder.feed(data)] + list(decoder.flush())
    return [event.reason if isinstance(event, Noise) else event.raw for event in events]


def test_a_level_converter_that_echoes_is_known() -> None:
    request, reply = short(Function.REQ_UD2, 1), WIRES["mbus-001"]
    assert _reasons(request, request + reply) == [NoiseReason.ECHO, reply]
    assert _reasons(short(Function.SND_NKE, 1), short(Function.SND_NKE, 1) + b"\xe5") == [NoiseReason.ECHO, b"\xe5"]


def test_what_answers_another_request_is_no_reply() -> None:
    assert _reasons(short(Function.REQ_UD2, 2), WIRES["mbus-001"]) == [NoiseReason.OTHER_UNIT]
    assert _reasons(short(Function.REQ_UD2, 1), b"\xe5") == [NoiseReason.OTHER_REPLY]
    assert _reasons(short(Function.SND_NKE, 1), WIRES["mbus-001"]) == [NoiseReason.OTHER_REPLY]


@pytest.mark.parametrize("address", [253, 254])
def test_a_selected_or_only_unit_answers_under_its_own_address(address: int) -> None:
    assert _reasons(short(Function.REQ_UD2, address), WIRES["mbus-001"]) == [WIRES["mbus-001"]]


def test_the_count_bit_turns_over() -> None:
    assert with_count_bit(Function.REQ_UD2, on=True) == 0x7B
    assert with_count_bit(0x7B, on=False) == 0x5B
    (frame,) = (event for event in MbusStreamDecoder().feed(short(0x7B, 1)) if isinstance(event, MbusFrame))
    assert frame.function is Function.REQ_UD2


def test_access_demand_and_overflow_do_not_hide_an_answer() -> None:
    for control in (0x08, 0x18, 0x28, 0x38):
        wire = long(control, 1, 0x78, b"\x01\x13\x01")
        assert _reasons(short(Function.REQ_UD2, 1), wire) == [wire]


@pytest.mark.fuzz
def test_no_mutated_telegram_gives_a_frame_with_a_wrong_sum(seed: int) -> None:
    chance = Random(seed)
    good = list(WIRES.values())
    for _ in range(ROUNDS):
        wire = bytearray(chance.choice(good))
        for _ in range(1 + chance.randrange(3)):
            at = chance.randrange(len(wire))
            wire[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        decoder = chance.choice((MbusStreamDecoder(), MbusReplyDecoder(short(Function.REQ_UD2, 254))))
        events = [*decoder.feed(bytes(wire)), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bytes(wire)
        for event in events:
            if isinstance(event, MbusFrame) and not event.is_ack:
                body = event.raw[4:-2] if event.raw[0] == 0x68 else event.raw[1:-2]
                assert sum(body) % 256 == event.raw[-2]
                assert event.raw[-1] == 0x16
                with contextlib.suppress(FrameError):
                    parse_records(event.data[12:])
