"""Short ways to write a register and what it means."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hil.sim.motion import Motion
from hil.sim.registers import INPUT, Held

TENTH, HUNDREDTH, THOUSANDTH = Decimal("0.1"), Decimal("0.01"), Decimal("0.001")
KWH: Final = 3_600_000.0  # watt seconds
DAY_S: Final = 86_400.0


def f32(name: str, address: int, motion: Motion, unit: str, table: int = INPUT, scale: Decimal = Decimal(1)) -> Held:
    """Hold an f32, high word first."""
    return Held(name=name, table=table, address=address, type="f32", motion=motion, unit=unit, scale=scale)


def whole(
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
    """Hold a whole number."""
    return Held(
        name=name, table=table, address=address, type=type_, motion=motion, unit=unit, scale=scale, words=words,
        writable=writable,
    )  # fmt: skip


def amperes(power: Motion, voltage: Motion) -> Motion:
    """Give the current of a power at a voltage."""
    return lambda t: power(t) / voltage(t)


def counter(integral: Motion, start_kwh: float) -> Motion:
    """Count in kW.h."""
    return lambda t: start_kwh + integral(t) / KWH


def summed(parts: list[Motion]) -> Motion:
    """Add some up."""
    return lambda t: sum(part(t) for part in parts)
