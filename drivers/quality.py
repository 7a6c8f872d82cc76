"""OPC UA status codes that this product uses (OPC 10000-4, 7.39; OPC 10000-6, annex A)."""

from __future__ import annotations

from enum import IntEnum


class Quality(IntEnum):
    """Status of one reading; the two top bits are the severity (00 good, 01 uncertain, 10 bad)."""

    GOOD = 0x00000000
    UNCERTAIN_LAST_USABLE = 0x40900000
    UNCERTAIN_SUBSTITUTE_VALUE = 0x40910000
    UNCERTAIN_SENSOR_NOT_ACCURATE = 0x40930000
    UNCERTAIN_ENGINEERING_UNITS_EXCEEDED = 0x40940000
    BAD_INTERNAL_ERROR = 0x80020000
    BAD_COMMUNICATION_ERROR = 0x80050000
    BAD_TIMEOUT = 0x800A0000
    BAD_NO_COMMUNICATION = 0x80310000
    BAD_NODE_ID_UNKNOWN = 0x80340000
    BAD_OUT_OF_RANGE = 0x803C0000
    BAD_NOT_SUPPORTED = 0x803D0000
    BAD_CONFIGURATION_ERROR = 0x80890000
    BAD_DEVICE_FAILURE = 0x808B0000
    BAD_SENSOR_FAILURE = 0x808C0000
    BAD_OUT_OF_SERVICE = 0x808D0000
    BAD_NO_DATA = 0x809B0000


def is_good(status: int) -> bool:
    """Tell whether the severity of ``status`` is good."""
    return status >> 30 == 0


def is_bad(status: int) -> bool:
    """Tell whether the severity of ``status`` is bad: there is no value."""
    return status >> 30 >= 2


def name_of(status: int) -> str:
    """Name a status for a person: ``good``, ``bad-timeout``; unknown codes as ``0x80AB0000``."""
    try:
        return Quality(status).name.lower().replace("_", "-")
    except ValueError:
        return f"0x{status:08X}"
