"""Block planning against a search over every way to group the points."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from drivers.plan import Block, block_of, plan, split
from drivers.profile import Label, Limits, ModbusLocation, NumberType, Point, Table

_LABEL = Label(en="x", zh="x")


def _point(address: int, kind: NumberType = NumberType.U16, table: Table = Table.HOLDING_REGISTER) -> Point:
    location = ModbusLocation(table=table, address=address, type=kind)
    return Point(name=f"p{address}", label=_LABEL, place=location, unit="V", scale=Decimal(1), exponent=0)


def _partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    head, *rest = items
    for parts in _partitions(rest):
        yield [[head], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [head, *part], *parts[i + 1 :]]


def _is_allowed(points: list[Point], chosen: list[int], limits: Limits) -> bool:
    """Say from the words of the limits, not from the planner, whether one read may cover ``chosen``."""
    if len({points[i].location.table for i in chosen}) > 1:
        return False
    table = points[chosen[0]].location.table
    taken = {
        a
        for i in chosen
        for a in range(points[i].location.address, points[i].location.address + points[i].location.count)
    }
    span = range(min(taken), max(taken) + 1)
    if len(span) > (limits.block_bits if table.is_bits else limits.block_registers):
        return False
    if any(t is table and first <= a <= last for t, first, last in limits.forbidden for a in span):
        return False
    hole = 0
    for address in span:
        hole = 0 if address in taken else hole + 1
        if hole > limits.gap_registers:
            return False
    return True


def _random_points(chance: random.Random) -> list[Point]:
    points: list[Point] = []
    address = 0
    for _ in range(chance.randint(1, 7)):
        address += chance.choice([0, 0, 1, 2, 5, 9])
        table = chance.choice([Table.HOLDING_REGISTER, Table.HOLDING_REGISTER, Table.INPUT_REGISTER])
        kind = chance.choice([NumberType.U16, NumberType.U32])
        points.append(_point(address, kind, table))
        address += kind.registers
    chance.shuffle(points)
    return points


def test_no_grouping_needs_fewer_exchanges(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(150):
        points = _random_points(chance)
        taken = {a for p in points for a in range(p.location.address, p.location.address + p.location.count)}
        free = [a for a in range(40) if a not in taken]
        forbidden = tuple((Table.HOLDING_REGISTER, a, a) for a in free if chance.random() < 0.1)
        limits = Limits(
            block_registers=chance.randint(4, 16), gap_registers=chance.randint(0, 6), forbidden=forbidden
        )
        blocks = plan(points, limits)
        assert sorted(i for b in blocks for i in b.points) == list(range(len(points)))
        assert all(_is_allowed(points, list(b.points), limits) for b in blocks)
        fewest = min(
            len(parts)
            for parts in _partitions(list(range(len(points))))
            if all(_is_allowed(points, part, limits) for part in parts)
        )
        assert len(blocks) == fewest


def test_a_block_covers_exactly_from_its_first_to_its_last_address() -> None:
    points = [_point(10, NumberType.U32), _point(4), _point(7)]
    assert plan(points, Limits()) == (Block(table=Table.HOLDING_REGISTER, first=4, count=8, points=(0, 1, 2)),)


def test_only_what_is_due_is_read() -> None:
    points = [_point(a) for a in range(10)]
    assert plan(points, Limits(), {2, 3}) == (Block(table=Table.HOLDING_REGISTER, first=2, count=2, points=(2, 3)),)


def test_a_hundred_registers_take_one_read() -> None:
    points = [_point(a) for a in range(100)]
    assert len(plan(points, Limits())) == 1
    assert len(plan(points, Limits(block_registers=60))) == 2


def test_bits_count_by_their_own_limit() -> None:
    points = [_point(a, NumberType.BIT, Table.COIL) for a in range(300)]
    assert [b.count for b in plan(points, Limits())] == [300]
    assert [b.count for b in plan(points, Limits(block_bits=200))] == [200, 100]


def test_a_point_longer_than_the_limit_gets_its_own_block() -> None:
    points = [_point(0), _point(1, NumberType.U64)]
    assert [(b.first, b.count) for b in plan(points, Limits(block_registers=2))] == [(0, 1), (1, 4)]


def test_a_refused_block_is_cut_at_its_largest_hole() -> None:
    points = [_point(a) for a in (0, 1, 4, 10)]
    halves = split(block_of(points, range(4)), points)
    assert halves is not None
    assert [h.points for h in halves] == [(0, 1, 2), (3,)]


def test_a_refused_block_without_holes_is_cut_in_the_middle() -> None:
    points = [_point(a) for a in range(8)]
    halves = split(block_of(points, range(8)), points)
    assert halves is not None
    assert [h.count for h in halves] == [4, 4]


def test_bits_of_one_register_are_not_torn_apart() -> None:
    points = [
        Point(
            name=f"b{bit}",
            label=_LABEL,
            place=ModbusLocation(table=Table.HOLDING_REGISTER, address=3, type=NumberType.BIT, bit=bit),
            unit=None,
            scale=Decimal(1),
            exponent=0,
        )
        for bit in range(4)
    ]
    assert split(block_of(points, range(4)), points) is None


@pytest.mark.parametrize("holes", [(0,), (0, 3), (1, 2, 9)])
def test_splitting_ends_with_single_points(holes: tuple[int, ...]) -> None:
    points = [_point(20 * i + hole) for i, hole in enumerate(holes)]
    open_blocks, singles = [block_of(points, range(len(points)))], 0
    while open_blocks:
        halves = split(open_blocks.pop(), points)
        if halves is None:
            singles += 1
        else:
            open_blocks += halves
    assert singles == len(points)
