"""Captured frames that describe themselves, through ``decode_exchange``: names, values, units, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.codec.hj212 import encode
from drivers.decode import decode_exchange
from drivers.decoded import Decoded, DecodeFault

_FOLDER = Path(__file__).parent.parent / "vectors"
_NAMES = ("hj212", "sml", "dlms")
_VECTORS: list[dict[str, Any]] = [
    vector
    for name in _NAMES
    for vector in json.loads((_FOLDER / name / "frames.json").read_text(encoding="utf-8"))
    if vector.get("scored", True)
]
_GUARDED = [vector for vector in _VECTORS if vector["protocol"] != "dlms-apdu"]
_VALID = [vector for vector in _GUARDED if vector["kind"] == "valid"]


def _ids(vectors: list[dict[str, Any]]) -> list[str]:
    return [vector["id"] for vector in vectors]


def _decode(vector: dict[str, Any], response: bytes | None = None) -> Decoded:
    request = None if vector["request"] is None else bytes.fromhex(vector["request"])
    given = bytes.fromhex(vector["response"]) if response is None else response
    return decode_exchange(vector["protocol"], request, given, vector["context"])


def _same(got: object, expected: object) -> bool:
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return got == expected and type(got) is type(expected)
    return isinstance(got, int | float) and abs(got - expected) <= 1e-6 * max(1.0, abs(expected))


@pytest.mark.parametrize("vector", _VECTORS, ids=_ids(_VECTORS))
def test_a_published_frame_says_what_it_says(vector: dict[str, Any]) -> None:
    decoded = _decode(vector)
    assert (decoded.fault.value if decoded.fault else None) == vector["error"], decoded.detail
    assert [(q.quantity, q.unit) for q in decoded.quantities] == [
        (e["quantity"], e["unit"]) for e in vector["expect"]
    ]
    for quantity, expected in zip(decoded.quantities, vector["expect"], strict=True):
        assert _same(quantity.json_value(), expected["value"]), (quantity, expected)


@pytest.mark.parametrize("vector", _GUARDED, ids=_ids(_GUARDED))
def test_glitches_around_a_frame_change_nothing(vector: dict[str, Any]) -> None:
    whole = _decode(vector)
    wire = bytes.fromhex(vector["response"])
    for noisy in (b"\x00\xff" + wire, wire + b"\x00\xff\xfe", wire[:7] + wire):
        assert _decode(vector, noisy) == whole


@pytest.mark.parametrize("vector", _VALID, ids=_ids(_VALID))
def test_a_flipped_bit_is_refused_or_changes_nothing(vector: dict[str, Any]) -> None:
    """What changes nothing: junk before the frame, and the case of a hex digit of the CRC of HJ 212."""
    whole = _decode(vector)
    wire = bytes.fromhex(vector["response"])
    refused = 0
    for bit in range(8 * len(wire)):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        decoded = _decode(vector, bytes(damaged))
        assert decoded.quantities == () or decoded == whole
        refused += decoded.fault is not None
    assert refused >= 8 * len(wire) - 16


def _hj212(*segments: str) -> bytes:
    return b"".join(encode(segment.encode()) for segment in segments)


def test_parts_of_a_message_are_put_together_and_dashes_are_no_value() -> None:
    parts = [f"QN=1;CN=2051;Flag=6;PNUM=2;PNO={n};CP=&&DataTime=20250101000000;a0{n}-Avg={v}&&" for n, v in
             ((1, "1.50"), (2, "--"))]  # fmt: skip
    decoded = decode_exchange("hj212", None, _hj212(*parts), {})
    assert [(q.quantity, q.json_value()) for q in decoded.quantities] == [
        ("QN", "1"), ("CN", "2051"), ("Flag", "6"), ("DataTime", "20250101000000"), ("a01-Avg", 1.5),
        ("a02-Avg", None),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "１２", "", "0x10", "1" * 50])
def test_what_is_no_number_is_no_value(value: str) -> None:
    decoded = decode_exchange("hj212", None, _hj212(f"CN=2011;CP=&&a-Rtd={value}&&"), {})
    assert decoded.quantities[-1].value is None


def test_a_segment_without_items_is_refused() -> None:
    decoded = decode_exchange("hj212", None, _hj212("ST=32;CN=2011"), {})
    assert (decoded.fault, decoded.quantities) == (DecodeFault.BAD_FRAME, ())
