"""Columns of whole blocks: place, order, findings."""

from __future__ import annotations

import random
import struct
from decimal import Decimal

import pytest

from drivers.profile import Label, ModbusLocation, NumberType, Point, Table, WordOrder
from drivers.protocols.modbus_values import compile_block
from drivers.quality import Quality

_U16, _U32, _BIT = NumberType.U16, NumberType.U32, NumberType.BIT


def _point(address: int, kind: NumberType = _U16, *, exponent: int = 0, **more: object) -> Point:
    location = {key: more.pop(key) for key in ("words", "bit", "table") if key in more}
    place = {"table": Table.HOLDING_REGISTER} | location
    return Point(
        name=f"p{address}",
        label=Label(en="x", zh="x"),
        place=ModbusLocation(address=address, type=kind, **place),  # type: ignore[arg-type]
        unit="V",
        scale=Decimal(str(more.pop("scale", 1))),
        exponent=exponent,
        **more,  # type: ignore[arg-type]
    )


def _words(*words: int) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


def test_each_point_gets_its_own_registers() -> None:
    points = [_point(3, _U32), _point(0), _point(6, NumberType.I16)]
    block = compile_block(points, 0, 8)
    values, statuses = block.columns(_words(7, 99, 99, 1, 2, 99, 0xFFFE, 99))
    assert values == (0x10002, 7, -2)
    assert statuses == (0, 0, 0)


def test_every_layout_agrees_with_reading_each_point_alone(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        points: list[Point] = []
        address = 100
        while address < 120:
            address += chance.choice([0, 0, 1, 3])
            kind = chance.choice([t for t in NumberType if t is not _BIT])
            words = chance.choice(list(WordOrder))
            scale = chance.choice(["1", "0.1", "10"])
            points.append(_point(address, kind, words=words, scale=scale, exponent=chance.choice([-2, -1, 0])))
            address += kind.registers
        chance.shuffle(points)
        data = chance.randbytes(2 * (address - 100))
        values, statuses = compile_block(points, 100, address - 100).columns(data)
        for point, value, status in zip(points, values, statuses, strict=True):
            at = 2 * (point.location.address - 100)
            alone = compile_block([point], point.location.address, point.location.count)
            assert alone.columns(data[at : at + 2 * point.location.count]) == ((value,), (status,))


def test_bits_of_a_register_stand_beside_its_number() -> None:
    points = [_point(5), _point(5, _BIT, bit=0), _point(5, _BIT, bit=15), _point(6)]
    values, _ = compile_block(points, 5, 2).columns(_words(0x8000, 3))
    assert values == (0x8000, False, True, 3)


def test_coils_are_packed_from_the_lowest_bit_on() -> None:
    points = [_point(a, _BIT, table=Table.COIL) for a in (19, 20, 37)]
    values, statuses = compile_block(points, 19, 19).columns(bytes.fromhex("CD6B05"))  # V1.1b3, 6.1: coils 20 to 38
    assert values == (True, False, True)
    assert statuses == (0, 0, 0)


def test_a_sentinel_has_no_value_and_says_so() -> None:
    points = [_point(0, sentinels=(0xFFFF,)), _point(1), _point(2, _U32, sentinels=(0xFFFFFFFF,), scale="0.1")]
    values, statuses = compile_block(points, 0, 4).columns(_words(0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF))
    assert values == (None, 0xFFFF, None)
    assert statuses == (Quality.BAD_NO_DATA, 0, Quality.BAD_NO_DATA)


def test_an_implausible_value_has_no_value() -> None:
    points = [
        _point(0, scale="0.1", exponent=-1, low=Decimal(0), high=Decimal(100)),
        _point(1, scale="0.1", exponent=-1, low=Decimal(0), high=Decimal(100)),
        _point(2, scale="10", low=Decimal(20)),
    ]
    values, statuses = compile_block(points, 0, 3).columns(_words(1000, 1001, 1))
    assert values == (1000, None, None)
    assert statuses == (0, Quality.BAD_OUT_OF_RANGE, Quality.BAD_OUT_OF_RANGE)


def test_a_sentinel_outside_the_range_is_no_data_rather_than_out_of_range() -> None:
    point = _point(0, sentinels=(0x7FFF,), high=Decimal(100))
    assert compile_block([point], 0, 1).columns(_words(0x7FFF)) == ((None,), (Quality.BAD_NO_DATA,))


@pytest.mark.parametrize(("wire", "value"), [("7fc00000", None), ("7f800000", None), ("43663333", 2302)])
def test_a_float_register_in_swapped_words(wire: str, value: int | None) -> None:
    point = _point(0, NumberType.F32, words=WordOrder.LITTLE, exponent=-1)
    data = bytes.fromhex(wire)
    values, statuses = compile_block([point], 0, 2).columns(data[2:] + data[:2])
    assert values == (value,)
    assert (statuses[0] == 0) is (value is not None)


def test_points_that_overlap_are_refused_when_compiled() -> None:
    with pytest.raises(ValueError, match="share register"):
        compile_block([_point(0, _U32), _point(1)], 0, 2)
