"""One device of a simulated site where it stands, whatever it speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from hil.sim.images import image_of
from hil.sim.meters import METERS, Device, Plate
from hil.sim.modbus import RtuDevice
from hil.sim.placed import Placed, PlacedLine
from hil.sim.wall import Wall

_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One device where it stands.

    Attributes:
        line: name of its line.
        source: where the facts of it come from; empty for meters, which follow their standard.
        places: what ``site.json`` says of each number that it holds.
        shows: every number at a time in seconds, as the display has it.
    """

    placed: Placed
    line: PlacedLine
    station: Device
    source: str
    places: tuple[dict[str, Any], ...]
    shows: Callable[[float], dict[str, str]]

    @property
    def key(self) -> str:
        """Its unit, or the name of a meter, which has none."""
        return str(self.placed.unit) if self.placed.unit else self.placed.name

    def described(self) -> dict[str, Any]:
        """Give it as ``site.json`` holds it."""
        return {
            "name": self.placed.name,
            "line": self.line.name,
            "settings": asdict(self.station.settings),
            "unit": self.placed.unit,
            "address": self.placed.address,
            "profile": self.placed.model,
            "behaviour": self.placed.behaviour,
            "source": self.source,
            "values": list(self.places),
        }


def stand(placed: Placed, line: PlacedLine, *, began_ns: int, seed: int, wall: Wall | None = None) -> Standing:
    """Put a device up; its own time is 0 at ``began_ns``, and a meter's clock shows ``wall``."""
    is_meter = placed.model in METERS
    standing = _meter(placed, line, began_ns, seed, wall) if is_meter else _modbus(placed, line, began_ns, seed)
    standing.station.alive = placed.alive
    return standing


def _modbus(placed: Placed, line: PlacedLine, began_ns: int, seed: int) -> Standing:
    image = image_of(placed.model, f"{seed}:{placed.unit}")
    station = RtuDevice(
        placed.unit,
        image,
        began_ns=began_ns,
        turnaround_ns=placed.turnaround_ms * _MS,
        settings=placed.settings or line.settings,
        rates=dict(placed.rates),
        seed=seed + placed.unit,
    )
    return Standing(
        placed=placed,
        line=line,
        station=station,
        source=image.source,
        places=tuple(
            {"quantity": one.name, "table": one.table, "address": one.address, "type": one.type, "unit": one.unit}
            for one in image.held
        ),
        shows=lambda t: {one.name: format(one.value(t), "f") for one in image.held},
    )


def _meter(placed: Placed, line: PlacedLine, began_ns: int, seed: int, wall: Wall | None) -> Standing:
    plate = Plate(
        address=placed.address,
        seed=f"{seed}:{placed.name}",
        began_ns=began_ns,
        turnaround_ns=placed.turnaround_ms * _MS,
        settings=placed.settings or line.settings,
        rates=dict(placed.rates),
        number=seed,
        wall=wall,
    )
    meter = METERS[placed.model](plate)
    return Standing(
        placed=placed,
        line=line,
        station=meter.station,
        source="",
        places=tuple({"quantity": cell.name} for cell in meter.cells),
        shows=lambda t: {cell.name: said for cell in meter.cells if (said := cell.shown(t)) is not None},
    )
