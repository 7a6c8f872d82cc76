"""Mantissas against Decimal arithmetic: the fast product may never round differently."""

from __future__ import annotations

import math
import struct
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.batch import Value
from drivers.profile import Label, ModbusLocation, NumberType, Point, Table, WordOrder
from drivers.protocols.modbus_numbers import bounds_of, convert_of, reason_of, reorder_of
from drivers.quality import Quality
from drivers.shortest import shortest_f32

_WIDE = Context(prec=400, rounding=ROUND_HALF_EVEN)
_INT64 = range(-(1 << 63), 1 << 63)
_SCALES = st.sampled_from(
    ["1", "0.1", "0.01", "0.001", "10", "100", "1000", "0.5", "0.05", "0.0625", "2.5", "3", "-1"]
)
_F32 = st.integers(0, 0xFFFFFFFF).map(lambda bits: struct.unpack(">f", bits.to_bytes(4, "big"))[0])
_TIES = st.integers(-40_000, 40_000).map(lambda n: struct.unpack(">f", struct.pack(">f", n / 80))[0])


def _point(kind: NumberType, scale: str = "1", exponent: int = 0, **more: object) -> Point:
    return Point(
        name="x",
        label=Label(en="x", zh="x"),
        place=ModbusLocation(table=Table.INPUT_REGISTER, address=0, type=kind),
        unit="V",
        scale=Decimal(scale),
        exponent=exponent,
        **more,  # type: ignore[arg-type]
    )


def _convert(point: Point, raw: float) -> Value:
    convert = convert_of(point)
    return int(raw) if convert is None else convert(raw)


def _rounded(exact: Decimal, point: Point) -> int | None:
    steps = _WIDE.multiply(exact, point.scale).scaleb(-point.exponent, _WIDE)
    mantissa = int(steps.quantize(Decimal(1), context=_WIDE))
    return mantissa if mantissa in _INT64 else None


@given(
    st.sampled_from([t for t in NumberType if t.value in ("u16", "i16", "u32", "i32", "u64", "i64")]),
    st.data(),
    _SCALES,
    st.integers(-6, 4),
)
def test_integers_scale_as_decimals_do(kind: NumberType, data: st.DataObject, scale: str, exponent: int) -> None:
    bits = 16 * kind.registers
    low = -(1 << bits - 1) if kind.value.startswith("i") else 0
    raw = data.draw(st.integers(low, low + (1 << bits) - 1))
    point = _point(kind, scale, exponent)
    assert _convert(point, raw) == _rounded(Decimal(raw), point)


@given(st.one_of(_F32, _TIES), _SCALES, st.integers(-9, 3))
def test_f32_rounds_like_its_shortest_decimal(raw: float, scale: str, exponent: int) -> None:
    point = _point(NumberType.F32, scale, exponent)
    if not math.isfinite(raw):
        assert _convert(point, raw) is None
        return
    mantissa, place = shortest_f32(raw)
    assert _convert(point, raw) == _rounded(Decimal(mantissa).scaleb(place), point)


@given(st.floats(), _SCALES, st.integers(-9, 3))
def test_f64_rounds_like_its_shortest_decimal(raw: float, scale: str, exponent: int) -> None:
    point = _point(NumberType.F64, scale, exponent)
    expected = _rounded(Decimal(repr(raw)), point) if math.isfinite(raw) else None
    assert _convert(point, raw) == expected


@pytest.mark.parametrize(
    ("wire", "exponent", "mantissa"),
    [
        ("43663333", -1, 2302),  # 230.2, on the wire 230.199997
        ("43663333", -2, 23020),
        ("43663333", -6, 230_200_000),
        ("43662666", -1, 2302),  # 230.15: half to even goes up
        ("43664000", -1, 2302),  # 230.25: half to even goes down
        ("436673b6", -3, 230_452),
        ("c3663333", -1, -2302),
        ("80000000", -1, 0),
    ],
)
def test_what_a_meter_means_is_what_is_sealed(wire: str, exponent: int, mantissa: int) -> None:
    raw = struct.unpack(">f", bytes.fromhex(wire))[0]
    assert _convert(_point(NumberType.F32, "1", exponent), raw) == mantissa


def test_the_coarse_steps_of_subnormals_are_not_trusted_to_the_fast_way() -> None:
    assert _convert(_point(NumberType.F32, "1E+30", -17), 2.0**-149) == 100  # the shortest decimal is 1E-45


def test_beyond_int64_there_is_no_value() -> None:
    point = _point(NumberType.U64)
    assert _convert(point, (1 << 63) - 1) == (1 << 63) - 1
    assert _convert(point, 1 << 63) is None
    assert reason_of(point, 1 << 63) is Quality.BAD_OUT_OF_RANGE
    assert _convert(_point(NumberType.I64, "0.1", -2), 1 << 62) is None
    assert _convert(_point(NumberType.F32, "1", -9), 1e30) is None


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_value(raw: float) -> None:
    point = _point(NumberType.F32, "1", -1)
    assert _convert(point, raw) is None
    assert reason_of(point, raw) is (Quality.BAD_NO_DATA if math.isnan(raw) else Quality.BAD_OUT_OF_RANGE)


def test_a_sentinel_is_compared_with_the_raw_number() -> None:
    scaled = _point(NumberType.I16, "0.5", -1, sentinels=(-32768,))
    assert _convert(scaled, -32768) is None
    assert _convert(scaled, -32767) == -163835
    floating = _point(NumberType.F32, "1", -1, sentinels=(-9999,))
    assert _convert(floating, -9999.0) is None
    assert reason_of(floating, -9999.0) is Quality.BAD_NO_DATA


def test_bounds_lie_inside_the_range_of_the_profile() -> None:
    point = _point(NumberType.U16, "0.1", -1, low=Decimal("-0.25"), high=Decimal("99.99"))
    assert bounds_of(point) == (-2, 999)
    assert bounds_of(_point(NumberType.U16)) == (-(1 << 63), (1 << 63) - 1)


@pytest.mark.parametrize(
    ("kind", "words", "wire"),
    [
        (NumberType.U32, WordOrder.BIG, "11223344"),
        (NumberType.U32, WordOrder.LITTLE, "33441122"),
        (NumberType.U32, WordOrder.DCBA, "44332211"),
        (NumberType.U32, WordOrder.BADC, "22114433"),
        (NumberType.U64, WordOrder.LITTLE, "7788556633441122"),
        (NumberType.U64, WordOrder.DCBA, "8877665544332211"),
        (NumberType.U64, WordOrder.BADC, "2211443366558877"),
        (NumberType.U16, WordOrder.LITTLE, "1122"),
        (NumberType.U16, WordOrder.DCBA, "2211"),
    ],
)
def test_word_orders(kind: NumberType, words: WordOrder, wire: str) -> None:
    reorder = reorder_of(kind.registers, words)
    data = bytes.fromhex(wire)
    assert (reorder(data) if reorder else data) == bytes.fromhex("1122334455667788"[: len(wire)])
