"""Data marks: ``xxxxxx-Flag`` of a value (HJ 212-2017 table 8) and our quality, both ways.

The table may be extended, and the one of 2025 was not seen: a letter that is not known makes a value uncertain, never
good.
"""

from __future__ import annotations

from typing import Final

from drivers.quality import Quality, is_bad, is_good

NORMAL: Final = "N"
STOPPED: Final = "F"
MAINTENANCE: Final = "M"
BY_HAND: Final = "S"
FAULT: Final = "D"
CALIBRATION: Final = "C"
OVER_RANGE: Final = "T"
NO_CONTACT: Final = "B"

_QUALITY: Final = {
    NORMAL: Quality.GOOD,
    STOPPED: Quality.BAD_OUT_OF_SERVICE,
    MAINTENANCE: Quality.UNCERTAIN_SENSOR_NOT_ACCURATE,
    BY_HAND: Quality.UNCERTAIN_SUBSTITUTE_VALUE,
    FAULT: Quality.BAD_DEVICE_FAILURE,
    CALIBRATION: Quality.UNCERTAIN_SENSOR_NOT_ACCURATE,
    OVER_RANGE: Quality.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED,
    NO_CONTACT: Quality.BAD_COMMUNICATION_ERROR,
}
_MARKS: Final = {
    Quality.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED: OVER_RANGE,
    Quality.BAD_OUT_OF_RANGE: OVER_RANGE,
    Quality.UNCERTAIN_SUBSTITUTE_VALUE: BY_HAND,
    Quality.BAD_OUT_OF_SERVICE: STOPPED,
    Quality.BAD_DEVICE_FAILURE: FAULT,
    Quality.BAD_SENSOR_FAILURE: FAULT,
}


def quality_of(mark: str) -> Quality:
    """Give the quality of a value that came with ``mark``; without one it is good, with an unknown one uncertain."""
    return _QUALITY.get(mark, Quality.UNCERTAIN_SENSOR_NOT_ACCURATE) if mark else Quality.GOOD


def mark_of(status: int) -> str:
    """Give the mark of a value of ours: N only where it is good."""
    if is_good(status):
        return NORMAL
    try:
        known = _MARKS.get(Quality(status))
    except ValueError:
        known = None
    return known or (NO_CONTACT if is_bad(status) else MAINTENANCE)
