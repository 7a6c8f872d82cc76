"""Replies to writes, mask writes, combined exchanges and vendors' own functions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import modbus_ascii, modbus_tcp
from drivers.codec import modbus_pdu as pdu
from drivers.codec.modbus_answer import RawReply, Written, is_written, parse_answer, written_range
from drivers.codec.modbus_ascii import AsciiFrame, AsciiReplyDecoder
from drivers.codec.modbus_pdu import ExceptionReply, ReadReply
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder, encode
from drivers.codec.modbus_tcp import TcpFrame, TcpReplyDecoder
from drivers.errors import FrameError
from drivers.profile import Table


def _hex(text: str) -> bytes:
    return bytes.fromhex(text)


def test_requests_are_as_the_standard_prints_them() -> None:
    """V1.1b3, 6.16 and 6.17, and 6.21 with its levels."""
    assert pdu.mask_write_request(4, keep=0xF2, put=0x25) == _hex("16 00 04 00 F2 00 25")
    assert pdu.read_write_request(3, 6, 14, [0xFF] * 3) == _hex("17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF")
    assert pdu.identification_request(0, 2) == _hex("2B 0E 02 00")
    assert pdu.identification_request(0x80, 4) == _hex("2B 0E 04 80")


def test_a_relay_board_gets_the_value_it_wants() -> None:
    on = pdu.raw_write_request(5, 1, 0x0100)
    assert on == _hex("05 00 01 01 00")
    assert parse_answer(on, on) == Written(function=5)
    with pytest.raises(FrameError):
        parse_answer(on, _hex("05 00 01 FF 00"))


@pytest.mark.parametrize(
    ("request_pdu", "reply", "answer"),
    [
        ("05 00 AC FF 00", "05 00 AC FF 00", Written(function=5)),
        ("06 00 01 00 03", "06 00 01 00 03", Written(function=6)),
        ("0F 00 13 00 0A 02 CD 01", "0F 00 13 00 0A", Written(function=15)),
        ("10 00 01 00 02 04 00 0A 01 02", "10 00 01 00 02", Written(function=16)),
        ("16 00 04 00 F2 00 25", "16 00 04 00 F2 00 25", Written(function=22)),
        ("17 00 03 00 01 00 0E 00 01 02 00 FF", "17 02 00 FE", ReadReply(data=b"\x00\xfe")),
        ("03 00 03 00 01", "03 02 00 FE", ReadReply(data=b"\x00\xfe")),
        ("41 01", "41 05 06 07", RawReply(data=b"\x05\x06\x07")),
        ("10 00 01 00 02 04 00 0A 01 02", "90 02", ExceptionReply(code=2)),
        ("41 01", "C1 01", ExceptionReply(code=1)),
    ],
)
def test_each_answer(request_pdu: str, reply: str, answer: object) -> None:
    assert parse_answer(_hex(request_pdu), _hex(reply)) == answer


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        ("05 00 AC FF 00", "05 00 AC 00 00"),
        ("06 00 01 00 03", "06 00 01 00 03 00"),
        ("0F 00 13 00 0A 02 CD 01", "0F 00 13 00 09"),
        ("10 00 01 00 02 04 00 0A 01 02", "10 00 02 00 02"),
        ("16 00 04 00 F2 00 25", "16 00 04 00 F2"),
        ("17 00 03 00 01 00 0E 00 01 02 00 FF", "17 04 00 FE"),
        ("17 00 03 00 01 00 0E 00 01 02 00 FF", "17 04 00 FE 00 00"),
        ("41 01", "42 05"),
        ("41 01", ""),
        ("", "41"),
    ],
)
def test_anything_else_is_refused_with_its_bytes(request_pdu: str, reply: str) -> None:
    with pytest.raises(FrameError) as caught:
        parse_answer(_hex(request_pdu), _hex(reply))
    assert caught.value.raw == _hex(reply)


@given(st.binary(max_size=12), st.binary(max_size=16))
def test_no_two_pdus_raise_anything_else(request_pdu: bytes, reply: bytes) -> None:
    for attempt in (lambda: parse_answer(request_pdu, reply), lambda: written_range(reply)):
        with contextlib.suppress(FrameError):
            attempt()
    assert isinstance(is_written(request_pdu, reply), bool)


@given(st.integers(0, 65535 - 120), st.lists(st.integers(0, 65535), min_size=1, max_size=120), st.booleans())
def test_a_write_comes_apart_as_it_was_put_together(address: int, values: list[int], combined: bool) -> None:
    if combined:
        request = pdu.read_write_request(0, 1, address, values)
    else:
        request = pdu.write_request(Table.HOLDING_REGISTER, address, values, single=False)
    got = written_range(request)
    assert (got.address, got.count) == (address, len(values))
    assert [int.from_bytes(got.data[i : i + 2], "big") for i in range(0, len(got.data), 2)] == values


def test_a_write_that_cannot_be_is_not_built() -> None:
    attempts: tuple[Callable[[], bytes], ...] = (
        lambda: pdu.mask_write_request(0, keep=0x10000, put=0),
        lambda: pdu.mask_write_request(70000, keep=0, put=0),
        lambda: pdu.read_write_request(0, 126, 0, [1]),
        lambda: pdu.read_write_request(0, 1, 0, [0] * 122),
        lambda: pdu.read_write_request(0, 1, 65535, [0, 0]),
        lambda: pdu.read_write_request(0, 1, 0, [-1]),
        lambda: pdu.raw_write_request(16, 0, 1),
        lambda: pdu.raw_write_request(5, 0, 65536),
        lambda: pdu.raw_request(b""),
        lambda: pdu.raw_request(b"\x80"),
        lambda: pdu.raw_request(b"\x41" + bytes(253)),
        lambda: pdu.identification_request(0, 5),
        lambda: pdu.write_request(Table.COIL, 0, [1] * 1969, single=False),
    )
    for attempt in attempts:
        with pytest.raises(ValueError):
            attempt()


def test_an_identification_in_parts_says_where_it_goes_on() -> None:
    part = _hex("2B 0E 02 82 FF 03 01 00 01 41")
    assert pdu.next_object(part) == 3
    assert pdu.next_object(_hex("2B 0E 02 82 00 00 01 00 01 41")) is None


def test_a_vendor_function_is_found_by_the_length_that_was_told() -> None:
    request, reply = encode(1, b"\x41\x01"), encode(1, _hex("41 05 06 07"))
    for told, frames in ((4, [reply]), (None, [])):
        decoder = RtuReplyDecoder(request, told)
        events = [*decoder.feed(b"\x00" + reply), *decoder.flush()]
        assert [event.raw for event in events if isinstance(event, RtuFrame)] == frames
        assert b"".join(event.raw for event in events) == b"\x00" + reply
    refused = RtuReplyDecoder(request, 4)
    assert [e.pdu for e in refused.feed(encode(1, b"\xc1\x01")) if isinstance(e, RtuFrame)] == [b"\xc1\x01"]
    assert RtuReplyDecoder(request, 4).fresh().buffered == 0


@pytest.mark.parametrize(
    ("request_pdu", "cut"),
    [("11", "11"), ("2B0E0100", "2B0E"), ("2B0E0100", "2B0E0101000001")],
)
def test_a_reply_that_ends_before_it_tells_its_length_answers_nothing(request_pdu: str, cut: str) -> None:
    asked, reply = bytes.fromhex(request_pdu), bytes.fromhex(cut)
    with pytest.raises(FrameError):
        parse_answer(asked, reply)
    line = AsciiReplyDecoder(modbus_ascii.encode(5, asked))
    assert [event for event in line.feed(modbus_ascii.encode(5, reply)) if isinstance(event, AsciiFrame)] == []
    connection = TcpReplyDecoder(modbus_tcp.encode(1, 5, asked))
    assert [event for event in connection.feed(modbus_tcp.encode(1, 5, reply)) if isinstance(event, TcpFrame)] == []
