"""COSEM data, APDUs and pushes: every type, every arrangement, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from drivers.codec.axdr import AxdrError, clock, parse
from drivers.codec.dlms_apdu import GetResponse, UnreadError, read_apdu
from drivers.decode import decode_exchange
from drivers.decoded import DecodeFault
from tests.drivers.codec.search_mutants import ROUNDS, mangled

_FILE = Path(__file__).parent.parent.parent / "vectors" / "dlms" / "frames.json"
_READABLE = [
    wire[wire.find(b"\xe6\xe7\x00") : -3]
    for wire in (bytes.fromhex(vector["response"]) for vector in json.loads(_FILE.read_text(encoding="utf-8")))
    if b"\xe6\xe7\x00" in wire
]


@pytest.mark.parametrize(
    ("wire", "value"),
    [("00", None), ("0301", True), ("0300", False), ("05FFFFFFFE", Decimal(-2)), ("06FFFFFFFE", Decimal(2**32 - 2)),
     ("0FFF", Decimal(-1)), ("10FF00", Decimal(-256)), ("11FF", Decimal(255)), ("12FFFF", Decimal(65535)),
     ("14FFFFFFFFFFFFFFFF", Decimal(-1)), ("15FFFFFFFFFFFFFFFF", Decimal(2**64 - 1)), ("161B", Decimal(27)),
     ("173DCCCCCD", Decimal("0.1")), ("177FC00000", None), ("18BFB999999999999A", Decimal("-0.1")),
     ("0903414243", b"ABC"), ("0A03414243", "ABC"), ("0C02C2B0", "°"), ("040CABC0", b"\xab\xc0"),
     ("098103414243", b"ABC")],
)  # fmt: skip
def test_each_type_is_read(wire: str, value: object) -> None:
    data, end = parse(bytes.fromhex(wire))
    assert (data.value, end) == (value, len(wire) // 2)


@pytest.mark.parametrize(
    "bad", ["", "06000001", "0902FF", "13", "FF", "0281", "0985FFFFFFFFFF", "020200", "0201" * 30 + "00",
            "0980"]
)  # fmt: skip
def test_what_is_no_data_is_refused(bad: str) -> None:
    with pytest.raises(AxdrError):
        parse(bytes.fromhex(bad))


@pytest.mark.parametrize(
    ("wire", "text"),
    [("07E6011801123A32FF800000", "2022-01-24T18:58:50"), ("07E9010201000000FFFFC400", "2025-01-02T00:00:00+01:00"),
     ("07E901020100000000012C00", "2025-01-02T00:00:00-05:00"),
     ("07E90102010000FF00000000", "2025-01-02T00:00+00:00"),
     ("07E7021EFF000000FF800000", None), ("0000010101000000FF800000", None),
     ("FFFF010201000000FFFFC400", None), ("07E9FF0201000000FFFFC400", None), ("07E9", None)],
)  # fmt: skip
def test_a_clock_is_written_with_its_offset(wire: str, text: str | None) -> None:
    assert clock(bytes.fromhex(wire)) == text


def _said(response: str, request: str | None = None) -> Sequence[tuple[str, object, str | None]]:
    asked = None if request is None else bytes.fromhex(request)
    decoded = decode_exchange("dlms-apdu", asked, bytes.fromhex(response), {})
    assert decoded.fault is None, decoded.detail
    return [(quantity.quantity, quantity.json_value(), quantity.unit) for quantity in decoded.quantities][1:]


def test_a_get_response_is_read_by_what_was_asked_for() -> None:
    register = "C001C100030100010800FF"
    assert _said("C401C10006000010E1", register + "0200") == [("value", 4321, None)]
    assert _said("C401C10002020FFF161E", register + "0300") == [("scaler", -1, None), ("unit", "W.h", None)]
    assert _said("C401C10002020FFF161E") == [("value_1", -1, None), ("value_2", 30, None)]
    now = "C401C100090C07E9010201000000FFFFC400"
    assert _said(now, "C001C100080000010000FF0200") == [("value", "2025-01-02T00:00:00+01:00", None)]
    assert _said(now) == [("value", "07E9010201000000FFFFC400", None)]


def test_an_error_is_no_value() -> None:
    assert _said("C401C10103") == [("data_access_error", 3, None)]
    assert _said("C403C102001105010B") == [("value_1", 5, None), ("data_access_error_2", 11, None)]


def test_a_block_is_kept_raw() -> None:
    assert _said("C402C100000000010003ABCDEF") == [
        ("block_number", 1, None), ("last_block", False, None), ("raw", "ABCDEF", None),
    ]  # fmt: skip
    last = read_apdu(bytes.fromhex("C402C101000000020001AB"))
    assert isinstance(last, GetResponse)
    assert last.block == (2, True, b"\xab")


def test_values_behind_descriptors_get_their_codes() -> None:
    descriptor = "020412{:04X}0906{}0F0212000{}"
    head = [descriptor.format(40, "0000190900FF", 0), descriptor.format(3, "0100010800FF", 0)]
    for descriptors in (head, head[1:]):
        body = f"020201{len(descriptors):02X}" + "".join(descriptors) + "0600000007"
        assert _said("0F0000000100" + body) == [("1-0:1.8.0*255", 7, None)]


@pytest.mark.parametrize(
    ("response", "request_", "fault"),
    [("DB084B464D1020012F", None, DecodeFault.UNSUPPORTED_FUNCTION),
     ("CC0000", None, DecodeFault.UNSUPPORTED_FUNCTION),
     ("E0", None, DecodeFault.UNSUPPORTED_FUNCTION), ("C401C1000600001391FF", None, DecodeFault.BAD_FRAME),
     ("C401C10006000013", None, DecodeFault.BAD_FRAME), ("C404C1", None, DecodeFault.BAD_FRAME),
     ("C401C20006000010E1", "C001C100030100010800FF0200", DecodeFault.REPLY_MISMATCH),
     ("611EA109", None, DecodeFault.BAD_FRAME), ("0F000000", None, DecodeFault.BAD_FRAME),
     ("0F0000000005010203040500", None, DecodeFault.BAD_FRAME)],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(response: str, request_: str | None, fault: DecodeFault) -> None:
    asked = None if request_ is None else bytes.fromhex(request_)
    decoded = decode_exchange("dlms-apdu", asked, bytes.fromhex(response), {})
    assert (decoded.fault, decoded.quantities) == (fault, ())


def test_an_encrypted_apdu_is_said_to_be_one() -> None:
    with pytest.raises(UnreadError, match="encrypted"):
        read_apdu(bytes.fromhex("DB08"))


@pytest.mark.fuzz
def test_no_mutated_apdu_makes_the_reader_stumble(seed: int) -> None:
    """There is no checksum here: what is damaged is refused or reads as something else, and never more than that."""
    dice = Random(seed)
    refused = 0
    for _ in range(ROUNDS):
        wire = dice.choice((*_READABLE, bytes.fromhex("C401C10002020FFF161E")))
        decoded = decode_exchange("dlms-apdu", None, mangled(wire.removeprefix(b"\xe6\xe7\x00"), dice), {})
        refused += decoded.fault is not None
        assert (decoded.fault is None) == bool(decoded.quantities)
    assert refused > ROUNDS // 10
