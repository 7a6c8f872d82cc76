"""Captured replies of meters through ``decode_exchange``, one file of vectors for each protocol but Modbus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.decode import decode_exchange
from drivers.decoded import Decoded

_FOLDER = Path(__file__).parent.parent / "vectors"
_NAMES = ("dlt645", "cjt188")
_VECTORS: list[dict[str, Any]] = [
    vector
    for name in _NAMES
    for vector in json.loads((_FOLDER / name / "frames.json").read_text(encoding="utf-8"))
    if vector.get("scored", True)
]


def _decode(vector: dict[str, Any], response: bytes | None = None) -> Decoded:
    request = None if vector["request"] is None else bytes.fromhex(vector["request"])
    given = bytes.fromhex(vector["response"]) if response is None else response
    return decode_exchange(vector["protocol"], request, given, vector["context"])


def _same(got: object, expected: object) -> bool:
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return got == expected and type(got) is type(expected)
    return isinstance(got, int | float) and abs(got - expected) <= 1e-6 * max(1.0, abs(expected))


@pytest.mark.parametrize("vector", _VECTORS, ids=[v["id"] for v in _VECTORS])
def test_a_published_frame_says_what_it_says(vector: dict[str, Any]) -> None:
    decoded = _decode(vector)
    assert (decoded.fault.value if decoded.fault else None) == vector["error"], decoded.detail
    assert [(q.quantity, q.unit) for q in decoded.quantities] == [
        (e["quantity"], e["unit"]) for e in vector["expect"]
    ]
    for quantity, expected in zip(decoded.quantities, vector["expect"], strict=True):
        assert _same(quantity.json_value(), expected["value"]), (quantity, expected)


@pytest.mark.parametrize("vector", _VECTORS, ids=[v["id"] for v in _VECTORS])
def test_glitches_around_a_frame_change_nothing(vector: dict[str, Any]) -> None:
    whole = _decode(vector)
    wire = bytes.fromhex(vector["response"])
    for noisy in (b"\x00\xff" + wire, wire + b"\x00\xff\xfe", b"\x68\x12" + wire, bytes.fromhex("FEFEFEFE") + wire):
        assert _decode(vector, noisy) == whole


@pytest.mark.parametrize("vector", _VECTORS, ids=[v["id"] for v in _VECTORS])
def test_a_flipped_bit_is_never_the_same_reading_from_a_wrong_checksum(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["response"]).strip(b"\xfe").removesuffix(b"\x52\x4f")
    if wire.count(b"\x68\x81") > 1 or vector["kind"] == "malformed":
        return  # several frames: the others stay good
    for bit in range(8 * len(wire)):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        assert _decode(vector, bytes(damaged)).quantities == ()
