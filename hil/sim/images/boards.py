"""Boards with relays and inputs, and the registers made for benches."""

from __future__ import annotations

from dataclasses import replace

from hil.sim.images.shapes import HUNDREDTH, TENTH
from hil.sim.motion import Motion, steps, still, wander
from hil.sim.registers import COILS, DISCRETE_INPUTS, HOLDING, Held, Image


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


def block(registers: int, seed: str) -> Image:
    """N holding registers of 16 bits that each wander by themselves: no real device."""
    held = tuple(
        Held(
            name=f"quantity.{number + 1:02d}", table=HOLDING, address=number, type="u16", scale=TENTH, unit="V",
            motion=wander(f"{seed}:{number}", 2000 + 10 * number, 500, 60),
        )
        for number in range(registers)
    )  # fmt: skip
    return Image(
        model=f"generic/block-{registers}", held=held, spans=((HOLDING, 0, registers - 1),), source="made for benches"
    )


def block_98(seed: str) -> Image:
    """98 quantities in 100 holding registers: two counters, then 96 registers that wander. No real device."""
    counters = tuple(
        Held(
            name=f"energy.active.{way}", table=HOLDING, address=address, type="u32", scale=HUNDREDTH, unit="kW.h",
            motion=_rising(float(start)),
        )
        for way, address, start in (("import", 0, 1200), ("export", 2, 40))
    )  # fmt: skip
    rest = tuple(replace(one, address=one.address + 4) for one in block(96, seed).held)
    return Image(
        model="generic/block-98", held=(*counters, *rest), spans=((HOLDING, 0, 99),), source="made for benches"
    )


def _rising(start: float) -> Motion:
    return lambda t: start + t / 600
