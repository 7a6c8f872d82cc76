"""Decimal digits, parts of registers, text, moments, and values with a scale register."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import Value
from drivers.profile import Encoding, Label, ModbusLocation, NumberType, Point, Table, WordOrder
from drivers.protocols.modbus_forms import from_bcd, moment, text_of
from drivers.protocols.modbus_values import compile_block
from drivers.quality import Quality

_GOOD, _NO_DATA, _OUT = int(Quality.GOOD), int(Quality.BAD_NO_DATA), int(Quality.BAD_OUT_OF_RANGE)


def _point(kind: NumberType, *, address: int = 0, scale: str = "1", exponent: int = 0, **more: object) -> Point:
    at = {
        key: more.pop(key)
        for key in ("words", "mask", "high_byte", "length", "encoding", "scale_address", "scale_is_places", "bit")
        if key in more
    }
    return Point(
        name="x",
        label=Label(en="x", zh="x"),
        place=ModbusLocation(table=Table.HOLDING_REGISTER, address=address, type=kind, **at),  # type: ignore[arg-type]
        unit=None,
        scale=Decimal(scale),
        exponent=exponent,
        **more,  # type: ignore[arg-type]
    )


def _read(point: Point, data: bytes) -> tuple[Value, int]:
    at = point.location
    values, statuses = compile_block([point], at.first, at.end - at.first).columns(data)
    return values[0], statuses[0]


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (NumberType.BCD16, "1234", 1234),
        (NumberType.BCD32, "00012345", 12345),
        (NumberType.BCD64, "0000009876543210", 9876543210),
        (NumberType.U8, "AB12", 0x12),
        (NumberType.I8, "12FE", -2),
        (NumberType.UNIX32, "6924ABCD", "2025-11-24T19:02:37Z"),
        (NumberType.IEC_DATE, "0018 0B18 0A1E 1388", "2024-11-24T10:30:05"),
        (NumberType.YMDHMS, "07E8 000B 0018 000A 001E 0005", "2024-11-24T10:30:05"),
        (NumberType.YMDHMS_BCD, "0024 0011 0024 0010 0030 0005", "2024-11-24T10:30:05"),
        (NumberType.YMDHMS_PACKED, "180B 180A 1E05", "2024-11-24T10:30:05"),
        (NumberType.YMDHMS_PACKED_BCD, "2411 2410 3005", "2024-11-24T10:30:05"),
    ],
)
def test_each_form_of_a_value(kind: NumberType, data: str, value: Value) -> None:
    assert _read(_point(kind), bytes.fromhex(data)) == (value, _GOOD)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (NumberType.BCD16, "12A4"),
        (NumberType.BCD32, "FFFFFFFF"),
        (NumberType.UNIX32, "00000000"),
        (NumberType.UNIX32, "FFFFFFFF"),
        (NumberType.IEC_DATE, "0018 0B18 0A9E 1388"),  # the meter says itself that its clock is not set
        (NumberType.IEC_DATE, "0000 0000 0000 0000"),
        (NumberType.YMDHMS, "07E9 0002 001D 0000 0000 0000"),  # the 29th of February 2025
        (NumberType.YMDHMS, "07E8 000B 0018 0018 0000 0000"),
        (NumberType.YMDHMS, "FFFF FFFF FFFF FFFF FFFF FFFF"),
        (NumberType.YMDHMS_PACKED_BCD, "241A 2410 3005"),
    ],
)
def test_what_cannot_be_is_no_value(kind: NumberType, data: str) -> None:
    assert _read(_point(kind), bytes.fromhex(data)) == (None, _NO_DATA)


def test_the_high_byte_is_another_value_than_the_low_one() -> None:
    points = [_point(NumberType.I8, high_byte=True), _point(NumberType.U8), _point(NumberType.U16)]
    assert compile_block(points, 0, 1).columns(b"\x80\x07") == ((-128, 7, 0x8007), (0, 0, 0))


@given(st.integers(0, 99_999_999), st.sampled_from(WordOrder))
def test_bcd_reads_what_its_digits_say_in_every_order(number: int, words: WordOrder) -> None:
    order = {"big": (0, 1, 2, 3), "little": (2, 3, 0, 1), "dcba": (3, 2, 1, 0), "badc": (1, 0, 3, 2)}[words.value]
    digits = bytes.fromhex(f"{number:08}")
    point = _point(NumberType.BCD32, words=words, scale="0.01", exponent=-2)
    assert _read(point, bytes(digits[i] for i in order)) == (number, _GOOD)


@given(st.integers(0, (1 << 64) - 1))
def test_bcd_never_makes_a_number_of_other_nibbles(raw: int) -> None:
    digits = f"{raw:X}"
    assert from_bcd(raw) == (int(digits) if set(digits) <= set("0123456789") else None)


def test_a_field_of_a_register_is_its_bits_moved_down() -> None:
    points = [
        _point(NumberType.U16, mask=0x0F00),
        _point(NumberType.U16, mask=0x0003),
        _point(NumberType.BIT, bit=15),
        _point(NumberType.U16),
    ]
    assert compile_block(points, 0, 1).columns(b"\xaa\x36") == ((10, 2, True, 0xAA36), (0, 0, 0, 0))


def test_a_field_of_two_registers_in_the_other_word_order() -> None:
    point = _point(NumberType.U32, mask=0x00FF0000, words=WordOrder.LITTLE)
    assert _read(point, struct.pack(">HH", 0x1234, 0x5678)) == (0x78, _GOOD)


def test_codes_for_no_value_and_for_too_much_are_told_apart_and_compared_behind_the_mask() -> None:
    plain = _point(NumberType.U16, sentinels=(0xFFFF,), saturated=(0x7FFF,))
    scaled = _point(NumberType.I16, address=1, scale="0.1", exponent=-1, sentinels=(-0x8000,), saturated=(0x7FFF,))
    field = _point(NumberType.U16, address=2, mask=0x00F0, sentinels=(15,), saturated=(14,))
    block = compile_block([plain, scaled, field], 0, 3)
    assert block.columns(struct.pack(">HhH", 0xFFFF, -0x8000, 0xFFF0)) == ((None,) * 3, (_NO_DATA,) * 3)
    assert block.columns(struct.pack(">HhH", 0x7FFF, 0x7FFF, 0x00E0)) == ((None,) * 3, (_OUT,) * 3)
    assert block.columns(struct.pack(">HhH", 0x7FFE, -3, 0x0020)) == ((0x7FFE, -3, 2), (0, 0, 0))


@pytest.mark.parametrize("words", list(WordOrder))
def test_codes_hold_in_every_word_order(words: WordOrder) -> None:
    point = _point(NumberType.U32, words=words, saturated=(0xFFFFFFFF,), sentinels=(0x7F7F7F7F,))
    assert _read(point, b"\xff" * 4) == (None, _OUT)
    assert _read(point, b"\x7f" * 4) == (None, _NO_DATA)


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"B21 ", Encoding.ASCII, "B21"),
        (b"SN-7\0\0", Encoding.ASCII, "SN-7"),
        (b"SN-7\0\xff", Encoding.ASCII, "SN-7"),
        ("水表 1\0".encode() + b"\0", Encoding.UTF_8, "水表 1"),
        (b"A\xb0B\0", Encoding.ASCII, "A\\xb0B"),
        (b"A\x1b[2J\0", Encoding.ASCII, "A\\x1b[2J"),
        (b"\0\0\0\0", Encoding.ASCII, None),
        (b"    ", Encoding.ASCII, None),
        (b"\xff\xff\xff\xff", Encoding.UTF_8, None),
    ],
)
def test_text_is_trimmed_and_harmless(data: bytes, encoding: Encoding, text: str | None) -> None:
    point = _point(NumberType.TEXT, length=len(data) // 2, encoding=encoding)
    assert _read(point, data) == (text, _GOOD if text else _NO_DATA)


def test_text_with_swapped_bytes_and_a_number_beside_it() -> None:
    name = _point(NumberType.TEXT, length=2, words=WordOrder.BADC)
    number = _point(NumberType.U16, address=2, low=Decimal(0), high=Decimal(9))
    block = compile_block([name, number], 0, 3)
    assert block.columns(b"A2B\0\0\x07") == (("2A", 7), (0, 0))
    assert block.columns(b"A2B\0\0\x0a") == (("2A", None), (0, _OUT))


@given(st.binary(max_size=250), st.sampled_from(Encoding))
def test_no_bytes_make_a_text_that_commands_a_terminal(data: bytes, encoding: Encoding) -> None:
    text = text_of(data, encoding)
    assert text is None or (text.isprintable() and 0 < len(text.encode()) <= 1024)


@given(*[st.integers(0, 0xFFFF)] * 6)
def test_a_moment_is_a_real_one_or_none(year: int, month: int, day: int, hour: int, minute: int, second: int) -> None:
    text = moment(year, month, day, hour, minute, second)
    assert text is None or (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and len(text) == 19)


@pytest.mark.parametrize(
    ("raw", "power", "exponent", "value"),
    [
        (2330, -1, -1, 2330),
        (2330, -2, -1, 233),
        (25, -2, -1, 2),  # 0.25 is a tie: to even
        (35, -2, -1, 4),
        (-35, -2, -1, -4),
        (7, 3, 0, 7000),
        (7, 0, -3, 7000),
    ],
)
def test_a_scale_register_moves_the_value_never_the_exponent(raw: int, power: int, exponent: int, value: int) -> None:
    point = _point(NumberType.I16, address=4, scale_address=9, exponent=exponent)
    data = struct.pack(">hHHHHh", raw, 1, 2, 3, 4, power)
    assert _read(point, data) == (value, _GOOD)


def test_a_register_may_hold_the_number_of_decimals_instead() -> None:
    point = _point(NumberType.I16, address=4, scale_address=3, scale_is_places=True, exponent=-4)
    assert _read(point, struct.pack(">hh", 2, 123)) == (12300, _GOOD)
    assert _read(point, struct.pack(">hh", 0, 123)) == (1230000, _GOOD)


def test_a_scale_register_may_stand_before_the_value_and_in_another_word_order() -> None:
    point = _point(NumberType.U32, address=3, scale_address=1, exponent=-1, words=WordOrder.LITTLE)
    assert _read(point, struct.pack(">hHHH", -1, 9, 0x0002, 0x0001)) == (0x10002, _GOOD)


@pytest.mark.parametrize(
    ("raw", "power", "status"),
    [(5, -0x8000, _NO_DATA), (5, 11, _OUT), (5, -11, _OUT), (-0x8000, 0, _NO_DATA), (0x7FFF, 0, _OUT)],
)
def test_without_a_scale_there_is_no_value(raw: int, power: int, status: int) -> None:
    point = _point(NumberType.I16, scale_address=1, sentinels=(-0x8000,), saturated=(0x7FFF,))
    assert _read(point, struct.pack(">hh", raw, power)) == (None, status)


def test_a_rescaled_value_outside_its_range_or_beyond_the_record_is_none() -> None:
    bounded = _point(NumberType.U16, scale_address=1, high=Decimal(100))
    assert _read(bounded, struct.pack(">Hh", 11, 1)) == (None, _OUT)
    huge = _point(NumberType.U64, scale_address=4)
    assert _read(huge, struct.pack(">Qh", (1 << 63) - 1, 10)) == (None, _OUT)
