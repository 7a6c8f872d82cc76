"""Units that a point may carry: UCUM codes (ucum.org, case sensitive) from an allow-list."""

from __future__ import annotations

from typing import Final

UNITS: Final = frozenset(
    {
        "1", "%", "[pH]", "[ppm]", "[ppb]", "[ppth]", "{count}", "{dBm}", "/min", "/s", "/h",
        "V", "kV", "mV", "uV", "A", "mA", "kA", "W", "kW", "MW", "VA", "kVA", "V.A", "kV.A", "var", "kvar",
        "W.h", "kW.h", "MW.h", "VA.h", "kVA.h", "V.A.h", "kV.A.h", "var.h", "kvar.h", "Mvar.h",
        "J", "kJ", "MJ", "GJ", "Hz", "kHz", "Ohm", "kOhm", "Cel", "K", "deg", "rad",
        "m", "mm", "cm", "km", "m2", "m3", "L", "mL", "m3/h", "L/h", "L/min", "L/s", "m3/s", "m/s", "km/h", "mm/h",
        "mm/s", "g/kg",
        "kg", "g", "mg", "t", "kg/h", "Pa", "hPa", "kPa", "MPa", "bar", "mbar", "mm[Hg]",
        "lx", "klx", "W/m2", "umol/m2/s",
        "mg/L", "ug/L", "ug/m3", "mg/m3", "mg/kg", "g/L", "uS/cm", "mS/cm", "S/m", "[NTU]", "dB", "dB[SPL]", "dB(A)",
        "s", "ms", "us", "min", "h", "d", "mo", "a", "B", "kB", "kcal", "{step}", "kg/m3", "mol/L", "mmol/L", "bit/s",
    }
)  # fmt: skip


def is_known(unit: str) -> bool:
    """Tell whether ``unit`` is on the allow-list."""
    return unit in UNITS
