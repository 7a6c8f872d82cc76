"""Meters of a simulated site that speak no Modbus: by the name of their model, and what they hold at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, Protocol

from hil.characters import Characters
from hil.faults import Fault
from hil.sim import cjt188, dlt645, iec62056_21, mbus
from hil.sim.wall import Wall
from hil.wire import Station


class Shown(Protocol):
    """One number that a meter holds."""

    @property
    def name(self) -> str:
        """Its quantity."""
        ...

    def shown(self, t: float) -> str | None:
        """Give it as the display has it, None while the meter has none."""
        ...


class Device(Station, Protocol):
    """A device that a person can turn off, and that may have faults of its own."""

    alive: bool

    @property
    def heard(self) -> int:
        """Good requests addressed to it."""
        ...

    @property
    def rates(self) -> dict[Fault, float]:
        """Faults of its own; may be changed in place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """What every meter is told when it is put up.

    Attributes:
        seed: of its numbers.
        began_ns: when their own time is 0.
        rates: faults of its own.
        number: seed of their choice.
        wall: what its clock shows; None for a meter without one.
    """

    address: str
    seed: str
    began_ns: int
    turnaround_ns: int
    settings: Characters
    rates: Mapping[Fault, float]
    number: int
    wall: Wall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter and what it holds."""

    station: Device
    cells: tuple[Shown, ...]


def _dlt645(memory: Callable[[str], dlt645.Memory], *, later: bool, plate: Plate) -> Meter:
    held = memory(plate.seed)
    station = dlt645.Dlt645Meter(
        plate.address, held, later=later, began_ns=plate.began_ns, turnaround_ns=plate.turnaround_ns,
        settings=plate.settings, rates=plate.rates, seed=plate.number, wall=plate.wall,
    )  # fmt: skip
    return Meter(station=station, cells=_each_once(chain.from_iterable(held.values())))


def _cjt188(
    type_: int, cells: Callable[[str], tuple[cjt188.Cell, ...]], plate: Plate, *, valve: bool = False
) -> Meter:
    held = cells(plate.seed)
    station = cjt188.Cjt188Meter(
        plate.address, type_, held, began_ns=plate.began_ns, turnaround_ns=plate.turnaround_ns,
        settings=plate.settings, rates=plate.rates, seed=plate.number, wall=plate.wall, valve=valve,
    )  # fmt: skip
    return Meter(station=station, cells=held)


def _mbus(identity: bytes, telegrams: Callable[[str], list[list[mbus.Cell]]], plate: Plate) -> Meter:
    held = telegrams(plate.seed)
    station = mbus.MbusMeter(
        int(plate.address), identity, held, began_ns=plate.began_ns, turnaround_ns=plate.turnaround_ns,
        settings=plate.settings, rates=plate.rates, seed=plate.number, wall=plate.wall,
    )  # fmt: skip
    return Meter(station=station, cells=tuple(chain.from_iterable(held)))


def _iec(plate: Plate) -> Meter:
    held = iec62056_21.electricity(plate.seed)
    station = iec62056_21.IecMeter(
        held, address=plate.address, began_ns=plate.began_ns, turnaround_ns=plate.turnaround_ns,
        settings=plate.settings, rates=plate.rates, seed=plate.number, wall=plate.wall,
    )  # fmt: skip
    return Meter(station=station, cells=tuple(held))


def _each_once(cells: Iterable[dlt645.Cell]) -> tuple[Shown, ...]:
    """A cell stands in a block and alone."""
    return tuple({cell.name: cell for cell in cells}.values())


METERS: Final[Mapping[str, Callable[[Plate], Meter]]] = {
    "generic/dlt645-2007-single-phase": lambda plate: _dlt645(dlt645.single_phase, later=True, plate=plate),
    "generic/dlt645-2007-three-phase": lambda plate: _dlt645(dlt645.three_phases, later=True, plate=plate),
    "generic/dlt645-1997": lambda plate: _dlt645(dlt645.old, later=False, plate=plate),
    "generic/cjt188-water": lambda plate: _cjt188(0x10, cjt188.water, plate),
    "generic/cjt188-water-valve": lambda plate: _cjt188(0x10, cjt188.water, plate, valve=True),
    "generic/cjt188-gas": lambda plate: _cjt188(0x30, cjt188.gas, plate),
    "generic/cjt188-heat": lambda plate: _cjt188(0x20, cjt188.heat, plate),
    "generic/mbus-heat": lambda plate: _mbus(mbus.identity("06855817", "KAM", 8, 4), mbus.heat, plate),
    "generic/mbus-water": lambda plate: _mbus(mbus.identity("04990254", "EFE", 0, 6), mbus.water, plate),
    "generic/iec62056-readout": _iec,
}
"""Models, named as their profiles."""
