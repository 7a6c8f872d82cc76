"""The devices of the pair: registers that differ between units, addresses and moments, and a station that suffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from hil.characters import Characters
from hil.faults import Fault
from hil.sim.modbus import RtuDevice
from hil.sim.registers import HOLDING, Held, Image
from hil.wire import Reply

SLOW: Final = 4
REGISTERS: Final = {1: 10, 2: 25, 3: 10, SLOW: 10}
"""Holding registers of each unit; ``generic/block-N`` is the profile."""
_SCALE: Final = Decimal("0.1")
_STEPS: Final = 600
_LONGEST: Final = 25


def image(unit: int) -> Image:
    """Give registers that move ten times a second and are equal nowhere at any one time."""

    def moves(base: int) -> Callable[[float], float]:
        return lambda t: float(_SCALE * (base + int(t * 10) % _STEPS))

    held = tuple(
        Held(
            name=f"quantity.{place + 1:02d}", table=HOLDING, address=place, type="u16", scale=_SCALE, unit="V",
            motion=moves(((unit - 1) * _LONGEST + place) * _STEPS),
        )
        for place in range(REGISTERS[unit])
    )  # fmt: skip
    return Image(
        model=f"generic/block-{REGISTERS[unit]}",
        held=held,
        spans=((HOLDING, 0, REGISTERS[unit] - 1),),
        source="made for the bench",
    )


class Unit(RtuDevice):
    """A station whose next replies can be told to suffer.

    Attributes:
        armed: faults of its next replies, in order.
    """

    def __init__(self, unit: int, settings: Characters) -> None:
        super().__init__(unit, image(unit), settings=settings, turnaround_ns=3_000_000)
        self.armed: list[Fault] = []

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        """Answer, with the fault that is its turn."""
        reply = super().hear(frame_, now_ns)
        if reply is None or not self.armed:
            return reply
        return replace(reply, fault=self.armed.pop(0))
