"""Modbus stations that suffer when they are told to; their registers differ at every moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from hil.characters import Characters
from hil.faults import Fault
from hil.sim.ascii import AsciiDevice
from hil.sim.modbus import RtuDevice
from hil.sim.registers import HOLDING, Held, Image
from hil.wire import Reply, Station

UNITS = (1, 2, 3)
BLOCKS = (0, 100)  # two reads of one length: their replies look alike
REGISTERS = 5


def image(unit: int, shift: int = 0) -> Image:
    """Registers that change ten times a second and are the same in no two units, addresses and moments."""

    def moves(base: int) -> Callable[[float], float]:
        return lambda t: float(base + int(t * 10) % 1200)

    held = tuple(
        Held(
            name=f"p{address}",
            table=HOLDING,
            address=address,
            type="u16",
            motion=moves((unit * 10 + place) * 1250 + shift),
        )
        for place, address in enumerate(start + offset for start in BLOCKS for offset in range(REGISTERS))
    )
    spans = tuple((HOLDING, start, start + REGISTERS - 1) for start in BLOCKS)
    return Image(model="matrix", held=held, spans=spans, source="made for the fault matrix")


class Suffering(Station, Protocol):
    """A station that can be made to suffer."""

    armed: list[Fault]
    other: Characters | None
    alive: bool


class Armed:
    """What makes a station suffer: told which of its replies, and to speak with other settings."""

    armed: list[Fault]
    other: Characters | None = None

    def damaged_reply(self, reply: Reply | None) -> Reply | None:
        """Give the reply with the fault that is its turn."""
        if reply is None or not self.armed:
            return reply
        return replace(reply, fault=self.armed.pop(0))


class Unit(RtuDevice, Armed):
    """A Modbus RTU station that suffers."""

    def __init__(self, unit: int, *, settings: Characters, turnaround_ns: int) -> None:
        super().__init__(unit, image(unit), settings=settings, turnaround_ns=turnaround_ns)
        self.armed = []

    @property
    def settings(self) -> Characters:
        return self.other or super().settings

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        return self.damaged_reply(super().hear(frame_, now_ns))


class AsciiUnit(AsciiDevice, Armed):
    """A Modbus ASCII station that suffers."""

    def __init__(self, unit: int, *, settings: Characters, turnaround_ns: int) -> None:
        super().__init__(unit, image(unit), settings=settings, turnaround_ns=turnaround_ns)
        self.armed = []

    @property
    def settings(self) -> Characters:
        return self.other or super().settings

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        return self.damaged_reply(super().hear(frame_, now_ns))
