"""Local times of meters as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from drivers.meter_clock import utc_ms_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("local", "zone", "wanted"),
    [
        ("2026-11-24T12:00:00", UTC, "2026-11-24T12:00:00"),
        ("2026-11-24T12:00", timezone(timedelta(hours=8)), "2026-11-24T04:00:00"),
        ("2016-07-22", UTC, "2016-07-22T00:00:00"),
        ("2026-10-25T01:59:59", BERLIN, "2026-10-24T23:59:59"),
        ("2026-10-25T03:00:00", BERLIN, "2026-10-25T02:00:00"),
        ("2026-03-29T03:00:00", BERLIN, "2026-03-29T01:00:00"),
    ],
)
def test_a_local_time_becomes_utc(local: str, zone: timezone, wanted: str) -> None:
    found = utc_ms_of(local, zone)
    assert found is not None
    assert datetime.fromtimestamp(found / 1000, UTC).isoformat().startswith(wanted)


@pytest.mark.parametrize(
    "local",
    [
        None,
        "",
        "2026-10-25T02:30:00",
        "2026-03-29T02:30:00",
        "12:30:00",
        "10-25T12:00",
        "2026-13-01",
        "2026-02-30T01:00",
    ],
    ids=["none", "nothing", "twice", "never", "no day", "no year", "no month", "no such day"],
)
def test_what_is_no_moment_of_the_calendar_is_no_number(local: str | None) -> None:
    assert utc_ms_of(local, BERLIN) is None


@pytest.mark.parametrize(("summer", "hour"), [(True, 0), (False, 1)])
def test_a_meter_that_tells_summer_from_winter_knows_the_hour_that_comes_twice(summer: bool, hour: int) -> None:
    wanted = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    assert utc_ms_of("2026-10-25T02:30:00", BERLIN, summer=summer) == int(wanted.timestamp()) * 1000
    assert utc_ms_of("2026-03-29T02:30:00", BERLIN, summer=summer) is None
