"""Mutated frames of DL/T 645 and CJ/T 188: no crash, no hang, and no value that no right sum vouches for.

The judge is the standard's own rule, written out here: start bytes, length, end byte, sum of all bytes before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers.codec import cjt188, dlt645
from drivers.codec.dlt645 import Edition
from drivers.codec.framing import Decoder, Noise
from drivers.decode import decode_exchange
from tests.drivers.codec.rounds import rounds

ROUNDS = rounds(12000)
_FOLDER = Path(__file__).parents[2] / "vectors"
_VECTORS: list[dict[str, Any]] = [
    vector
    for name in ("dlt645", "cjt188")
    for vector in json.loads((_FOLDER / name / "frames.json").read_text(encoding="utf-8"))
]


def sound_dlt645(wire: bytes) -> Iterator[bytes]:
    """Every stretch that is a frame by DL/T 645, 5.2."""
    for at in range(len(wire) - 11):
        if wire[at] == 0x68 and wire[at + 7] == 0x68 and at + 12 + wire[at + 9] <= len(wire):
            yield from _summed(wire[at : at + 12 + wire[at + 9]])


def sound_cjt188(wire: bytes) -> Iterator[bytes]:
    """Every stretch that is a frame by CJ/T 188, 6.2."""
    for at in range(len(wire) - 12):
        if wire[at] == 0x68 and at + 13 + wire[at + 10] <= len(wire):
            yield from _summed(wire[at : at + 13 + wire[at + 10]])


def _summed(frame: bytes) -> Iterator[bytes]:
    if frame[-1] == 0x16 and sum(frame[:-2]) % 256 == frame[-2]:
        yield frame


SOUND: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "dlt645-2007": sound_dlt645,
    "dlt645-1997": sound_dlt645,
    "cjt188": sound_cjt188,
}


def mutated(wire: bytes, chance: Random) -> bytes:
    """Flip, cut, repeat, insert, swap, or put two frames into each other."""
    data = bytearray(wire)
    for _ in range(chance.randint(1, 4)):
        at, end = sorted(chance.choices(range(len(data) + 1), k=2))
        match chance.randrange(8):
            case 0 | 1 if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 2:
                del data[at : min(end, at + 8)]
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(6))
            case 4:
                data[at:at] = data[at:end]
            case 5 if data:
                data[chance.randrange(len(data))] = chance.choice((0x68, 0x16, 0x00, 0xFF, 0xFE, 0xAA))
            case 6:
                data[at:at] = bytes.fromhex(chance.choice(_VECTORS)["response"])
            case _:
                data[at:end] = chance.randbytes(end - at)
    return bytes(data[:1500])


@pytest.mark.fuzz
def test_no_mutated_frame_gives_a_value_that_no_sum_vouches_for(seed: int) -> None:
    chance = Random(seed)
    for _ in range(ROUNDS):
        vector = chance.choice(_VECTORS)
        wire = mutated(bytes.fromhex(vector["response"]), chance)
        request = bytes.fromhex(vector["request"]) if vector["request"] and chance.random() < 0.5 else None
        decoded = decode_exchange(vector["protocol"], request, wire, {})
        assert decoded.fault is not None or any(SOUND[vector["protocol"]](wire)), wire.hex()
        assert (decoded.fault is None) is bool(decoded.quantities), wire.hex()


def _decoders(vector: dict[str, Any]) -> Iterator[Decoder[Any]]:
    if vector["protocol"] == "cjt188":
        yield cjt188.stream_decoder()
        if vector["request"]:
            yield cjt188.reply_decoder(bytes.fromhex(vector["request"]).lstrip(b"\xfe"))
    else:
        yield dlt645.stream_decoder()
        if vector["request"]:
            request = bytes.fromhex(vector["request"]).lstrip(b"\xfe")
            yield dlt645.reply_decoder(request, Edition(vector["protocol"]))


@pytest.mark.fuzz
def test_every_frame_of_a_mutated_stream_is_sound_and_no_byte_is_lost(seed: int) -> None:
    chance = Random(seed)
    for _ in range(ROUNDS // 4):
        vector = chance.choice(_VECTORS)
        wire = mutated(bytes.fromhex(vector["response"]), chance) * chance.randint(1, 3)
        for decoder in _decoders(vector):
            out = b""
            at = 0
            while at < len(wire):
                size = chance.randint(1, 40)
                events = list(decoder.feed(wire[at : at + size]))
                at += size
                out += _checked(events, vector["protocol"])
                assert decoder.buffered <= 4 * cjt188.LONGEST
            out += _checked(list(decoder.flush()), vector["protocol"])
            assert decoder.buffered == 0
            assert out == wire


def _checked(events: list[Any], protocol: str) -> bytes:
    for event in events:
        if not isinstance(event, Noise):
            body = event.raw.lstrip(b"\xfe")
            assert list(SOUND[protocol](body))[:1] == [body], event
    return b"".join(event.raw for event in events)


def test_the_judge_knows_a_frame_and_its_damage() -> None:
    for vector in _VECTORS:
        if vector["kind"] == "valid":
            wire = bytes.fromhex(vector["response"])
            assert any(SOUND[vector["protocol"]](wire))
            assert not any(SOUND[vector["protocol"]](wire.replace(b"\x16", b"\x17")))
