"""Captured M-Bus, IEC 62056-21 and SDI-12 through ``decode_exchange``: what describes itself needs no context."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers.codec.seven_bit import with_parity
from drivers.decode import decode_exchange
from drivers.decoded import Decoded, DecodeFault

_FOLDER = Path(__file__).parent.parent / "vectors"
_VECTORS: list[dict[str, Any]] = [
    vector
    for name in ("mbus", "iec62056_21", "sdi12")
    for vector in json.loads((_FOLDER / name / "frames.json").read_text(encoding="utf-8"))
]
_GOOD = [vector for vector in _VECTORS if vector["kind"] == "valid" and vector["response"]]
_CHECKED = [
    vector
    for vector in _GOOD
    if (vector["protocol"] == "mbus" and vector["response"] != "E5")
    or any(one["quantity"] in ("bcc", "crc16", "crc", "crc_ok") for one in vector["expect"])
]


_OF_IDENTIFICATION = {"id", "manufacturer", "baud_char", "baud", "identification", "enhanced_capability"}


def _decode(vector: dict[str, Any], response: bytes | None = None) -> Decoded:
    request = None if vector["request"] is None else bytes.fromhex(vector["request"])
    given = None if vector["response"] is None else bytes.fromhex(vector["response"])
    return decode_exchange(vector["protocol"], request, given if response is None else response, vector["context"])


def _same(got: object, expected: object) -> bool:
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return got == expected and type(got) is type(expected)
    if isinstance(got, bool) or not isinstance(got, int | float):
        return False
    return abs(got - expected) <= 1e-6 * (abs(expected) or 1.0)


@pytest.mark.parametrize("vector", _VECTORS, ids=[v["id"] for v in _VECTORS])
def test_a_published_frame_says_what_it_says(vector: dict[str, Any]) -> None:
    decoded = _decode(vector)
    assert (decoded.fault.value if decoded.fault else None) == vector["error"], decoded.detail
    said = [(one.quantity, one.unit, one.json_value()) for one in decoded.quantities]
    for expected in vector["expect"]:
        found = next(
            (
                one
                for one in said
                if one[:2] == (expected["quantity"], expected["unit"]) and _same(one[2], expected["value"])
            ),
            None,
        )
        assert found is not None, (expected, said)
        said.remove(found)
    if vector["kind"] == "malformed":
        assert decoded.quantities == ()


@pytest.mark.parametrize("vector", _GOOD, ids=[v["id"] for v in _GOOD])
def test_the_name_of_a_device_changes_nothing(vector: dict[str, Any]) -> None:
    hinted = vector | {"context": {"device": "another", "profile": "generic/mbus-heat"}, "id": "x"}
    assert _decode(hinted) == _decode(vector)


@pytest.mark.parametrize("vector", _CHECKED, ids=[v["id"] for v in _CHECKED])
def test_a_flipped_bit_of_a_checked_frame_is_never_a_reading(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["response"])
    for bit in range(8 * len(wire)):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        decoded = _decode(vector, bytes(damaged))
        assert decoded.quantities == (), (bit, decoded)
        assert decoded.fault is not None


@pytest.mark.parametrize("vector", _GOOD, ids=[v["id"] for v in _GOOD])
def test_a_frame_cut_short_is_never_a_reading(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["response"])
    for cut in range(1, len(wire)):
        decoded = _decode(vector, wire[:cut])
        if wire.startswith(b"/") and cut == wire.index(b"\n") + 1:
            assert {one.quantity for one in decoded.quantities} <= _OF_IDENTIFICATION  # which is a whole message
        else:
            assert decoded.quantities == (), (cut, decoded)


@pytest.mark.parametrize("vector", _GOOD, ids=[v["id"] for v in _GOOD])
def test_glitches_around_a_frame_change_nothing(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["response"])
    for noisy in (b"\x00\xff" + wire, wire + b"\x00\xff", b"\x00" + wire + b"\xff"):
        assert _decode(vector, noisy) == _decode(vector)


@pytest.mark.parametrize("vector", _GOOD, ids=[v["id"] for v in _GOOD])
def test_characters_with_their_parity_bit_say_the_same(vector: dict[str, Any]) -> None:
    if vector["protocol"] != "mbus":
        assert _decode(vector, with_parity(bytes.fromhex(vector["response"]))) == _decode(vector)


def test_no_bytes_make_a_decoder_raise(seed: int) -> None:
    chance = Random(seed)
    for _ in range(2000):
        vector = chance.choice(_GOOD)
        wire = bytearray(bytes.fromhex(vector["response"]))
        for _ in range(chance.randrange(4)):
            wire[chance.randrange(len(wire))] = chance.randrange(256)
        cut = chance.randrange(len(wire) + 1)
        decoded = _decode(vector, bytes(wire[:cut]) + chance.randbytes(chance.randrange(8)) + bytes(wire[cut:]))
        assert (decoded.fault is None) == bool(decoded.quantities)


def _mbus(body: str) -> bytes:
    data = bytes.fromhex(body)
    return bytes((0x68, len(data), len(data), 0x68)) + data + bytes((sum(data) & 0xFF, 0x16))


def _told(records: str) -> dict[str, tuple[object, str | None]]:
    decoded = decode_exchange("mbus", None, _mbus("08 01 78" + records))
    return {
        one.quantity: (one.value, one.unit) for one in decoded.quantities if one.quantity not in ("a_field", "ci")
    }


@pytest.mark.parametrize(
    ("records", "name", "value", "unit"),
    [
        ("0B 2B 56 34 F2", "power", Decimal(-23456), "W"),
        ("0A 2B FF FF", "power", None, "W"),
        ("0A 2B 3A 12", "power", None, "W"),
        ("05 2B 33 33 66 43", "power", Decimal("230.2"), "W"),
        ("05 2B 00 00 C0 7F", "power", None, "W"),
        ("02 5B FE FF", "flow_temperature", Decimal(-2), "Cel"),
        ("02 5B 00 80", "flow_temperature", None, "Cel"),
        ("04 6D 1A 2F 65 11", "datetime", "2011-01-05T15:26", None),
        ("04 6D 9A 2F 65 11", "datetime", None, None),
        ("06 6D 00 00 08 16 27 1D", "datetime", "2016-07-22T08:00:00", None),
        ("03 6D 0A 14 0F", "datetime", "15:20:10", None),
        ("02 6C FF FF", "date", None, None),
        ("02 6C 00 00", "date", None, None),
        ("0D 78 03 43 42 41", "fabrication_number", "ABC", None),
        ("0D 13 C2 34 12", "volume", Decimal("1.234"), "m3"),
        ("0D 13 D2 34 12", "volume", Decimal("-1.234"), "m3"),
        ("0D 13 E2 FF FF", "volume", Decimal("-0.001"), "m3"),
        ("02 FC 03 48 52 25 74 44 0D", "text_rh", Decimal("33.96"), "%"),
        ("02 FC 74 03 48 52 25 44 0D", "text_rh", Decimal("33.96"), "%"),
        ("04 FD 48 FC 08 00 00", "voltage", Decimal("230.0"), "V"),
        ("04 FD 59 D2 04 00 00", "current", Decimal("1.234"), "A"),
        ("04 FB 00 02 00 00 00", "energy", Decimal(200000), "W.h"),
        ("04 86 7D 02 00 00 00", "energy", Decimal(2000000), "W.h"),
        ("02 93 15 05 00", "volume", None, "m3"),
        ("01 FD 17 80", "error_flags", Decimal(128), None),
        ("00 13", "volume", None, "m3"),
    ],
)
def test_one_record(records: str, name: str, value: object, unit: str | None) -> None:
    assert _told(records) == {name: (value, unit)}


def test_records_of_one_name_are_numbered() -> None:
    assert list(_told("01 13 01 01 13 02 2F 01 13 03")) == ["volume", "volume#2", "volume#3"]


def test_a_telegram_says_whether_another_follows() -> None:
    assert _told("01 13 01 1F AA BB") == {
        "volume": (Decimal("0.001"), "m3"),
        "manufacturer_data": ("AABB", None),
        "more_follows": (True, None),
    }


@pytest.mark.parametrize(
    "records", ["04 13 00 00", "84", "01 FD", "3F 00", "0D 13 FF", "0D 13 05 41", "84" + "80" * 11]
)
def test_records_that_do_not_end_are_refused_whole(records: str) -> None:
    decoded = decode_exchange("mbus", None, _mbus("08 01 78 01 13 01" + records))
    assert decoded.fault is DecodeFault.BAD_FRAME
    assert decoded.quantities == ()


def test_encrypted_records_are_no_readings() -> None:
    header = "17 88 56 00 2D 2C 08 04 04 00 10 05"
    decoded = decode_exchange("mbus", None, _mbus(f"08 01 72 {header} 01 13 01"))
    assert decoded.fault is DecodeFault.UNSUPPORTED_FUNCTION
    assert decode_exchange("mbus", None, _mbus(f"08 01 72 {header} 2F 2F 01 13 01")).fault is None


def test_the_answer_of_another_unit_is_refused() -> None:
    decoded = decode_exchange("mbus", bytes.fromhex("105B025D16"), _mbus("08 01 78 01 13 01"))
    assert decoded.fault is DecodeFault.REPLY_MISMATCH


def test_fixed_data_may_be_binary() -> None:
    wire = _mbus("08 01 73 78 56 34 12 0A 01 E9 7E 01 00 00 00 35 01 00 00")
    said = {one.quantity: one.value for one in decode_exchange("mbus", None, wire).quantities}
    assert (said["id"], said["counter1_raw"], said["counter2_raw"]) == ("12345678", Decimal(1), Decimal(309))


def _iec(text: str) -> Decoded:
    return decode_exchange("iec62056-21", None, text.encode("ascii"))


def _block(text: str) -> str:
    check = 0
    for character in text + "\x03":
        check ^= ord(character)
    return f"\x02{text}\x03{chr(check)}"


def test_a_readout_behind_its_identification_keeps_both() -> None:
    text = "/ABC5METER\r\n" + _block("1.8.0(001.50*kWh)(2401010000)\r\n1.8.0*01(001.00*kWh)\r\n!\r\n")
    said = {one.quantity: (one.value, one.unit) for one in _iec(text).quantities}
    assert said["manufacturer"] == ("ABC", None)
    assert said["1.8.0"] == (Decimal("1.50"), "kW.h")
    assert said["1.8.0.time"] == ("2401010000", None)
    assert said["1.8.0*01"] == (Decimal("1.00"), "kW.h")


@pytest.mark.parametrize("text", ["1.8.0(1.5*kWh", "1.8.0 1.5", "1.8.0(1.5*kWh)x", "(1)("])
def test_a_line_that_is_no_data_set_spoils_the_readout(text: str) -> None:
    decoded = _iec(f"/ABC5METER\r\n\r\n2.8.0(1.0*kWh)\r\n{text}\r\n!\r\n")
    assert decoded.fault is DecodeFault.BAD_FRAME
    assert decoded.quantities == ()


def test_a_meter_may_answer_with_an_error() -> None:
    said = {one.quantity: one.value for one in _iec(_block("(ER07)")).quantities}
    assert said["error"] == "ER07"


@pytest.mark.parametrize(
    ("request_text", "answer", "expected"),
    [
        ("0I!", "013NRSYSINC1000001.2101\r\n", {"sdi12_version": "13", "vendor": "NRSYSINC", "model": "100000",
                                                 "firmware": "1.2", "serial": "101"}),
        ("?!", "5\r\n", {"ack": True}),
        ("0M!", "0\r\n", {"ack": True}),
        ("0C1!", "000512\r\n", {"seconds": Decimal(5), "values": Decimal(12)}),
        ("0XABC!", "0OK?\r\n", {"text": "OK?"}),
    ],
)  # fmt: skip
def test_an_sdi12_answer_is_read_as_its_command_says(
    request_text: str, answer: str, expected: dict[str, object]
) -> None:
    decoded = decode_exchange("sdi12", request_text.encode(), answer.encode())
    said = {one.quantity: one.value for one in decoded.quantities}
    said.pop("address")
    assert said == expected


@pytest.mark.parametrize("answer", ["0+1.2.3\r\n", "0+12345678\r\n", "0+\r\n", "0+1-\r\n", "0+1 2\r\n", "1+5\r\n"])
def test_what_is_no_list_of_values_is_refused(answer: str) -> None:
    assert decode_exchange("sdi12", b"0D0!", answer.encode()).fault is not None


def test_continuous_data_with_crc_has_to_have_it() -> None:
    assert decode_exchange("sdi12", b"0RC0!", b"0+3.14OqZ\r\n").fault is None
    assert decode_exchange("sdi12", b"0RC0!", b"0+3.14\r\n").fault is DecodeFault.BAD_CHECKSUM
