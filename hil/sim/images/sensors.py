"""Sensors of air and soil whose maps are known to the last register."""

from __future__ import annotations

from hil.sim.images.shapes import DAY_S, TENTH, whole
from hil.sim.motion import still, wander
from hil.sim.registers import HOLDING, INPUT, Image


def xy_md02(seed: str) -> Image:
    """XY-MD02 (SHT20), air temperature and humidity: tenths, input registers 1 and 2."""
    return Image(
        model="generic/xy-md02",
        source="e-tinkers/Modbus-RTU SHT20 README, hardware-verified capture (30.5 Cel, 54.6 %)",
        spans=((INPUT, 1, 2), (HOLDING, 257, 260)),
        held=(
            whole("temperature", INPUT, 1, wander(f"{seed}:t", 24.5, 2.5, 1200), "Cel", "s16", TENTH),
            whole("humidity", INPUT, 2, wander(f"{seed}:h", 54.6, 6, 1500), "%", scale=TENTH),
            whole("unit.address", HOLDING, 257, still(1), None, writable=True),
            whole("baud", HOLDING, 258, still(9600), None, writable=True),
            whole("temperature.offset", HOLDING, 259, still(0), "Cel", "s16", TENTH, writable=True),
            whole("humidity.offset", HOLDING, 260, still(0), "%", "s16", TENTH, writable=True),
        ),
    )


def soil_4in1(seed: str) -> Image:
    """Renke SN-3001-TR, DFRobot SEN0604: moisture, temperature, conductivity, pH in holding registers.

    Whether the real probe answers a read across the undefined registers 4 to 6 is not known; this one refuses it.
    """
    return Image(
        model="renke/soil-4in1",
        source="DFRobot wiki SEN0604 document 20297; manual example (65.8 %, -10.1 Cel, 1000 uS/cm, pH 5.6)",
        spans=((HOLDING, 0, 3), (HOLDING, 7, 8), (HOLDING, 34, 34), (HOLDING, 80, 83), (HOLDING, 2000, 2001)),
        held=(
            whole("soil.moisture", HOLDING, 0, wander(f"{seed}:m", 41, 9, DAY_S), "%", scale=TENTH),
            whole("soil.temperature", HOLDING, 1, wander(f"{seed}:t", 1.5, 4, 600), "Cel", "s16", TENTH),
            whole("soil.conductivity", HOLDING, 2, wander(f"{seed}:c", 1000, 200, 1800), "uS/cm"),
            whole("soil.ph", HOLDING, 3, wander(f"{seed}:ph", 5.6, 0.3, 3600), "[pH]", scale=TENTH),
            whole("soil.salinity", HOLDING, 7, wander(f"{seed}:s", 550, 60, 1800), "mg/L"),
            whole("soil.tds", HOLDING, 8, wander(f"{seed}:d", 500, 60, 1800), "mg/L"),
            whole("conductivity.temperature_coefficient", HOLDING, 34, still(0), "%", scale=TENTH, writable=True),
            whole("temperature.calibration", HOLDING, 80, still(0), "Cel", "s16", TENTH, writable=True),
            whole("moisture.calibration", HOLDING, 81, still(0), "%", "s16", TENTH, writable=True),
            whole("conductivity.calibration", HOLDING, 82, still(0), "uS/cm", "s16", writable=True),
            whole("ph.calibration", HOLDING, 83, still(0), "[pH]", "s16", TENTH, writable=True),
            whole("unit.address", HOLDING, 2000, still(1), None, writable=True),
            whole("baud.code", HOLDING, 2001, still(2), None, writable=True),
        ),
    )


def senseair_s8(seed: str) -> Image:
    """Senseair S8, CO2: one input register; any-address FE."""
    return Image(
        model="senseair/s8",
        source="Senseair S8 Modbus manual example (400 ppm); esphome senseair",
        spans=((INPUT, 0, 3), (HOLDING, 31, 31)),
        any_unit=0xFE,
        held=(
            whole("status", INPUT, 0, still(0), None),
            whole("co2", INPUT, 3, wander(f"{seed}:c", 620, 180, 900), "[ppm]", "s16"),
            whole("abc.period", HOLDING, 31, still(180), "h", writable=True),
        ),
    )
