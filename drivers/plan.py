"""Points -> the fewest exchanges: registers that lie close are read as one block.

A block costs one turn of the line whatever its length: at 9600 Bd single registers come at 40 a second, blocks of 125
at 404. Taking points in the order of their addresses and closing a block only when the next point does not fit gives
the fewest blocks, because every part of a readable block is readable too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from drivers.profile import Limits, Point, RawRead, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read request.

    Attributes:
        table: where it reads.
        first: first address, 0-based.
        count: addresses read, holes included.
        points: indexes of the points it covers, ascending.
        raw: the vendor's function that is asked instead; ``first`` and ``count`` are then places in its reply.
    """

    table: Table
    first: int
    count: int
    points: tuple[int, ...]
    raw: RawRead | None = None


def plan(points: Sequence[Point], limits: Limits, due: Collection[int] | None = None) -> tuple[Block, ...]:
    """Cover the points ``due`` (all of them if None) with as few blocks as the device's limits allow.

    No block is longer than the limits, skips a hole of more than ``gap_registers`` addresses (bits too) or touches a
    forbidden one. A point longer than the limit still gets a block of its own, and so does one whose reading has a
    side effect. A value and its scale register are one point here: they are never read apart. What one vendor's
    function gives is one block.
    """
    everything = range(len(points)) if due is None else sorted(due)
    own = {points[i].location.raw: [j for j in everything if points[j].location.raw == points[i].location.raw]
           for i in everything if points[i].location.raw is not None}  # fmt: skip
    wanted = [i for i in everything if points[i].location.raw is None]
    return (*_plan_tables(points, limits, wanted), *(block_of(points, some) for some in own.values()))


def _plan_tables(points: Sequence[Point], limits: Limits, wanted: Sequence[int]) -> tuple[Block, ...]:
    ordered = sorted(wanted, key=lambda i: (points[i].location.table.value, points[i].location.first))
    untouched = tuple((p.location.table, p.location.first, p.location.end - 1) for p in points
                      if p.side_effect and p.location.raw is None)  # fmt: skip
    if not untouched:
        return tuple(_blocks(points, limits, ordered))
    careful = replace(limits, forbidden=(*limits.forbidden, *untouched))
    together = _blocks(points, careful, [i for i in ordered if not points[i].side_effect])
    return (*together, *(block_of(points, (i,)) for i in ordered if points[i].side_effect))


def split(block: Block, points: Sequence[Point]) -> tuple[Block, Block] | None:
    """Cut a block that the device refused in two, at its largest hole, else in the middle; None if it cannot be cut.

    Most refusals come from an undefined address inside a hole, so the hole goes first.
    """
    if block.raw is not None:
        return None
    ordered = sorted(block.points, key=lambda i: points[i].location.first)
    best: tuple[int, int, int] | None = None
    for cut in range(1, len(ordered)):
        end = max(_end(points[i]) for i in ordered[:cut])
        hole = points[ordered[cut]].location.first - end
        if hole < 0:  # the two share a register
            continue
        rank = (hole, -abs(2 * cut - len(ordered)), cut)
        best = rank if best is None or rank > best else best
    if best is None:
        return None
    cut = best[2]
    return block_of(points, ordered[:cut]), block_of(points, ordered[cut:])


def block_of(points: Sequence[Point], chosen: Collection[int]) -> Block:
    """Give the one block that covers the points ``chosen``, all of one table."""
    first = min(points[i].location.first for i in chosen)
    end = max(_end(points[i]) for i in chosen)
    at = points[next(iter(chosen))].location
    table = at.table
    if at.raw is not None:
        return Block(table=table, first=0, count=at.raw.registers, points=tuple(sorted(chosen)), raw=at.raw)
    return Block(table=table, first=first, count=end - first, points=tuple(sorted(chosen)))


def _end(point: Point) -> int:
    return point.location.end


def _blocks(points: Sequence[Point], limits: Limits, ordered: Sequence[int]) -> Iterator[Block]:
    run: list[int] = []
    first = end = 0
    for index in ordered:
        at = points[index].location
        table = points[run[-1]].location.table if run else None
        if run and not (table is at.table and _may_join(at.table, first, end, at.first, at.end, limits)):
            yield block_of(points, run)
            run = []
        if not run:
            first, end = at.first, 0
        run.append(index)
        end = max(end, at.end)
    if run:
        yield block_of(points, run)


def _may_join(table: Table, first: int, end: int, start: int, stop: int, limits: Limits) -> bool:
    longest = limits.block_bits if table.is_bits else limits.block_registers
    if max(end, stop) - first > longest or start - end > limits.gap_registers:
        return False
    return not any(t is table and low < start and end <= high for t, low, high in limits.forbidden)
