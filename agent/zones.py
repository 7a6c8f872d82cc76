"""Time zones of the site file: names of the time zone database, or a fixed offset, which needs no database."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final

_FIXED: Final = re.compile(r"([+-])(\d\d):(\d\d)")
_MOST_MINUTES: Final = 14 * 60


def zone_of(text: str) -> tzinfo:
    """Give the zone that ``text`` names: ``UTC``, ``+08:00`` or ``Asia/Shanghai``.

    Raises:
        ValueError: there is no such zone, or names are not known on this machine (package tzdata).
    """
    if text == "UTC":
        return UTC
    fixed = _FIXED.fullmatch(text)
    if fixed is not None:
        minutes = int(fixed[2]) * 60 + int(fixed[3])
        if int(fixed[3]) > 59 or minutes > _MOST_MINUTES:
            raise ValueError(text)
        return timezone(timedelta(minutes=minutes if fixed[1] == "+" else -minutes))
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - 0.5 MiB

    try:
        return ZoneInfo(text)
    except (OSError, KeyError) as error:  # a folder, a name that is not there
        raise ValueError(text) from error
