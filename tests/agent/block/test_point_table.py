"""The point table gives back exactly what went in, whatever it shares."""

from __future__ import annotations

from agent.block.point_table import PointTable
from agent.block.record import PointEntry


def _entry(device: int, quantity: str = "voltage", unit: str | None = "V", exponent: int = -1) -> PointEntry:
    return PointEntry(device=device, quantity=quantity, unit=unit, exponent=exponent, kind=0, klass=1)


ENTRIES = [_entry(0), _entry(1), _entry(0, "current", "A", -3), _entry(2, "state", None, 0)]


def test_entries_come_back_in_order_by_index_and_by_slice() -> None:
    table = PointTable().extended(ENTRIES[:1]).extended(ENTRIES[1:])
    assert list(table) == ENTRIES
    assert [table[index] for index in range(len(table))] == ENTRIES
    assert table[1:3] == tuple(ENTRIES[1:3])
    assert table[-1] == ENTRIES[-1]


def test_a_table_that_grows_leaves_the_one_before_as_it_was() -> None:
    before = PointTable().extended(ENTRIES[:2])
    after = before.extended(ENTRIES[2:])
    other = before.extended([_entry(7)])
    assert (list(before), list(after), list(other)) == (ENTRIES[:2], ENTRIES, [*ENTRIES[:2], _entry(7)])
    assert len(PointTable()) == 0


def test_the_beginning_of_a_table_is_the_table_it_grew_from() -> None:
    before = PointTable().extended(ENTRIES[:2])
    after = before.extended(ENTRIES[2:])
    assert after.until(2) == before
    assert hash(after.until(2)) == hash(before)
    assert after != before
    assert PointTable().extended([_entry(1)]) != PointTable().extended([_entry(2)])
    assert before != ENTRIES[:2]
