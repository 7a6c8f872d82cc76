from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.block.record import Value
from agent.gathering import Gathering
from agent.sealing import cut

STATUS = st.sampled_from((0, 0, 0, 0x40900000, 0x800A0000))
ROW = st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(-5, 5)), STATUS)
BATCHES = st.lists(st.lists(ROW, min_size=1, max_size=9), max_size=12)


@given(BATCHES, st.integers(1, 20))
def test_what_goes_in_comes_out_once_in_order_with_its_status(
    batches: list[list[tuple[int, Value, int]]], most: int
) -> None:
    gathering = Gathering()
    wanted: list[tuple[int, int, Value, int]] = []
    found: list[tuple[int, int, Value, int]] = []

    def take_out(*, rest: bool) -> None:
        for columns in cut(gathering, most, rest=rest):
            assert 1 <= len(columns.points) <= most
            statuses = dict(columns.statuses)
            assert list(statuses) == sorted(statuses)
            rows = zip(columns.mono_ms, columns.points, columns.values, strict=True)
            found.extend((*row, statuses.get(index, 0)) for index, row in enumerate(rows))

    for at, rows in enumerate(batches):
        points, values, statuses = (tuple(column) for column in zip(*rows, strict=True))
        gathering.take(at, points, values, statuses)
        wanted.extend((at, *row) for row in rows)
        take_out(rest=False)
        assert len(gathering) < most
    assert gathering.oldest_mono_ms == (wanted[len(found)][0] if len(found) < len(wanted) else None)
    take_out(rest=True)
    assert found == wanted
    assert len(gathering) == 0
