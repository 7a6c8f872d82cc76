from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.block.record import Value
from agent.storing.gathering import Gathering
from agent.storing.sealing import cut
from drivers.batch import DeviceTime, DeviceTimeFlag

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


def test_bytes_and_times_of_a_device_stay_beside_their_readings_wherever_it_is_cut() -> None:
    gathering = Gathering()
    gathering.take(1, (5, 6), (1, 2), (0, 0))
    time = DeviceTime(row=1, utc_ms=77, sequence=3, flags=DeviceTimeFlag.HISTORICAL)
    gathering.take(2, (7, 8, 9), (3, 4, 5), (0, 0, 0), ((2, b"signed"),), (time, DeviceTime(row=2, utc_ms=None)))
    gathering.take(3, (5,), (6,), (0,), ((0, b"\x01"),))
    first, second, third = (gathering.cut(most) for most in (3, 1, 9))
    assert (first.raws, first.device_times) == ((), ())
    assert (second.points, second.raws, second.device_times) == ((8,), (), ((0, 77, 3, 1),))
    assert (third.points, third.raws) == ((9, 5), ((0, b"signed"), (1, b"\x01")))
    assert third.device_times == ((0, None, None, 0),)


def test_what_names_no_row_of_its_batch_never_stands_beside_a_reading_of_the_next() -> None:
    gathering = Gathering()
    gathering.take(1, (5,), (1,), (0,), ((1, b"astray"), (-1, b"astray")), (DeviceTime(row=4, utc_ms=1),))
    gathering.take(2, (6, 7), (1, 2), (0, 0), ((1, b"b"), (0, b"a")))
    columns = gathering.cut(9)
    assert (columns.raws, columns.device_times) == (((1, b"a"), (2, b"b")), ())
