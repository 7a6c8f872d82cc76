"""The pipeline on columns, and what is shed when storage runs full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.pipeline import DeviceState, lost, process
from agent.polling.counters import Break, Discontinuity
from agent.polling.shedding import factors
from agent.storing.stored import Pressure
from drivers.batch import Batch, Value
from drivers.profile import Kind, PointClass, Profile
from drivers.quality import Quality
from drivers.sources import Read
from tests.agent.storage_site import point, profile

ROLLED = Discontinuity(point=1, last=65_530, first=3, kind=Break.ROLL_OVER)
MODEL = profile(
    (
        point("voltage"),
        point("energy", PointClass.BILLING, Kind.COUNTER),
        replace(point("door", PointClass.ALARM, Kind.STATE), urgent=True),
    )
)


def batch(*values: Value, statuses: tuple[int, ...] = (), points: tuple[int, ...] = ()) -> Batch:
    return Batch(
        device=0,
        mono_ns=1,
        points=points or tuple(range(len(values))),
        values=values,
        statuses=statuses or (0,) * len(values),
    )


def test_a_batch_without_findings_goes_through_as_the_same_object() -> None:
    state = DeviceState(MODEL)
    given = batch(2300, 5, 0)
    assert process(given, state).batch is given
    assert process(given, state).discontinuities == ()


def test_a_counter_that_runs_backwards_is_found_once_and_its_reading_stays() -> None:
    state = DeviceState(MODEL)
    found = [process(batch(2300, count, 0), state) for count in (65_530, 65_530, 3, 4)]
    assert [one.discontinuities for one in found] == [(), (), (ROLLED,), ()]
    assert [one.batch.values[1] for one in found] == [65_530, 65_530, 3, 4]


def test_a_missing_counter_neither_hides_nor_makes_a_discontinuity() -> None:
    state = DeviceState(MODEL)
    bad = (0, int(Quality.BAD_TIMEOUT), 0)
    process(batch(1, 100, 0), state)
    assert process(batch(1, None, 0, statuses=bad), state).discontinuities == ()
    assert process(batch(1, 101, 0), state).discontinuities == ()
    process(batch(1, None, 0, statuses=bad), state)
    assert process(batch(1, 7, 0), state).discontinuities == (
        Discontinuity(point=1, last=101, first=7, kind=Break.BACKWARDS),
    )


def test_a_counter_is_followed_through_batches_of_different_points() -> None:
    state = DeviceState(MODEL)
    process(batch(50, points=(1,)), state)
    assert process(batch(2300, 49, 0), state).discontinuities == (Discontinuity(point=1, last=50, first=49),)


def test_an_urgent_point_makes_its_batch_urgent_when_it_changes_and_not_at_the_start() -> None:
    state = DeviceState(MODEL)
    urgent = [process(batch(1, 1, door), state).batch.urgent for door in (0, 0, 1, 1, 0)]
    assert urgent == [False, False, True, False, True]
    gone = batch(1, 1, None, statuses=(0, 0, int(Quality.BAD_TIMEOUT)))
    assert process(gone, state).batch.urgent, "an alarm that can no longer be read is news"


@pytest.mark.parametrize("status", [0, int(Quality.BAD_SENSOR_FAILURE)])
def test_a_missing_value_never_counts_as_good(status: int) -> None:
    found = process(batch(None, 1, 0, statuses=(status, 0, 0)), DeviceState(MODEL)).batch
    assert found.statuses[0] == (status or Quality.BAD_NO_DATA)
    assert found.statuses[1:] == (0, 0)


def test_lost_points_are_null_with_the_quality_of_the_error() -> None:
    found = lost(3, 9, (1, 2), Quality.BAD_NO_COMMUNICATION)
    assert (found.device, found.mono_ns, found.points, found.values) == (3, 9, (1, 2), (None, None))
    assert set(found.statuses) == {Quality.BAD_NO_COMMUNICATION}


def reads(*plan: tuple[tuple[int, ...], float]) -> list[Read]:
    return [Read(points=points, period_s=period_s, request_bytes=8, reply_bytes=9) for points, period_s in plan]


@pytest.mark.parametrize("pressure", [Pressure.NONE, Pressure.THIN, Pressure.NO_SEAL])
def test_before_the_last_level_everything_is_still_polled(pressure: Pressure) -> None:
    assert factors(MODEL, reads(((0,), 1), ((1,), 1)), pressure) == (1, 1)


def test_at_the_last_level_telemetry_rests_billing_slows_down_and_alarms_go_on() -> None:
    plan = reads(((0,), 1), ((1,), 1), ((1,), 15), ((0, 1), 5), ((2,), 1), ((0, 2), 1))
    assert factors(MODEL, plan, Pressure.NO_POLL) == (0, 15, 1, 3, 1, 1)


def test_a_profile_without_billing_points_rests_whole() -> None:
    plain: Profile = profile((point("a"), point("b")))
    assert factors(plain, reads(((0,), 1), ((1,), 60)), Pressure.NO_POLL) == (0, 0)
