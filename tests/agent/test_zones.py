from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from agent.zones import zone_of

NOON = datetime(2026, 7, 1, 12)  # noqa: DTZ001 - the zone is what is tested


@pytest.mark.parametrize(("text", "minutes"), [("+08:00", 480), ("-03:30", -210), ("+00:00", 0), ("+14:00", 840)])
def test_a_fixed_offset_needs_no_database(text: str, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("zoneinfo.ZoneInfo")
    assert zone_of(text).utcoffset(NOON) == timedelta(minutes=minutes)
    assert zone_of("UTC") is UTC


def test_a_name_is_looked_up() -> None:
    assert zone_of("Asia/Shanghai").utcoffset(NOON) == timedelta(hours=8)


@pytest.mark.parametrize("text", ["8", "+8:00", "+14:01", "+08:60", "Mars/Base", "/etc/passwd", "../x", "Asia"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        zone_of(text)
