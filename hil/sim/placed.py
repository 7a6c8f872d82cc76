"""What stands on a simulated site: lines, their devices, and the five lines of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hil.characters import Characters
from hil.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One device of the site; names and unit ids are fixed, and no two devices of a site share one.

    Attributes:
        name: what a site file would call it.
        unit: its Modbus address on the line; 0 of a meter that speaks another protocol.
        address: of such a meter, as it is written on its plate.
        model: ``vendor/model``, a key of ``IMAGES`` or ``METERS`` and the name of a profile.
        turnaround_ms: time it takes before it answers.
        alive: False is dead from the start.
        rates: faults of its own.
        settings: speed and parity of its own, None for those of its line.
    """

    name: str
    model: str
    unit: int = 0
    address: str = ""
    turnaround_ms: int = 8
    alive: bool = True
    rates: tuple[tuple[Fault, float], ...] = ()
    settings: Characters | None = None

    @property
    def behaviour(self) -> str:
        """``alive``, ``dead`` or ``flaky``."""
        return "dead" if not self.alive else "flaky" if self.rates else "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLine:
    """One pair of wires with its adapter.

    Attributes:
        name: of the bus, and of the port in the site's folder.
        settings: speed and parity of the line.
        step: characters that arrive at once.
    """

    name: str
    devices: Sequence[Placed]
    settings: Characters = field(default_factory=Characters)
    step: int = 16


FLAKY: Final = (
    (Fault.DROP, 0.08),
    (Fault.FLIP, 0.05),
    (Fault.LATE, 0.02),
    (Fault.TRUNCATE, 0.03),
    (Fault.GLITCH, 0.05),
)
_SLOW: Final = Characters(baud=4800)
_METER: Final = Characters(baud=2400, parity="E")
_HEAD: Final = Characters(baud=300, parity="E", data_bits=7)
SITE: Final = (
    PlacedLine(
        name="rs485-a",
        devices=(
            Placed(name="main-meter", unit=1, model="chint/dtsu666", turnaround_ms=18),
            Placed(name="workshop-meter", unit=2, model="eastron/sdm120", turnaround_ms=12),
            Placed(name="pump-meter", unit=3, model="peacefair/pzem-004t", turnaround_ms=5),
            Placed(name="greenhouse-air", unit=4, model="generic/xy-md02"),
            Placed(name="bed-3-soil", unit=5, model="renke/soil-4in1", turnaround_ms=15),
            Placed(name="greenhouse-co2", unit=6, model="senseair/s8", turnaround_ms=10),
            Placed(name="old-meter", unit=7, model="eastron/sdm120", alive=False),
            Placed(name="cold-store-air", unit=8, model="generic/xy-md02", rates=FLAKY),
        ),
    ),
    PlacedLine(
        name="rs485-b",
        settings=Characters(baud=19200),
        devices=(
            Placed(name="roof-meter", unit=21, model="eastron/sdm630", turnaround_ms=12),
            Placed(name="seedling-air", unit=22, model="generic/xy-md02"),
            Placed(name="bed-7-soil", unit=23, model="renke/soil-4in1", turnaround_ms=15, settings=_SLOW),
        ),
    ),
    PlacedLine(
        name="rs485-c",
        devices=(
            Placed(name="packing-meter", unit=31, model="eastron/sdm120", turnaround_ms=12),
            Placed(
                name="grid-meter", address="000023100066", model="generic/dlt645-2007-three-phase", turnaround_ms=40,
                settings=_METER,
            ),
            Placed(
                name="water-meter", address="78331505104145", model="generic/cjt188-water", turnaround_ms=60,
                settings=_METER,
            ),
            Placed(name="packing-air", unit=32, model="generic/xy-md02"),
        ),
    ),
    PlacedLine(
        name="m-bus",
        settings=_METER,
        devices=(Placed(name="heat-meter", address="5", model="generic/mbus-heat", turnaround_ms=60),),
    ),
    PlacedLine(
        name="optical-head",
        settings=_HEAD,
        devices=(
            Placed(name="tenant-meter", address="12345678", model="generic/iec62056-readout", turnaround_ms=200),
        ),
    ),
)  # fmt: skip
"""A UART's usual receive buffer or a USB adapter gathers about 16 characters, so they arrive together."""


def even_line(
    units: int,
    registers: int,
    settings: Characters,
    *,
    turnaround_ms: int = 0,
    dead: Sequence[int] = (),
    step: int = 16,
) -> PlacedLine:
    """Give a line of ``units`` equal devices, unit 1 and up, of ``registers`` holding registers each."""
    return PlacedLine(
        name="line",
        settings=settings,
        step=step,
        devices=tuple(
            Placed(
                name=f"unit-{unit:03d}",
                unit=unit,
                model=f"generic/block-{registers}",
                turnaround_ms=turnaround_ms,
                alive=unit not in dead,
            )
            for unit in range(1, units + 1)
        ),
    )
