"""When an M-Bus meter says that its values were taken: its clock, due dates, moments of maxima (EN 13757-3, annex A).

A record of storage number 0 is of the moment of the readout; others, and all maxima and minima, are older.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from drivers.batch import DeviceTime, Value
from drivers.decoded import Quantity
from drivers.meter_clock import device_time, historical
from drivers.profile import Kind, Point

_RECORD: Final = re.compile(r"(?P<name>.+?)(?P<extreme>_max|_min)?(?P<storage>@s\d+)?(?:/t\d+)?(?:/u\d+)?(?:#\d+)?")
_ON_THE_METER: Final = ("datetime", "date")


def shown(said: Mapping[str, Quantity]) -> Quantity | None:
    """Give what the meter's clock showed, date and time in one or in two records; None if it sends none."""
    clock = said.get("datetime")
    if clock is None or not isinstance(clock.value, str) or "-" in clock.value:
        return clock
    day = said.get("date")
    if day is None or not isinstance(day.value, str):
        return None
    return Quantity(quantity="datetime", value=f"{day.value}T{clock.value}")


def times(
    points: Sequence[Point],
    records: Sequence[str],
    values: Sequence[Value],
    said: Mapping[str, Quantity],
    zone: tzinfo,
) -> Iterator[DeviceTime]:
    """Give the meter's time of each amount that has a value and such a time."""
    now = shown(said)
    for row, (point, record, value) in enumerate(zip(points, records, values, strict=True)):
        found = _RECORD.fullmatch(record)
        if value is None or found is None or point.kind not in (Kind.GAUGE, Kind.COUNTER):
            continue
        storage, extreme = found["storage"] or "", found["extreme"] or ""
        if storage or extreme:
            names = [f"{name}{extreme}{storage}" for name in _ON_THE_METER]
            names += [f"{name}{storage}" for name in _ON_THE_METER if storage]
            yield historical(row, next((said[name] for name in names if name in said), None), zone)
        elif now is not None:
            yield device_time(row, now.value if isinstance(now.value, str) else None, zone)
