"""Units of one kind into each other, exactly: what a device says in W.h a profile may promise in kW.h."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Final

_SIZES: Final[dict[str, dict[str, str]]] = {
    "energy": {"W.h": "3600", "kW.h": "3.6E6", "MW.h": "3.6E9", "J": "1", "kJ": "1000", "MJ": "1E6", "GJ": "1E9"},
    "power": {"W": "1", "kW": "1000", "MW": "1E6"},
    "reactive power": {"var": "1", "kvar": "1000"},
    "apparent power": {"VA": "1", "V.A": "1", "kVA": "1000", "kV.A": "1000"},
    "reactive energy": {"var.h": "1", "kvar.h": "1000", "Mvar.h": "1E6"},
    "apparent energy": {"VA.h": "1", "V.A.h": "1", "kVA.h": "1000", "kV.A.h": "1000"},
    "voltage": {"uV": "1E-6", "mV": "1E-3", "V": "1", "kV": "1000"},
    "current": {"mA": "1E-3", "A": "1", "kA": "1000"},
    "volume": {"mL": "1E-6", "L": "1E-3", "m3": "1"},
    "flow": {"L/h": "1", "m3/h": "1000", "L/min": "60", "L/s": "3600", "m3/s": "3600000"},
    "mass": {"mg": "1E-6", "g": "1E-3", "kg": "1", "t": "1000"},
    "pressure": {"Pa": "1", "hPa": "100", "mbar": "100", "kPa": "1000", "bar": "100000", "MPa": "1E6"},
    "frequency": {"Hz": "1", "kHz": "1000"},
    "length": {"mm": "1E-3", "cm": "1E-2", "m": "1", "km": "1000"},
    "time": {"us": "1E-6", "ms": "1E-3", "s": "1", "min": "60", "h": "3600", "d": "86400"},
    "concentration": {"ug/L": "1E-3", "mg/L": "1", "g/L": "1000"},
    "density in air": {"ug/m3": "1E-3", "mg/m3": "1"},
    "conductivity": {"uS/cm": "1", "mS/cm": "1000"},
}
"""Kind of quantity -> unit -> its size in one unit of that kind."""


@cache
def factor(unit: str | None, wanted: str | None) -> tuple[int, int] | None:
    """Give by what a number in ``unit`` is multiplied and divided to be in ``wanted``; None if it cannot be.

    Watt hours into joules and back are exact as a fraction; nothing is rounded here.
    """
    if unit == wanted:
        return 1, 1
    for sizes in _SIZES.values():
        if unit in sizes and wanted in sizes:
            ratio = Fraction(sizes[unit]) / Fraction(sizes[wanted])
            return ratio.numerator, ratio.denominator
    return None
