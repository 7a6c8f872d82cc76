"""Meters whose quantities hang together: power, current and energy of one load."""

from __future__ import annotations

from hil.sim.images.shapes import HUNDREDTH, KWH, TENTH, THOUSANDTH, amperes, counter, f32, summed, whole
from hil.sim.motion import load, still, wander
from hil.sim.registers import HOLDING, INPUT, Held, Image


def sdm120(seed: str) -> Image:
    """Eastron SDM120-Modbus, one phase: f32, high word first, input registers."""
    voltage = wander(f"{seed}:u", 230.2, 4, 900)
    power, energy = load(f"{seed}:p", 640, 0.7, 600)
    return Image(
        model="eastron/sdm120",
        source="volkszaehler/mbmd, esphome sdm_meter; 230.2 V from a published frame (Tasmota energy drivers)",
        spans=((INPUT, 0, 79), (INPUT, 342, 345)),
        held=(
            f32("voltage", 0, voltage, "V"),
            f32("current", 6, lambda t: power(t) / voltage(t) / 0.95, "A"),
            f32("power.active", 12, power, "W"),
            f32("power.apparent", 18, lambda t: power(t) / 0.95, "V.A"),
            f32("power.reactive", 24, lambda t: power(t) * 0.3287, "var"),
            f32("power.factor", 30, still(0.95), "1"),
            f32("frequency", 70, wander(f"{seed}:f", 50, 0.04, 120), "Hz"),
            f32("energy.active.import", 72, lambda t: 1234.5 + energy(t) / KWH, "kW.h"),
            f32("energy.active.export", 74, still(0.75), "kW.h"),
            f32("energy.reactive.import", 76, lambda t: 201.25 + 0.3287 * energy(t) / KWH, "kvar.h"),
            f32("energy.reactive.export", 78, still(0), "kvar.h"),
            f32("energy.active.total", 342, lambda t: 1235.25 + energy(t) / KWH, "kW.h"),
            f32("energy.reactive.total", 344, lambda t: 201.25 + 0.3287 * energy(t) / KWH, "kvar.h"),
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
            f32(f"voltage.l{n}", 0 + step, voltage, "V"),
            f32(f"current.l{n}", 6 + step, amperes(power, voltage), "A"),
            f32(f"power.active.l{n}", 12 + step, power, "W"),
            f32(f"power.apparent.l{n}", 18 + step, power, "V.A"),
            f32(f"power.reactive.l{n}", 24 + step, still(0), "var"),
            f32(f"power.factor.l{n}", 30 + step, still(1), "1"),
            f32(f"energy.active.import.l{n}", 346 + step, counter(energy, 800.0 * n), "kW.h"),
            f32(f"energy.active.export.l{n}", 352 + step, still(0), "kW.h"),
        ]
    power, energy = summed([one for one, _ in phases]), summed([one for _, one in phases])
    held += [
        f32("power.active", 52, power, "W"),
        f32("power.apparent", 56, power, "V.A"),
        f32("power.reactive", 60, still(0), "var"),
        f32("power.factor", 62, still(1), "1"),
        f32("frequency", 70, wander(f"{seed}:f", 50, 0.04, 120), "Hz"),
        f32("energy.active.import", 72, counter(energy, 4800.0), "kW.h"),
        f32("energy.active.export", 74, still(0), "kW.h"),
        f32("energy.reactive.import", 76, still(12.5), "kvar.h"),
        f32("energy.reactive.export", 78, still(3.25), "kvar.h"),
        f32("current.neutral", 224, wander(f"{seed}:n", 1.2, 0.4, 300), "A"),
        f32("voltage.thd", 248, wander(f"{seed}:thd", 2.1, 0.5, 300), "%"),
        f32("energy.active.total", 342, counter(energy, 4800.0), "kW.h"),
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
            whole("voltage", INPUT, 0, voltage, "V", scale=TENTH),
            whole("current", INPUT, 1, amperes(power, voltage), "A", "u32", THOUSANDTH, words="little"),
            whole("power.active", INPUT, 3, power, "W", "u32", TENTH, words="little"),
            whole(
                "energy.active.import", INPUT, 5, lambda t: 58_000 + energy(t) / 3600, "W.h", "u32", words="little"
            ),
            whole("frequency", INPUT, 7, wander(f"{seed}:f", 50, 0.1, 90), "Hz", scale=TENTH),
            whole("power.factor", INPUT, 8, wander(f"{seed}:pf", 0.97, 0.02, 300), "1", scale=HUNDREDTH),
            whole("alarm", INPUT, 9, still(0), None),
            whole("alarm.threshold", HOLDING, 1, still(23_000), "W", writable=True),
            whole("unit.address", HOLDING, 2, still(1), None, writable=True),
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
            f32(f"voltage.l{n}", 8198 + step, voltage, "V", HOLDING, TENTH),
            f32(f"current.l{n}", 8204 + step, amperes(power, voltage), "A", HOLDING, THOUSANDTH),
            f32(f"power.active.l{n}", 8212 + step, power, "W", HOLDING, TENTH),
            f32(f"power.reactive.l{n}", 8220 + step, still(12.5), "var", HOLDING, TENTH),
            f32(f"power.factor.l{n}", 8236 + step, still(0.995), "1", HOLDING, THOUSANDTH),
            f32(f"energy.active.import.l{n}", 4128 + step, counter(energy, 300.0 * n), "kW.h", HOLDING),
            f32(f"energy.active.export.l{n}", 4138 + step, still(0), "kW.h", HOLDING),
        ]
    power, energy = summed([one for one, _ in phases]), summed([one for _, one in phases])
    held += [
        f32("power.active", 8210, power, "W", HOLDING, TENTH),
        f32("power.reactive", 8218, still(37.5), "var", HOLDING, TENTH),
        f32("power.factor", 8234, still(0.995), "1", HOLDING, THOUSANDTH),
        f32("frequency", 8260, wander(f"{seed}:f", 50, 0.04, 120), "Hz", HOLDING, HUNDREDTH),
        f32("energy.active.import", 4126, counter(energy, 1800.0), "kW.h", HOLDING),
        f32("energy.active.export", 4136, still(0), "kW.h", HOLDING),
        f32("energy.active.import.secondary", 16414, counter(energy, 1800.0), "kW.h", HOLDING),
        f32("energy.active.export.secondary", 16424, still(0), "kW.h", HOLDING),
        whole("ct.ratio", HOLDING, 6, still(1), None, "s16", writable=True),
        whole("pt.ratio", HOLDING, 7, still(1), None, "s16", TENTH, writable=True),
        whole("protocol", HOLDING, 44, still(2), None, "s16", writable=True),
        whole("unit.address", HOLDING, 45, still(1), None, "s16", writable=True),
        whole("baud.code", HOLDING, 46, still(3), None, "s16", writable=True),
    ]
    return Image(
        model="chint/dtsu666",
        source="volkszaehler/mbmd dtsu666.go; CHINT quick operation manual; codes in 44 and 46 are assumed",
        spans=((HOLDING, 0, 46), (HOLDING, 4126, 4143), (HOLDING, 8198, 8261), (HOLDING, 16414, 16425)),
        held=tuple(held),
    )
