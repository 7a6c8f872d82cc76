"""Published frames of every protocol on a line that is only listened to: known for what they are, however cut."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from drivers.codec.framing import NoiseReason, is_glitch
from drivers.contest import MOST_BYTES
from drivers.listening import Kind, Said
from drivers.overhear import Overhearing
from drivers.registry import listeners

MS = 1_000_000
SILENCE = 200 * MS
VECTORS = Path(__file__).parent.parent / "vectors"
NAMES = frozenset(listeners())
AROUND = {
    # frames with bytes beside them that belong to none, or one of a meaning that its protocol does not know
    "dlt645-1997-005", "cjt188-008", "sml-006", "modbus-rtu-003",
}  # fmt: skip


def published() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(VECTORS.glob("*/*.json")):
        if path.parent.name in ("block", "sim"):
            continue
        content = json.loads(path.read_text())
        found += content if isinstance(content, list) else content.get("vectors", [content])
    return [one for one in found if one["protocol"] in NAMES and one["kind"] == "valid"]


PUBLISHED = published()


def parts_of(vector: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(vector[key]) for key in ("request", "response") if vector[key]]


def hear(parts: list[bytes], size: int) -> list[Said]:
    line, now_ns = Overhearing(listeners()), 0
    said: list[Said] = []
    for part in parts:
        for at in range(0, len(part), size):
            now_ns += MS
            said += line.heard(part[at : at + size], now_ns)
        now_ns += SILENCE
        said += line.idle(now_ns, silence=True)
    assert b"".join(one.raw for one in said) == b"".join(parts)
    return said


def kinds(said: list[Said]) -> list[tuple[Kind, str, bytes]]:
    return [(one.kind, one.protocol, one.raw) for one in said if one.raw]


def test_every_protocol_is_listened_to() -> None:
    assert {one["protocol"] for one in PUBLISHED} == NAMES - {"iec62056-21-push"}  # which has vectors of the other


@pytest.mark.parametrize("vector", PUBLISHED, ids=lambda vector: str(vector["id"]))
def test_a_published_frame_is_known_for_what_it_is_in_any_chunks(vector: dict[str, Any]) -> None:
    parts = parts_of(vector)
    said = hear(parts, 1)
    assert kinds(said) == kinds(hear(parts, 3)) == kinds(hear(parts, 4096))
    whole = [one for one in said if one.kind not in (Kind.NOISE, Kind.NO_REPLY)]
    push = {"iec62056-21", "iec62056-21-push"}
    allowed = push if vector["protocol"] in push else {vector["protocol"]}
    assert {one.protocol for one in whole} <= allowed
    assert whole
    noise = [one for one in said if one.kind is Kind.NOISE]
    assert all(is_glitch(one.raw) for one in noise) or vector["id"] in AROUND


def test_a_line_of_several_protocols_gives_every_frame_to_its_own(seed: int) -> None:
    rand = random.Random(seed)
    vectors = [one for one in PUBLISHED if one["protocol"] not in ("sdi12", "mbus") and one["id"] not in AROUND]
    for _ in range(6):
        line, now_ns = Overhearing(listeners()), 0
        chosen = rand.choices(vectors, k=12)
        said: list[Said] = []
        for vector in chosen:
            for part in parts_of(vector):
                at = 0
                while at < len(part):
                    size = rand.randrange(1, 40)
                    now_ns += MS
                    said += line.heard(part[at : at + size], now_ns)
                    at += size
                now_ns += 5 * MS  # t3.5 and no more: nothing is helped by a silence
        said += line.idle(now_ns + SILENCE, silence=True)
        frames = [one for one in said if one.kind in (Kind.REQUEST, Kind.REPLY, Kind.UNASKED)]
        wire = b"".join(part for vector in chosen for part in parts_of(vector))
        assert b"".join(one.raw for one in said) == wire
        heard = [(one.protocol.removesuffix("-push"), one.raw) for one in frames]
        alone = [
            (one.protocol.removesuffix("-push"), one.raw)
            for vector in chosen
            for one in hear(parts_of(vector), 4096)
            if one.kind in (Kind.REQUEST, Kind.REPLY, Kind.UNASKED)
        ]
        assert heard == alone


def test_noise_is_told_once_and_does_not_cost_the_next_frame() -> None:
    line = Overhearing(listeners())
    ask = bytes.fromhex("040400010002205E")
    said = [*line.heard(b"\x00\xff", 0), *line.heard(b"\x55\xaa\x13", MS), *line.heard(ask, 2 * MS)]
    said += line.idle(SILENCE, silence=True)
    assert [(one.kind, one.raw) for one in said] == [(Kind.NOISE, b"\x00\xff\x55\xaa\x13"), (Kind.REQUEST, ask)]
    assert said[0].reason is NoiseReason.GARBAGE


def test_a_wrong_checksum_is_noise_of_that_name_and_never_a_frame() -> None:
    for vector in PUBLISHED:
        if vector["protocol"] not in ("dlt645-2007", "cjt188", "mbus", "sml", "hj212"):
            continue
        *_, part = parts_of(vector)
        if len(part) < 10:
            continue
        place = len(part) - {"sml": 9, "hj212": 8}.get(vector["protocol"], 4)
        broken = part[:place] + bytes((part[place] ^ 0x10,)) + part[place + 1 :]
        said = hear([broken], 4096)
        assert all(one.raw != broken for one in said if one.kind is not Kind.NOISE), vector["id"]


def test_any_bytes_are_kept_in_order_in_bounded_memory_and_nothing_raises(seed: int) -> None:
    rand = random.Random(seed)
    line, now_ns = Overhearing(listeners()), 0
    pieces = [part for vector in PUBLISHED for part in parts_of(vector)]
    wire, said = b"", b""
    for _ in range(300):
        piece = rand.choice(pieces) if rand.randrange(2) else rand.randbytes(rand.randrange(1, 60))
        if rand.randrange(4) == 0:
            at = rand.randrange(len(piece))
            piece = piece[:at] + bytes((piece[at] ^ 1 << rand.randrange(8),)) + piece[at + 1 :]
        wire += piece
        now_ns += MS
        said += b"".join(one.raw for one in line.heard(piece, now_ns))
        assert len(wire) - len(said) <= MOST_BYTES + len(piece)
    said += b"".join(one.raw for one in line.idle(now_ns + SILENCE, silence=True))
    assert said == wire
