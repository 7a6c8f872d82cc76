"""What real devices hold: addresses, types and scales from collected facts and captured frames, values that move.

The names are those a technician sees; everything else comes from the sources named in each image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from hil.sim.motion import Motion, load, steps, still, wander
from hil.sim.registers import COILS, DISCRETE_INPUTS, HOLDING, INPUT, Held, Image

_DAY: Final = 86_400.0
_TENTH, _HUNDREDTH, _THOUSANDTH = Decimal("0.1"), Decimal("0.01"), Decimal("0.001")
_KWH: Final = 3_600_000.0  # watt seconds


def freeze(image: Image, values: Mapping[str, float]) -> Image:
    """Give the image with the named quantities standing still."""
    held = tuple(replace(one, motion=still(values[one.name])) if one.name in values else one for one in image.held)
    return replace(image, held=held, written={})


def image_of(model: str, seed: str) -> Image:
    """Give the image of a model; ``generic/block-N`` are N holding registers made for benches."""
    if model in IMAGES:
        return IMAGES[model](seed)
    return block(int(model.removeprefix("generic/block-")), seed)


def block(registers: int, seed: str) -> Image:
    """N holding registers of 16 bits that each wander by themselves: no real device."""
    held = tuple(
        Held(
            name=f"quantity.{number + 1:02d}", table=HOLDING, address=number, type="u16", scale=_TENTH, unit="V",
            motion=wander(f"{seed}:{number}", 2000 + 10 * number, 500, 60),
        )
        for number in range(registers)
    )  # fmt: skip
    return Image(
        model=f"generic/block-{registers}", held=held, spans=((HOLDING, 0, registers - 1),), source="made for benches"
    )


def strict(image: Image) -> Image:
    """Give the image of a firmware that refuses every read touching an undefined address (exception 2)."""
    places = sorted({(one.table, one.address + offset) for one in image.held for offset in range(one.count)})
    spans: list[tuple[int, int, int]] = []
    for table, address in places:
        if spans and spans[-1][0] == table and spans[-1][2] == address - 1:
            spans[-1] = (table, spans[-1][1], address)
        else:
            spans.append((table, address, address))
    return replace(image, spans=tuple(spans), written={})


def sdm120(seed: str) -> Image:
    """Eastron SDM120-Modbus, one phase: f32, high word first, input registers."""
    voltage = wander(f"{seed}:u", 230.2, 4, 900)
    power, energy = load(f"{seed}:p", 640, 0.7, 600)
    return Image(
        model="eastron/sdm120",
        source="volkszaehler/mbmd, esphome sdm_meter; 230.2 V from a published frame (Tasmota energy drivers)",
        spans=((INPUT, 0, 79), (INPUT, 342, 345)),
        held=(
            _f32("voltage", 0, voltage, "V"),
            _f32("current", 6, lambda t: power(t) / voltage(t) / 0.95, "A"),
            _f32("power.active", 12, power, "W"),
            _f32("power.apparent", 18, lambda t: power(t) / 0.95, "V.A"),
            _f32("power.reactive", 24, lambda t: power(t) * 0.3287, "var"),
            _f32("power.factor", 30, still(0.95), "1"),
            _f32("frequency", 70, wander(f"{seed}:f", 50, 0.04, 120), "Hz"),
            _f32("energy.active.import", 72, lambda t: 1234.5 + energy(t) / _KWH, "kW.h"),
            _f32("energy.active.export", 74, still(0.75), "kW.h"),
            _f32("energy.reactive.import", 76, lambda t: 201.25 + 0.3287 * energy(t) / _KWH, "kvar.h"),
            _f32("energy.reactive.export", 78, still(0), "kvar.h"),
            _f32("energy.active.total", 342, lambda t: 1235.25 + energy(t) / _KWH, "kW.h"),
            _f32("energy.reactive.total", 344, lambda t: 201.25 + 0.3287 * energy(t) / _KWH, "kvar.h"),
        ),
    )


def sdm630(seed: str) -> Image:
    """Eastron SDM630-Modbus V2, three phases: f32, high word first, input registers."""
    held: list[Held] = []
    phases = [load(f"{seed}:p{n}", 2100 + 400 * n, 0.6, 700 + 90 * n) for n in (1, 2, 3)]
    volts = [wander(f"{seed}:u{n}", 229.5 + n, 3, 800) for n in (1, 2, 3)]
    for n, ((power, energy), voltage) in enumerate(zip(phases, volts, strict=True), 1):
        step = 2 * (n - 1)
        held += [
            _f32(f"voltage.l{n}", 0 + step, voltage, "V"),
            _f32(f"current.l{n}", 6 + step, _ratio(power, voltage), "A"),
            _f32(f"power.active.l{n}", 12 + step, power, "W"),
            _f32(f"power.apparent.l{n}", 18 + step, power, "V.A"),
            _f32(f"power.reactive.l{n}", 24 + step, still(0), "var"),
            _f32(f"power.factor.l{n}", 30 + step, still(1), "1"),
            _f32(f"energy.active.import.l{n}", 346 + step, _energy(energy, 800.0 * n), "kW.h"),
            _f32(f"energy.active.export.l{n}", 352 + step, still(0), "kW.h"),
        ]
    power, energy = _total([one for one, _ in phases]), _total([one for _, one in phases])
    held += [
        _f32("power.active", 52, power, "W"),
        _f32("power.apparent", 56, power, "V.A"),
        _f32("power.reactive", 60, still(0), "var"),
        _f32("power.factor", 62, still(1), "1"),
        _f32("frequency", 70, wander(f"{seed}:f", 50, 0.04, 120), "Hz"),
        _f32("energy.active.import", 72, _energy(energy, 4800.0), "kW.h"),
        _f32("energy.active.export", 74, still(0), "kW.h"),
        _f32("energy.reactive.import", 76, still(12.5), "kvar.h"),
        _f32("energy.reactive.export", 78, still(3.25), "kvar.h"),
        _f32("current.neutral", 224, wander(f"{seed}:n", 1.2, 0.4, 300), "A"),
        _f32("voltage.thd", 248, wander(f"{seed}:thd", 2.1, 0.5, 300), "%"),
        _f32("energy.active.total", 342, _energy(energy, 4800.0), "kW.h"),
    ]
    return Image(
        model="eastron/sdm630",
        source="volkszaehler/mbmd sdm.go, OpenEMS MeterEastronSdm630Impl, esphome sdm_meter_registers",
        spans=((INPUT, 0, 79), (INPUT, 224, 225), (INPUT, 248, 249), (INPUT, 342, 357)),
        held=tuple(held),
    )


def pzem_004t(seed: str) -> Image:
    """Peacefair PZEM-004T v3: integers, low word first, input registers; any-address F8."""
    voltage = wander(f"{seed}:u", 225.7, 5, 700)
    power, energy = load(f"{seed}:p", 310, 0.8, 240)
    return Image(
        model="peacefair/pzem-004t",
        source="mandulaj/PZEM-004T-v30; captured frame in esphome pzemac (225.7 V, 0.108 A, 24.4 W, 38 W.h, 50 Hz)",
        spans=((INPUT, 0, 9), (HOLDING, 1, 2)),
        any_unit=0xF8,
        held=(
            _whole("voltage", INPUT, 0, voltage, "V", scale=_TENTH),
            _whole("current", INPUT, 1, _ratio(power, voltage), "A", "u32", _THOUSANDTH, words="little"),
            _whole("power.active", INPUT, 3, power, "W", "u32", _TENTH, words="little"),
            _whole(
                "energy.active.import", INPUT, 5, lambda t: 58_000 + energy(t) / 3600, "W.h", "u32", words="little"
            ),
            _whole("frequency", INPUT, 7, wander(f"{seed}:f", 50, 0.1, 90), "Hz", scale=_TENTH),
            _whole("power.factor", INPUT, 8, wander(f"{seed}:pf", 0.97, 0.02, 300), "1", scale=_HUNDREDTH),
            _whole("alarm", INPUT, 9, still(0), None),
            _whole("alarm.threshold", HOLDING, 1, still(23_000), "W", writable=True),
            _whole("unit.address", HOLDING, 2, still(1), None, writable=True),
        ),
    )


def xy_md02(seed: str) -> Image:
    """XY-MD02 (SHT20), air temperature and humidity: tenths, input registers 1 and 2."""
    return Image(
        model="generic/xy-md02",
        source="e-tinkers/Modbus-RTU SHT20 README, hardware-verified capture (30.5 Cel, 54.6 %)",
        spans=((INPUT, 1, 2), (HOLDING, 257, 260)),
        held=(
            _whole("temperature", INPUT, 1, wander(f"{seed}:t", 24.5, 2.5, 1200), "Cel", "s16", _TENTH),
            _whole("humidity", INPUT, 2, wander(f"{seed}:h", 54.6, 6, 1500), "%", scale=_TENTH),
            _whole("unit.address", HOLDING, 257, still(1), None, writable=True),
            _whole("baud", HOLDING, 258, still(9600), None, writable=True),
            _whole("temperature.offset", HOLDING, 259, still(0), "Cel", "s16", _TENTH, writable=True),
            _whole("humidity.offset", HOLDING, 260, still(0), "%", "s16", _TENTH, writable=True),
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
            _whole("soil.moisture", HOLDING, 0, wander(f"{seed}:m", 41, 9, _DAY), "%", scale=_TENTH),
            _whole("soil.temperature", HOLDING, 1, wander(f"{seed}:t", 1.5, 4, 600), "Cel", "s16", _TENTH),
            _whole("soil.conductivity", HOLDING, 2, wander(f"{seed}:c", 1000, 200, 1800), "uS/cm"),
            _whole("soil.ph", HOLDING, 3, wander(f"{seed}:ph", 5.6, 0.3, 3600), "[pH]", scale=_TENTH),
            _whole("soil.salinity", HOLDING, 7, wander(f"{seed}:s", 550, 60, 1800), "mg/L"),
            _whole("soil.tds", HOLDING, 8, wander(f"{seed}:d", 500, 60, 1800), "mg/L"),
            _whole("conductivity.temperature_coefficient", HOLDING, 34, still(0), "%", scale=_TENTH, writable=True),
            _whole("temperature.calibration", HOLDING, 80, still(0), "Cel", "s16", _TENTH, writable=True),
            _whole("moisture.calibration", HOLDING, 81, still(0), "%", "s16", _TENTH, writable=True),
            _whole("conductivity.calibration", HOLDING, 82, still(0), "uS/cm", "s16", writable=True),
            _whole("ph.calibration", HOLDING, 83, still(0), "[pH]", "s16", _TENTH, writable=True),
            _whole("unit.address", HOLDING, 2000, still(1), None, writable=True),
            _whole("baud.code", HOLDING, 2001, still(2), None, writable=True),
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
            _whole("status", INPUT, 0, still(0), None),
            _whole("co2", INPUT, 3, wander(f"{seed}:c", 620, 180, 900), "[ppm]", "s16"),
            _whole("abc.period", HOLDING, 31, still(180), "h", writable=True),
        ),
    )


def dtsu666(seed: str) -> Image:
    """CHINT DTSU666, three phases: f32 with a decimal shift (2300.0 is 230.0 V), holding registers, primary side."""
    held: list[Held] = []
    phases = [load(f"{seed}:p{n}", 1500 + 300 * n, 0.5, 500 + 70 * n) for n in (1, 2, 3)]
    volts = [wander(f"{seed}:u{n}", 229.0 + n, 3, 800) for n in (1, 2, 3)]
    for n, ((power, energy), voltage) in enumerate(zip(phases, volts, strict=True), 1):
        step = 2 * (n - 1)
        held += [
            _f32(f"voltage.l{n}", 8198 + step, voltage, "V", HOLDING, _TENTH),
            _f32(f"current.l{n}", 8204 + step, _ratio(power, voltage), "A", HOLDING, _THOUSANDTH),
            _f32(f"power.active.l{n}", 8212 + step, power, "W", HOLDING, _TENTH),
            _f32(f"power.reactive.l{n}", 8220 + step, still(12.5), "var", HOLDING, _TENTH),
            _f32(f"power.factor.l{n}", 8236 + step, still(0.995), "1", HOLDING, _THOUSANDTH),
            _f32(f"energy.active.import.l{n}", 4128 + step, _energy(energy, 300.0 * n), "kW.h", HOLDING),
            _f32(f"energy.active.export.l{n}", 4138 + step, still(0), "kW.h", HOLDING),
        ]
    power, energy = _total([one for one, _ in phases]), _total([one for _, one in phases])
    held += [
        _f32("power.active", 8210, power, "W", HOLDING, _TENTH),
        _f32("power.reactive", 8218, still(37.5), "var", HOLDING, _TENTH),
        _f32("power.factor", 8234, still(0.995), "1", HOLDING, _THOUSANDTH),
        _f32("frequency", 8260, wander(f"{seed}:f", 50, 0.04, 120), "Hz", HOLDING, _HUNDREDTH),
        _f32("energy.active.import", 4126, _energy(energy, 1800.0), "kW.h", HOLDING),
        _f32("energy.active.export", 4136, still(0), "kW.h", HOLDING),
        _f32("energy.active.import.secondary", 16414, _energy(energy, 1800.0), "kW.h", HOLDING),
        _f32("energy.active.export.secondary", 16424, still(0), "kW.h", HOLDING),
        _whole("ct.ratio", HOLDING, 6, still(1), None, "s16", writable=True),
        _whole("pt.ratio", HOLDING, 7, still(1), None, "s16", _TENTH, writable=True),
        _whole("protocol", HOLDING, 44, still(2), None, "s16", writable=True),
        _whole("unit.address", HOLDING, 45, still(1), None, "s16", writable=True),
        _whole("baud.code", HOLDING, 46, still(3), None, "s16", writable=True),
    ]
    return Image(
        model="chint/dtsu666",
        source="volkszaehler/mbmd dtsu666.go; CHINT quick operation manual; codes in 44 and 46 are assumed",
        spans=((HOLDING, 0, 46), (HOLDING, 4126, 4143), (HOLDING, 8198, 8261), (HOLDING, 16414, 16425)),
        held=tuple(held),
    )


def relay_8ch(seed: str) -> Image:
    """Eight relays as coils and eight inputs, as on the usual relay boards (functions 1, 2, 5, 15)."""
    relays = [
        Held(name=f"relay.{n}", table=COILS, address=n - 1, type="bit", motion=still(0), writable=True)
        for n in range(1, 9)
    ]
    inputs = [
        Held(
            name=f"input.{n}", table=DISCRETE_INPUTS, address=n - 1, type="bit", motion=steps(f"{seed}:{n}", 0.3, 20)
        )
        for n in range(1, 9)
    ]
    return Image(
        model="waveshare/relay-8ch",
        source="Waveshare Modbus RTU Relay 8CH map, vectors of coils 0 to 7",
        spans=((COILS, 0, 7), (DISCRETE_INPUTS, 0, 7)),
        held=(*relays, *inputs),
    )


IMAGES: Final[Mapping[str, Callable[[str], Image]]] = {
    "eastron/sdm120": sdm120,
    "eastron/sdm630": sdm630,
    "peacefair/pzem-004t": pzem_004t,
    "generic/xy-md02": xy_md02,
    "renke/soil-4in1": soil_4in1,
    "senseair/s8": senseair_s8,
    "chint/dtsu666": dtsu666,
    "waveshare/relay-8ch": relay_8ch,
}
"""Every simulated model by its name; the argument seeds its motion."""


def _f32(name: str, address: int, motion: Motion, unit: str, table: int = INPUT, scale: Decimal = Decimal(1)) -> Held:
    return Held(name=name, table=table, address=address, type="f32", motion=motion, unit=unit, scale=scale)


def _whole(
    name: str,
    table: int,
    address: int,
    motion: Motion,
    unit: str | None,
    type_: str = "u16",
    scale: Decimal = Decimal(1),
    *,
    words: str = "big",
    writable: bool = False,
) -> Held:
    return Held(
        name=name, table=table, address=address, type=type_, motion=motion, unit=unit, scale=scale, words=words,
        writable=writable,
    )  # fmt: skip


def _ratio(power: Motion, voltage: Motion) -> Motion:
    return lambda t: power(t) / voltage(t)


def _energy(integral: Motion, start_kwh: float) -> Motion:
    return lambda t: start_kwh + integral(t) / _KWH


def _total(parts: list[Motion]) -> Motion:
    return lambda t: sum(part(t) for part in parts)
