"""Registers and what the display shows -> which type, word order, place and scale. Pure.

Every way to read the bytes is tried, and every power of ten; what comes within half a digit of the display fits. A
second pair, taken at another time, rules out what fitted the first by chance.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from drivers.shortest import shortest_f32, shortest_f64

SCALES: Final = (0, -1, -2, -3, 1, -4, 2, 3, -5, -6, 4, 5, 6)
"""Powers of ten, common ones first."""

_FORMATS: Final = {
    "u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f", "u64": ">Q", "i64": ">q", "f64": ">d",
}  # fmt: skip
_BCD: Final = {"bcd16": 2, "bcd32": 4, "bcd64": 8}
_RARITY: Final = {
    "u16": 0, "i16": 1, "f32": 1, "u32": 1, "i32": 2, "u64": 3, "f64": 3, "i64": 4, "bcd32": 4,
    "bcd16": 5, "bcd64": 6,
}  # fmt: skip


class Order(Enum):
    """Order of the bytes ABCD on the wire; the value is the word of profile files."""

    BIG = "big"  # ABCD
    LITTLE = "little"  # CDAB
    BADC = "badc"
    DCBA = "dcba"


_ORDER_RARITY: Final = {Order.BIG: 0, Order.LITTLE: 1, Order.BADC: 3, Order.DCBA: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Registers and the display at the same moment.

    Attributes:
        registers: bytes as on the wire, two a register.
        shown: what the display shows, its digits counting; None if that is not known.
    """

    registers: bytes
    shown: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read the registers.

    Attributes:
        type: as profile files write it.
        offset: registers before the value.
        power: the value is the number times ten to this.
        values: what it gives for each pair, scaled.
        cost: how unusual it is; the smallest first.
    """

    type: str
    order: Order
    offset: int
    power: int
    values: tuple[Decimal, ...]
    cost: int

    @property
    def scale(self) -> str:
        """The scale as profile files write it."""
        return format(Decimal(1).scaleb(self.power), "f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What was found.

    Attributes:
        readings: those that fit, most usual first; without a display every way to read, unscaled.
        twins: those that give the same numbers as the first one here and differ elsewhere only (i16 beside u16).
        ambiguous: others than the first and its twins fit too.
    """

    readings: tuple[Reading, ...]
    twins: tuple[Reading, ...]
    ambiguous: bool


def solve(pairs: Sequence[Pair]) -> Solution:
    """Find the readings that fit every pair.

    Raises:
        ValueError: the pairs have no whole registers, or different numbers of them, or there is none.
    """
    lengths = {len(pair.registers) for pair in pairs}
    if len(lengths) != 1 or 0 in lengths or lengths.pop() % 2:
        raise ValueError("give whole registers, two bytes each, as many in every pair")
    known = all(pair.shown is not None for pair in pairs)
    readings = sorted(_readings(pairs, SCALES if known else (0,)), key=lambda one: one.cost)
    if not readings or not known:
        return Solution(readings=tuple(readings), twins=(), ambiguous=len(readings) > 1)
    best = readings[0]
    twins = tuple(one for one in readings[1:] if _is_twin(best, one))
    others = [one for one in readings[1:] if one not in twins]
    return Solution(readings=tuple(readings), twins=twins, ambiguous=bool(others))


def _is_twin(best: Reading, other: Reading) -> bool:
    """Tell whether two differ in sign, width of leading zeros or words of zero only: same numbers, same scale."""
    same_end = best.offset + _registers(best.type) == other.offset + _registers(other.type)
    same_place = same_end or best.offset == other.offset
    plain = not (best.type.startswith("f") or other.type.startswith("f"))
    return plain and same_place and best.values == other.values and best.power == other.power


def _readings(pairs: Sequence[Pair], powers: Sequence[int]) -> Iterator[Reading]:
    count = len(pairs[0].registers) // 2
    for kind in (*_FORMATS, *_BCD):
        size = _registers(kind)
        for offset in range(count - size + 1):
            for order in Order if size > 1 else (Order.BIG, Order.BADC):
                raw = [_number(kind, _ordered(pair.registers[2 * offset :][: 2 * size], order)) for pair in pairs]
                numbers = [number for number in raw if number is not None]
                if len(numbers) == len(pairs):
                    yield from _scaled(kind, order, offset, numbers, pairs, powers)


def _scaled(
    kind: str, order: Order, offset: int, numbers: Sequence[Decimal], pairs: Sequence[Pair], powers: Sequence[int]
) -> Iterator[Reading]:
    for rank, power in enumerate(powers):
        if all(_fits(number, power, pair.shown) for number, pair in zip(numbers, pairs, strict=True)):
            scale = rank * (2 if kind.startswith("f") else 1)  # floats are seldom scaled
            cost = 4 * _RARITY[kind] + 3 * _ORDER_RARITY[order] + 2 * scale + 2 * offset
            used = 2 * (len(pairs[0].registers) // 2 - _registers(kind))  # who gives four bytes means four bytes
            values = tuple(number.scaleb(power) for number in numbers)
            yield Reading(type=kind, order=order, offset=offset, power=power, values=values, cost=cost + 3 * used)


def _fits(number: Decimal, power: int, shown: Decimal | None) -> bool:
    """Tell whether the display could show this number: rounded, or cut off after its last digit."""
    if shown is None:
        return True
    digit = Decimal(1).scaleb(int(shown.as_tuple().exponent))
    difference = number.scaleb(power) - shown
    return abs(difference) <= digit / 2 or (0 <= difference.copy_sign(difference * shown) < digit and number != 0)


def _registers(kind: str) -> int:
    return (struct.calcsize(_FORMATS[kind]) if kind in _FORMATS else _BCD[kind]) // 2


def _ordered(data: bytes, order: Order) -> bytes:
    if order in (Order.BADC, Order.DCBA):
        data = b"".join(data[i : i + 2][::-1] for i in range(0, len(data), 2))
    if order in (Order.LITTLE, Order.DCBA):
        data = b"".join(data[i : i + 2] for i in range(len(data) - 2, -1, -2))
    return data


def _number(kind: str, data: bytes) -> Decimal | None:
    if kind in _BCD:
        digits = data.hex()
        return Decimal(digits) if digits.isdecimal() else None
    number = struct.unpack(_FORMATS[kind], data)[0]
    if not isinstance(number, float):
        return Decimal(number)
    if not math.isfinite(number) or (number and not 1e-9 < abs(number) < 1e15):
        return None  # such floats are integers that were taken for one
    mantissa, power = (shortest_f32 if kind == "f32" else shortest_f64)(number)
    return Decimal(mantissa).scaleb(power)
