"""Writes and identifications by their bytes alone."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drivers.codec.modbus_rtu import encode
from drivers.codec.modbus_tcp import encode as encode_tcp
from drivers.decode import decode_exchange
from drivers.decoded import Decoded, DecodeFault

_WRITES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "modbus" / "writes.json").read_text(encoding="utf-8")
)
RAW = {  # by hand, from the bytes of each vector: first register and what is written from there on
    "modbus_rtu-05bd0322": (0x1F, [0]),
    "modbus_rtu-0ca877a9": (0x4000, [1]),
    "modbus_rtu-14e504a5": (0x1000, [1]),
    "modbus_rtu-1d51458b": (0x1001, [1, 0x0190]),
    "modbus_rtu-3051c694": (1, [0]),
    "modbus_rtu-3164567e": (0, [1] * 8),
    "modbus_rtu-3ca36ebf": (1, [0x0200]),
    "modbus_rtu-58f1324b": (0, [1]),
    "modbus_rtu-740b2a6e": (0x2000, [1]),
    "modbus_rtu-825bd12e": (0x101, [8]),
    "modbus_rtu-8c14baa1": (0, [1]),
    "modbus_rtu-a68f8aba": (0, [0]),
    "modbus_rtu-aca3e413": (1, [0x0300]),
    "modbus_rtu-aedb048c": (1, [0x7C06]),
    "modbus_rtu-b76db345": (0, [0]),
    "modbus_rtu-ba88c7f2": (0x7D1, [0]),
    "modbus_rtu-c3ac1c68": (1, [0x0603]),
    "modbus_rtu-d690bd6f": (0, [1] * 8),
    "modbus_rtu-f550c06d": (0, [0] * 8),
}


def _decode(request: str | bytes | None, reply: str | bytes | None, protocol: str = "modbus-rtu") -> Decoded:
    frames = [bytes.fromhex(frame) if isinstance(frame, str) else frame for frame in (request, reply)]
    return decode_exchange(protocol, frames[0], frames[1])


@pytest.mark.parametrize("vector", _WRITES, ids=[v["id"] for v in _WRITES])
def test_published_writes(vector: dict[str, Any]) -> None:
    decoded = _decode(vector["request"], vector["response"])
    first, values = RAW[vector["id"]]
    assert [(q.quantity, q.value) for q in decoded.quantities] == [
        (f"write reg_{first + i}", Decimal(value)) for i, value in enumerate(values)
    ]
    assert decoded.fault is None


def test_a_coil_board_with_its_own_idea_of_on_shows_it() -> None:
    frame = encode(1, bytes.fromhex("05 00 01 01 00"))
    (quantity,) = _decode(frame, frame).quantities
    assert (quantity.quantity, quantity.value) == ("write reg_1", 0x0100)


@pytest.mark.parametrize(
    ("request_pdu", "reply_pdu", "fault"),
    [
        ("06 00 01 02 00", "06 00 01 02 01", DecodeFault.REPLY_MISMATCH),
        ("05 00 00 FF 00", "05 00 00 00 00", DecodeFault.REPLY_MISMATCH),
        ("10 00 01 00 02 04 00 0A 01 02", "10 00 01 00 01", DecodeFault.REPLY_MISMATCH),
        ("16 00 04 00 F2 00 25", "16 00 04 00 F2 00 24", DecodeFault.REPLY_MISMATCH),
        ("10 00 01 00 02 03 00 0A 01 02", "10 00 01 00 02", DecodeFault.BAD_FRAME),
        (None, "10 00 01 00 02", DecodeFault.REQUEST_NEEDED),
        ("03 00 01 00 02", None, DecodeFault.NO_REPLY),
    ],
)
def test_what_was_not_confirmed_was_not_written(
    request_pdu: str | None, reply_pdu: str | None, fault: DecodeFault
) -> None:
    request = None if request_pdu is None else encode_tcp(7, 1, bytes.fromhex(request_pdu))
    reply = None if reply_pdu is None else encode_tcp(7, 1, bytes.fromhex(reply_pdu))
    decoded = _decode(request, reply, "modbus-tcp")
    assert decoded.fault is fault
    assert decoded.quantities == ()


def test_a_refused_write_gives_the_exception() -> None:
    decoded = _decode(encode(1, bytes.fromhex("06 00 01 02 00")), encode(1, bytes.fromhex("86 02")))
    assert [(q.quantity, q.value) for q in decoded.quantities] == [("exception", 2)]


def test_the_examples_of_functions_22_and_23() -> None:
    """V1.1b3, 6.16 and 6.17."""
    mask = encode(1, bytes.fromhex("16 00 04 00 F2 00 25"))
    assert [(q.quantity, q.value) for q in _decode(mask, mask).quantities] == [
        ("write reg_4 and", 0xF2),
        ("write reg_4 or", 0x25),
    ]
    request = encode(1, bytes.fromhex("17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF"))
    reply = encode(1, bytes.fromhex("17 0C 00 FE 0A CD 00 01 00 03 00 0D 00 FF"))
    assert [(q.quantity, q.value) for q in _decode(request, reply).quantities] == [
        ("reg_3", 0xFE), ("reg_4", 0x0ACD), ("reg_5", 1), ("reg_6", 3), ("reg_7", 0x0D), ("reg_8", 0xFF),
    ]  # fmt: skip


def test_an_identification_gives_its_texts_made_harmless() -> None:
    objects = b"\x00\x04Tide\x01\x04TG-\x1b\x80\x02ok"
    reply = encode(1, bytes.fromhex("2B 0E 01 01 00 00 03") + objects)
    decoded = _decode(encode(1, bytes.fromhex("2B 0E 01 00")), reply)
    assert [(q.quantity, q.value) for q in decoded.quantities] == [
        ("vendor_name", "Tide"),
        ("product_code", "TG-\\x1b"),
        ("object_128", "ok"),
    ]
    assert _decode(None, reply) == decoded


def test_described_writes() -> None:
    frame = encode(1, bytes.fromhex("06 00 01 00 FA"))
    context = {"points": [{"quantity": "temperature", "register_offset": 0, "scale": 0.1}]}
    (quantity,) = decode_exchange("modbus-rtu", frame, frame, context).quantities
    assert (quantity.value, quantity.unit) == (Decimal("25.0"), "Cel")
