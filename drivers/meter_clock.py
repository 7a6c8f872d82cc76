"""The clock inside a meter: its local times as UTC beside readings, and how far it is from ours.

A meter tells the wall clock of its site. What the calendar of its zone does not know, or knows twice (the hours at
which summer time begins and ends), is never made a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from drivers.batch import Batch, DeviceTime, DeviceTimeFlag, Value
from drivers.clock import Clock, DisciplinedClock
from drivers.decoded import Quantity
from drivers.named_values import sealed
from drivers.profile import Point
from drivers.quality import Quality, is_good

OFFSET: Final = "clock.offset"
"""Quantity that is the difference of the clocks."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_SURE_MS: Final = 1000


def utc_ms_of(local: str | None, zone: tzinfo, *, summer: bool | None = None) -> int | None:
    """Give a local time as UTC milliseconds since 1970.

    Args:
        local: ISO 8601 without a zone; a date alone means its first moment; None for none.
        zone: of the meter's wall clock.
        summer: whether the meter says that this is summer time, None if it says nothing.

    Returns:
        None for no time, an impossible one, and one that ``zone`` skips or has twice without ``summer`` to tell.
    """
    try:
        moment = datetime.fromisoformat(local) if local and local[4:5] == "-" else None
    except ValueError:
        return None
    if moment is None:
        return None
    both = [moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    if both[0].utcoffset() != both[1].utcoffset():
        there = [one for one in both if one.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment]
        fitting = [one for one in there if summer is not None and bool(one.dst()) is summer]
        if len(fitting) != 1:
            return None
        both = fitting
    return (both[0] - _EPOCH) // _MS


def began_ms(clock: Clock, character_s: float, raw: bytes) -> int:
    """Give our UTC, milliseconds, at which an answer began that has just come whole: ``raw``, all its bytes."""
    return clock.utc_ns() // 1_000_000 - round(1000 * character_s * len(raw))


def device_time(
    row: int,
    local: str | None,
    zone: tzinfo,
    flags: DeviceTimeFlag = DeviceTimeFlag.NONE,
    *,
    summer: bool | None = None,
) -> DeviceTime:
    """Give what a batch says of the meter's time of a row; where that is no time, its clock counts as not set."""
    utc_ms = utc_ms_of(local, zone, summer=summer)
    return DeviceTime(
        row=row, utc_ms=utc_ms, flags=flags if utc_ms is not None else flags | DeviceTimeFlag.CLOCK_UNSET
    )


def historical(row: int, said: Quantity | None, zone: tzinfo, *, summer: bool | None = None) -> DeviceTime:
    """Give the time of a row whose value is older than the reply: what the meter said of when, None if nothing."""
    flags = DeviceTimeFlag.HISTORICAL
    if said is None:
        return DeviceTime(row=row, utc_ms=None, flags=flags)
    return device_time(row, said.value if isinstance(said.value, str) else None, zone, flags, summer=summer)


def offset(meter_ms: int | None, ours_ms: int) -> Quantity:
    """Give the difference of the clocks, meter less ours; no value for a meter without a time."""
    seconds = None if meter_ms is None else Decimal(meter_ms - ours_ms).scaleb(-3)
    return Quantity(quantity=OFFSET, value=seconds, unit="s")


def offset_value(point: Point, difference: Quantity, clock: Clock) -> tuple[Value, int]:
    """Give value and status of a point that is such a difference: our own clock is one half of it.

    Bad where nobody ever set our clock, uncertain where it may be wrong by more than a second.
    """
    value, status = sealed(point, difference)
    if not is_good(status) or not isinstance(clock, DisciplinedClock):
        return value, int(status)
    error_ms = clock.utc_error_ms()
    if error_ms is None:
        return None, int(Quality.BAD_NO_DATA)
    return value, int(Quality.GOOD if error_ms <= _SURE_MS else Quality.UNCERTAIN_SENSOR_NOT_ACCURATE)


def offset_batch(
    device: int,
    wanted: Sequence[int],
    points: Sequence[Point],
    mono_ns: int,
    *,
    local: str | None,
    ours_ms: int,
    zone: tzinfo,
    clock: Clock,
) -> Batch:
    """Give the batch of points that are the difference of the clocks, each with the meter's time beside it.

    Args:
        device: index in the site's list.
        wanted: indexes into ``points``.
        points: of the profile.
        mono_ns: when the reply was there.
        local: what the meter's clock showed.
        ours_ms: our UTC at that moment.
        zone: of the meter's wall clock.
        clock: ours.
    """
    time = device_time(0, local, zone)
    both = [offset_value(points[index], offset(time.utc_ms, ours_ms), clock) for index in wanted]
    return Batch(
        device=device,
        mono_ns=mono_ns,
        points=tuple(wanted),
        values=tuple([value for value, _ in both]),
        statuses=tuple([status for _, status in both]),
        device_times=tuple([replace(time, row=row) for row in range(len(wanted))]),
    )


def without(device: int, points: Sequence[int], mono_ns: int, quality: Quality) -> Batch:
    """Give the batch of ``points`` for which a device that answers has no value, and why."""
    count = len(points)
    return Batch(
        device=device, mono_ns=mono_ns, points=tuple(points), values=(None,) * count, statuses=(int(quality),) * count
    )
