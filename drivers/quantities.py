"""Quantity names -> the UCUM unit that they are usually given in.

A register layout that comes with a captured frame (``context.points`` of ``tidegate decode``) names quantities and
scales, seldom units; the scale leads to the unit of this list. A unit that is stated wins; profiles state theirs.
"""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(r"[._](l[123]|l[123]{2}|n|neutral|ab|bc|ca|total|avg|mean|min|max|\d+)$")

USUAL_UNITS: Final = {
    "air_humidity": "%",
    "air_pressure": "kPa",
    "air_temperature": "Cel",
    "co": "[ppm]",
    "co2": "[ppm]",
    "conductivity": "uS/cm",
    "current": "A",
    "dew_point": "Cel",
    "distance": "mm",
    "do": "mg/L",
    "do_saturation": "%",
    "external_temperature": "Cel",
    "frequency": "Hz",
    "gas_concentration": "1",  # unit and decimal point are set at the detector's head
    "humidity": "%",
    "illuminance": "lx",
    "irradiance": "W/m2",
    "level": "m",
    "nitrogen": "mg/kg",
    "output_current": "A",
    "output_frequency": "Hz",
    "ph": "[pH]",
    "phase_angle": "deg",
    "phosphorus": "mg/kg",
    "potassium": "mg/kg",
    "power": "W",
    "power_active": "W",
    "power_apparent": "VA",
    "power_factor": "1",
    "power_reactive": "var",
    "soil_moisture": "%",
    "soil_temperature": "Cel",
    "specific_conductivity": "uS/cm",
    "temperature": "Cel",
    "tilt": "deg",
    "voltage": "V",
    "wind_direction": "deg",
    "wind_speed": "m/s",
}


def usual_unit(quantity: str) -> str | None:
    """Give the usual unit of ``quantity``, a phase or number at its end aside; None if none is listed."""
    name = quantity.lower()
    while name not in USUAL_UNITS and (part := _PART.search(name)):
        name = name[: part.start()]
    return USUAL_UNITS.get(name)
