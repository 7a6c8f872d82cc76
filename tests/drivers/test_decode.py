"""Captured exchanges by their bytes alone."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drivers.decode import decode_exchange
from drivers.decoded import Decoded, DecodeFault, Quantity
from tests.drivers.modbus_server import crc

_VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "modbus" / "exchanges.json").read_text(encoding="utf-8")
)
_SCORED = [v for v in _VECTORS if v.get("scored", True)]
_REQUEST = bytes.fromhex("1103006B00037687")
_REPLY = bytes.fromhex("110306022B00000064C8BA")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _decode(vector: dict[str, Any]) -> Decoded:
    return decode_exchange(
        vector["protocol"], _bytes(vector["request"]), _bytes(vector["response"]), vector["context"]
    )


@pytest.mark.parametrize("vector", _SCORED, ids=[v["id"] for v in _SCORED])
def test_scored_vectors(vector: dict[str, Any]) -> None:
    decoded = _decode(vector)
    assert (decoded.fault.value if decoded.fault else None) == vector["error"]
    assert [(q.quantity, q.unit) for q in decoded.quantities] == [
        (e["quantity"], e["unit"]) for e in vector["expect"]
    ]
    for quantity, expected in zip(decoded.quantities, vector["expect"], strict=True):
        value = quantity.json_value()
        assert isinstance(value, int | float)
        assert abs(value - expected["value"]) <= 1e-6


def test_hints_about_the_device_change_nothing() -> None:
    for vector in _SCORED:
        points = {k: v for k, v in vector["context"].items() if k == "points"}
        assert _decode(vector) == _decode(vector | {"context": points, "id": "x"})


def test_every_vector_without_description_gives_raw_registers() -> None:
    for vector in _VECTORS:
        if vector["kind"] == "malformed" or vector["response"] is None:
            continue
        decoded = _decode(vector | {"context": {"device": "x"}})
        names = [q.quantity for q in decoded.quantities]
        assert names
        assert all(n.startswith("reg_") or n == "exception" for n in names)
        assert all(q.unit is None for q in decoded.quantities)


def test_a_damaged_reply_is_never_a_reading() -> None:
    for position in range(len(_REPLY)):
        for bit in range(8):
            damaged = bytearray(_REPLY)
            damaged[position] ^= 1 << bit
            decoded = decode_exchange("modbus-rtu", _REQUEST, bytes(damaged))
            assert decoded.fault is not None
            assert decoded.quantities == ()


@pytest.mark.parametrize("cut", range(len(_REPLY)))
def test_a_reply_cut_short_is_never_a_reading(cut: int) -> None:
    decoded = decode_exchange("modbus-rtu", _REQUEST, _REPLY[:cut])
    assert decoded.quantities == ()
    assert decoded.fault is (DecodeFault.BAD_FRAME if cut else DecodeFault.NO_REPLY)


@pytest.mark.parametrize("before", ["", "00", "FF", "FE00", "0000FF"])
@pytest.mark.parametrize("after", ["", "00", "FFFE"])
def test_glitch_bytes_round_a_reply_do_no_harm(before: str, after: str) -> None:
    decoded = decode_exchange("modbus-rtu", _REQUEST, bytes.fromhex(before) + _REPLY + bytes.fromhex(after))
    assert [(q.quantity, q.value) for q in decoded.quantities] == [("reg_107", 555), ("reg_108", 0), ("reg_109", 100)]


def test_the_echo_of_the_request_is_no_reply() -> None:
    assert decode_exchange("modbus-rtu", _REQUEST, _REQUEST).fault is DecodeFault.NO_REPLY
    assert decode_exchange("modbus-rtu", _REQUEST, _REQUEST + _REPLY).quantities[0].value == 555


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        ("110306022B00000064C8BB", DecodeFault.BAD_CHECKSUM),
        ("1203021234BD61", DecodeFault.BAD_FRAME),
        ("120306022B00000064C889", DecodeFault.REPLY_MISMATCH),
    ],
)
def test_the_fault_says_what_is_wrong(response: str, fault: DecodeFault) -> None:
    data = bytes.fromhex(response)
    if fault is DecodeFault.REPLY_MISMATCH:
        data = data[:-2] + crc(data[:-2])
    decoded = decode_exchange("modbus-rtu", _REQUEST, data)
    assert decoded.fault is fault
    assert decoded.detail


def test_a_reply_alone_does_not_name_its_registers() -> None:
    assert decode_exchange("modbus-rtu", None, _REPLY).fault is DecodeFault.REQUEST_NEEDED
    points = {"points": [{"quantity": "co2", "register_offset": 0}]}
    assert decode_exchange("modbus-rtu", None, _REPLY, points).quantities == (
        Quantity(quantity="co2", value=Decimal(555), unit="[ppm]"),
    )


def test_a_refusal_needs_no_request() -> None:
    decoded = decode_exchange("modbus-rtu", None, bytes.fromhex("018302C0F1"))
    assert decoded.quantities == (Quantity(quantity="exception", value=Decimal(2)),)


def test_discrete_inputs_give_one_bit_an_address() -> None:
    body = bytes.fromhex("010200C40016")
    reply = bytes.fromhex("010203ACDB35")
    decoded = decode_exchange("modbus-rtu", body + crc(body), reply + crc(reply))
    assert len(decoded.quantities) == 22  # V1.1b3, 6.2: inputs 197 to 218
    assert [int(q.value or 0) for q in decoded.quantities[:8]] == [0, 0, 1, 1, 0, 1, 0, 1]
    assert decoded.quantities[-1].quantity == "reg_217"


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ({"type": "u16"}, Decimal(555)),
        ({"type": "u32", "word_order": "little"}, Decimal(555)),
        ({"type": "s16", "scale": 0.1}, Decimal("55.5")),
        ({"type": "bit", "bit": 1}, True),
        ({"type": "bit", "bit": 2}, False),
        ({"type": "u32"}, Decimal(555 << 16)),
    ],
)
def test_described_points(point: dict[str, Any], value: object) -> None:
    context = {"points": [{"quantity": "x", "register_offset": 0, "unit": "kg"} | point]}
    (quantity,) = decode_exchange("modbus-rtu", _REQUEST, _REPLY, context).quantities
    assert quantity.value == value
    assert quantity.unit == (None if isinstance(value, bool) else "kg")


@pytest.mark.parametrize(
    "points",
    [
        "x",
        [1],
        [{"register_offset": 0}],
        [{"quantity": "x"}],
        [{"quantity": "x", "register_offset": -1}],
        [{"quantity": "x", "register_offset": True}],
        [{"quantity": "x", "register_offset": 3}],
        [{"quantity": "x", "register_offset": 2, "type": "u32"}],
        [{"quantity": "x", "register_offset": 0, "type": "u24"}],
        [{"quantity": "x", "register_offset": 0, "word_order": "pdp"}],
        [{"quantity": "x", "register_offset": 0, "scale": "0.1"}],
        [{"quantity": "x", "register_offset": 0, "scale": float("nan")}],
        [{"quantity": "x", "register_offset": 0, "type": "bit", "bit": 16}],
    ],
)
def test_a_description_that_cannot_be_used_is_an_error(points: object) -> None:
    decoded = decode_exchange("modbus-rtu", _REQUEST, _REPLY, {"points": points})
    assert decoded.fault is DecodeFault.BAD_CONTEXT
    assert decoded.quantities == ()


def test_a_function_that_nobody_knows_is_said_to_be_unknown() -> None:
    body = bytes.fromhex("0165")
    assert decode_exchange("modbus-rtu", None, body + bytes.fromhex("01") + crc(body + b"\x01")).fault is not None


@pytest.mark.parametrize("count", ["0000", "0080", "4000", "FFFF"])
def test_a_request_that_no_reply_can_hold_is_refused(count: str) -> None:
    body = bytes.fromhex("1103006B" + count)
    assert decode_exchange("modbus-rtu", body + crc(body), _REPLY).fault is not None


def test_an_unknown_protocol_names_the_known_ones() -> None:
    decoded = decode_exchange("modbus-plus", None, b"\x00")
    assert decoded.fault is DecodeFault.UNKNOWN_PROTOCOL
    assert "modbus-rtu" in decoded.detail


@pytest.mark.fuzz
def test_no_bytes_make_it_raise(seed: int) -> None:
    chance = random.Random(seed)
    frames = [b for v in _VECTORS for b in (_bytes(v["request"]), _bytes(v["response"])) if b]
    for _ in range(4000):
        pair = [bytearray(chance.choice(frames)) for _ in range(2)]
        for frame in pair:
            for _ in range(chance.randint(0, 3)):
                frame[chance.randrange(len(frame))] = chance.randrange(256)
            del frame[chance.randint(0, len(frame) + 3) :]
        request = bytes(pair[0]) if chance.random() < 0.8 else None
        decoded = decode_exchange(chance.choice(["modbus-rtu", "modbus-tcp"]), request, bytes(pair[1]))
        assert bool(decoded.quantities) is (decoded.fault is None)
