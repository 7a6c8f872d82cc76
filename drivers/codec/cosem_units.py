"""Unit codes of COSEM (IEC 62056-6-2, table 4), which SML shares -> UCUM."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

COSEM_UNITS: Final = MappingProxyType({
    1: "a", 2: "mo", 4: "d", 5: "h", 6: "min", 7: "s", 8: "deg", 9: "Cel", 11: "m", 12: "m/s", 13: "m3", 14: "m3",
    15: "m3/h", 16: "m3/h", 19: "L", 20: "kg", 23: "Pa", 24: "bar", 25: "J", 26: "J/h", 27: "W", 28: "VA", 29: "var",
    30: "W.h", 31: "VA.h", 32: "var.h", 33: "A", 34: "C", 35: "V", 36: "V/m", 37: "F", 38: "Ohm", 40: "Wb", 41: "T",
    42: "A/m", 43: "H", 44: "Hz", 52: "K", 56: "%", 57: "A.h", 60: "W.h/m3", 61: "J/m3", 70: "dB[mW]", 71: "dB[uV]",
    72: "dB",
})  # fmt: skip
"""14 and 16 are volumes and flows corrected for temperature and pressure."""

COUNT: Final = 255
"""No unit: a number."""


def ucum(code: int | None) -> str | None:
    """Give the UCUM code; None for a number without unit and for what is not in the table."""
    return None if code is None else COSEM_UNITS.get(code)


def unit_of(code: int | None) -> str | None:
    """Give the UCUM code of a measured value, None for a bare number.

    What is not in the table gets a name that is no UCUM code, so that its numbers pass for no known unit.
    """
    return None if code in (None, COUNT) else COSEM_UNITS.get(code or 0, f"COSEM unit {code}")
