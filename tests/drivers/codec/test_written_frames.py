"""Frames that write: byte by byte by the rules of the standards, and which replies answer them."""

from __future__ import annotations

import pytest

from drivers.codec import cjt188, dlt645
from drivers.codec.cjt188 import Cjt188Frame
from drivers.codec.dlt645 import Dlt645Frame, Edition
from drivers.codec.framing import Noise

ADDRESS, METER = "223002000066", "78331505104145"


def summed(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + bytes((sum(body) % 256, 0x16))


def plus(text: str) -> str:
    return bytes((byte + 0x33) % 256 for byte in bytes.fromhex(text)).hex()


def test_a_clock_is_written_with_password_and_operator_in_the_order_of_the_standard() -> None:
    said = dlt645.date_and_time((25, 11, 24, 10, 41, 59), 1)
    assert said.hex() == "59411001241125"
    wire = dlt645.write_request(ADDRESS, "0400010C", bytes.fromhex("02123456"), bytes.fromhex("07000000"), said)
    assert wire == summed("68 660000023022 68 14 13" + plus("0C010004 02123456 07000000 59411001241125"))
    assert (
        wire.hex().upper()
        == "68660000023022681413" + "3F343337" + "35456789" + "3A333333" + "8C744334574458" + "3516"
    )


def test_a_broadcast_of_the_time_has_no_identifier() -> None:
    wire = dlt645.broadcast_time((25, 11, 24, 10, 41, 59))
    assert wire == summed("68 999999999999 68 08 06" + plus("594110241125"))


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        ("68 660000023022 68 94 00", True),
        ("68 660000023022 68 D4 01 37", True),  # error word 04
        ("68 670000023022 68 94 00", False),
        ("68 660000023022 68 91 08 33333333B4543333", False),
        ("68 660000023022 68 14 00", False),
    ],
)
def test_only_the_meter_asked_answers_a_write(reply: str, taken: bool) -> None:
    request = dlt645.write_request(ADDRESS, "0400010C", bytes(4), bytes(4), bytes(7))
    decoder = dlt645.reply_decoder(request, Edition.V2007)
    found = [*decoder.feed(summed(reply)), *decoder.flush()]
    assert any(isinstance(one, Dlt645Frame) for one in found) is taken
    assert taken or any(isinstance(one, Noise) for one in found)


def test_a_valve_and_a_clock_are_written_in_the_meters_own_order() -> None:
    close = cjt188.write_request(0x10, METER, "A017", 9, b"\x99", low_first=False)
    assert close == summed("68 10 45411005153378 04 04 A017 09 99")
    assert cjt188.write_request(0x10, METER, "A017", 9, b"\x55") == summed("68 10 45411005153378 04 04 17A0 09 55")
    clock = cjt188.clock_request(0x10, METER, (2025, 11, 24, 10, 41, 59), 9)
    assert clock == summed("68 10 45411005153378 04 0A 15A0 09 59411024112520")


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        ("84 05 A017 09 0000", True),
        ("84 05 17A0 09 0100", True),
        ("84 03 A017 09", True),
        ("C4 03 09 2184", True),
        ("84 05 A017 08 0000", False),  # to the order before
        ("84 03 A015 09", False),
        ("81 05 A017 09 0000", False),
    ],
)
def test_an_acknowledgement_names_what_was_written_and_its_serial_number(reply: str, taken: bool) -> None:
    request = cjt188.write_request(0x10, METER, "A017", 9, b"\x99", low_first=False)
    decoder = cjt188.reply_decoder(request)
    found = [*decoder.feed(summed("68 10 45411005153378" + reply)), *decoder.flush()]
    assert any(isinstance(one, Cjt188Frame) for one in found) is taken
