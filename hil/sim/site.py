"""The demo site: one paced 9600 Bd 8N1 line with eight devices, one of them dead, one flaky."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.ptys import PtyLine, now_ns
from hil.sim.control import Answer, Command
from hil.sim.images import IMAGES
from hil.sim.journal import Journal
from hil.sim.modbus import RtuDevice
from hil.wire import Line

SETTINGS: Final = Characters(baud=9600, parity="N", stop_bits=1)
STEP: Final = 16
"""Characters that arrive at once: what the receive buffer of a usual UART or USB adapter gathers."""
_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One device of the site; unit ids are fixed.

    Attributes:
        name: what a site file would call it.
        unit: its address on the line.
        model: ``vendor/model``, a key of ``IMAGES`` and the name of a profile.
        turnaround_ms: time it takes before it answers.
        alive: False is dead from the start.
        rates: faults of its own.
    """

    name: str
    unit: int
    model: str
    turnaround_ms: int = 8
    alive: bool = True
    rates: tuple[tuple[Fault, float], ...] = ()

    @property
    def behaviour(self) -> str:
        """``alive``, ``dead`` or ``flaky``."""
        return "dead" if not self.alive else "flaky" if self.rates else "alive"


FLAKY: Final = (
    (Fault.DROP, 0.08),
    (Fault.FLIP, 0.05),
    (Fault.LATE, 0.02),
    (Fault.TRUNCATE, 0.03),
    (Fault.GLITCH, 0.05),
)
SITE: Final = (
    Placed(name="main-meter", unit=1, model="chint/dtsu666", turnaround_ms=18),
    Placed(name="workshop-meter", unit=2, model="eastron/sdm120", turnaround_ms=12),
    Placed(name="pump-meter", unit=3, model="peacefair/pzem-004t", turnaround_ms=5),
    Placed(name="greenhouse-air", unit=4, model="generic/xy-md02"),
    Placed(name="bed-3-soil", unit=5, model="renke/soil-4in1", turnaround_ms=15),
    Placed(name="greenhouse-co2", unit=6, model="senseair/s8", turnaround_ms=10),
    Placed(name="old-meter", unit=7, model="eastron/sdm120", alive=False),
    Placed(name="cold-store-air", unit=8, model="generic/xy-md02", rates=FLAKY),
)


class SimulatedSite:
    """The site on its pty, with the commands that change it while it runs.

    Attributes:
        port: symlink that the agent opens.
        devices: by unit.
        line: the bus.
    """

    def __init__(self, folder: Path, seed: int, placed: tuple[Placed, ...] = SITE) -> None:
        """Take an existing folder for the port, the journal and the socket."""
        began = now_ns()
        self.port = folder / "rs485-a"
        self.control = folder / "control.sock"
        self.journal = folder / "exchanges.jsonl"
        self._seed = seed
        self._placed = placed
        self.devices = {
            one.unit: RtuDevice(
                one.unit,
                IMAGES[one.model](f"{seed}:{one.unit}"),
                began_ns=began,
                turnaround_ns=one.turnaround_ms * _MS,
                settings=SETTINGS,
                alive=one.alive,
                rates=dict(one.rates),
                seed=seed + one.unit,
            )
            for one in placed
        }
        self._writer = Journal(self.journal)
        self.line = Line(
            list(self.devices.values()), settings=SETTINGS, injector=Injector(seed), step=STEP,
            on_exchange=self._writer.write,
        )  # fmt: skip
        self._pty = PtyLine(self.line, self.port)

    def start(self) -> None:
        """Plug the line in."""
        self._pty.start()

    def close(self) -> None:
        """Take the line and the port's name away."""
        self._pty.close()
        self._writer.close()

    def describe(self) -> dict[str, Any]:
        """Give the site as ``site.json`` holds it."""
        return {
            "schema": 1,
            "seed": self._seed,
            "port": str(self.port),
            "line": asdict(SETTINGS),
            "control": str(self.control),
            "journal": str(self.journal),
            "devices": [self._describe(one) for one in self._placed],
        }

    def _describe(self, placed: Placed) -> dict[str, Any]:
        image = self.devices[placed.unit].image
        return {
            "name": placed.name,
            "unit": placed.unit,
            "profile": placed.model,
            "behaviour": placed.behaviour,
            "source": image.source,
            "values": [
                {
                    "quantity": held.name,
                    "table": held.table,
                    "address": held.address,
                    "type": held.type,
                    "unit": held.unit,
                }
                for held in image.held
            ],
        }

    def commands(self) -> Mapping[str, Command]:
        """Give what can be asked over the control socket."""
        return {
            "kill": lambda request: self._alive(request, alive=False),
            "revive": lambda request: self._alive(request, alive=True),
            "flaky": self._flaky,
            "faults": self._faults,
            "unplug": lambda _request: self._plug(plugged=False),
            "replug": lambda _request: self._plug(plugged=True),
            "counters": lambda _request: self._counters(),
            "values": self._values,
        }

    def _device(self, request: Mapping[str, Any]) -> RtuDevice:
        return self.devices[int(request["unit"])]

    def _alive(self, request: Mapping[str, Any], *, alive: bool) -> Answer:
        with self._pty.lock:
            self._device(request).alive = alive
        return {}

    def _flaky(self, request: Mapping[str, Any]) -> Answer:
        rates = {Fault(name): float(rate) for name, rate in request["rates"].items()}
        with self._pty.lock:
            own = self._device(request).rates
            own.clear()
            own.update(rates)
        return {}

    def _faults(self, request: Mapping[str, Any]) -> Answer:
        rates = {Fault(name): float(rate) for name, rate in request["rates"].items()}
        with self._pty.lock:
            self.line.injector.rates.clear()
            self.line.injector.rates.update(rates)
        return {}

    def _plug(self, *, plugged: bool) -> Answer:
        if plugged:
            self._pty.replug()
        else:
            self._pty.unplug()
        return {}

    def _counters(self) -> Answer:
        with self._pty.lock:
            return {
                "line": asdict(self.line.counters),
                "faults": {fault.value: count for fault, count in self.line.injector.happened.items()},
                "heard": {str(unit): device.heard for unit, device in self.devices.items()},
                "late_us": self._pty.late_ns // 1000,
            }

    def _values(self, request: Mapping[str, Any]) -> Answer:
        """Give what every device, or the one of ``unit``, holds now or at ``mono_ns``."""
        mono_ns = int(request.get("mono_ns", now_ns()))
        units = [int(request["unit"])] if "unit" in request else list(self.devices)
        return {"mono_ns": mono_ns, "values": {str(unit): _held(self.devices[unit], mono_ns) for unit in units}}


def _held(device: RtuDevice, mono_ns: int) -> dict[str, str]:
    t = device.time_s(mono_ns)
    return {held.name: format(held.value(t), "f") for held in device.image.held}


def write_description(site: SimulatedSite, path: Path) -> None:
    """Write ``site.json`` in one piece."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(site.describe(), indent=1) + "\n", encoding="utf-8")
    new.replace(path)
