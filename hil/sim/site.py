"""A simulated site: paced lines on pseudo-terminals, their devices, and the commands that change them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hil.faults import Fault, Injector
from hil.ptys import PtyLine, now_ns
from hil.sim.control import Answer, Command
from hil.sim.journal import Journal
from hil.sim.placed import SITE, Placed, PlacedLine
from hil.sim.standing import Standing, stand
from hil.sim.wall import showing
from hil.wire import Line

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOnPty:
    """One line as it runs.

    Attributes:
        placed: what it was made from.
        line: the bus.
        pty: the adapter; its ``path`` is what the agent opens.
    """

    placed: PlacedLine
    line: Line
    pty: PtyLine


class SimulatedSite:
    """The lines of a site, with the commands that change them while they run.

    Attributes:
        lines: by name.
        devices: of all lines, by unit as a text, meters by name.
        control: path of the control socket.
        journal: path of the log of all lines.
    """

    def __init__(self, folder: Path, seed: int, placed: Sequence[PlacedLine] = SITE) -> None:
        """Take an existing folder for the ports, the journal and the socket."""
        self.control = folder / "control.sock"
        self.journal = folder / "exchanges.jsonl"
        self._seed = seed
        self._began_ns = now_ns()
        self._wall = showing(datetime.fromtimestamp(time.time_ns() // 10**9, UTC), self._began_ns)
        self._writer = Journal(self.journal)
        self.devices: dict[str, Standing] = {}
        self.lines = {one.name: self._build(one, folder) for one in placed}

    @property
    def port(self) -> Path:
        """Symlink of the first line, which the agent opens."""
        return next(iter(self.lines.values())).pty.path

    def start(self) -> None:
        """Plug the lines in."""
        for one in self.lines.values():
            one.pty.start()

    def close(self) -> None:
        """Take the lines and the names of their ports away."""
        for one in self.lines.values():
            one.pty.close()
        self._writer.close()

    def describe(self) -> dict[str, Any]:
        """Give the site as ``site.json`` holds it; ``port`` and ``line`` are those of the first line."""
        lines = [
            {"name": name, "port": str(one.pty.path), **asdict(one.placed.settings)}
            for name, one in self.lines.items()
        ]
        return {
            "schema": 1,
            "seed": self._seed,
            "port": str(self.port),
            "line": asdict(next(iter(self.lines.values())).placed.settings),
            "lines": lines,
            "control": str(self.control),
            "journal": str(self.journal),
            "devices": [device.described() for device in self.devices.values()],
        }

    def commands(self) -> Mapping[str, Command]:
        """Give what can be asked over the control socket.

        ``line`` may name one, all are meant else; a device is meant by ``unit`` or, a meter too, by ``device``.
        """
        return {
            "kill": lambda request: self._alive(request, alive=False),
            "revive": lambda request: self._alive(request, alive=True),
            "flaky": self._flaky,
            "faults": self._faults,
            "unplug": lambda request: self._plug(request, plugged=False),
            "replug": lambda request: self._plug(request, plugged=True),
            "counters": self._counters,
            "values": self._values,
        }

    def _build(self, placed: PlacedLine, folder: Path) -> LineOnPty:
        devices = [self._device(one, placed) for one in placed.devices]
        line = Line(
            [one.station for one in devices],
            settings=placed.settings,
            injector=Injector(self._seed),
            step=placed.step,
            on_exchange=self._writer.of(placed.name, {id(one.station): one.placed.name for one in devices}),
        )
        unseen = {one.station.settings.baud: one.station.settings for one in devices}
        return LineOnPty(placed=placed, line=line, pty=PtyLine(line, folder / placed.name, unseen))

    def _device(self, placed: Placed, line: PlacedLine) -> Standing:
        standing = stand(placed, line, began_ns=self._began_ns, seed=self._seed, wall=self._wall)
        if standing.key in self.devices:
            raise ValueError(f"device {standing.key} stands twice on this site")
        self.devices[standing.key] = standing
        return standing

    def _alive(self, request: Mapping[str, Any], *, alive: bool) -> Answer:
        for one in self._asked(request):
            one.station.alive = alive
        return {"mono_ns": now_ns()}

    def _flaky(self, request: Mapping[str, Any]) -> Answer:
        rates = {Fault(name): float(rate) for name, rate in request["rates"].items()}
        for one in self._asked(request):
            with self.lines[one.line.name].pty.lock:
                one.station.rates.clear()
                one.station.rates.update(rates)
        return {}

    def _faults(self, request: Mapping[str, Any]) -> Answer:
        rates = {Fault(name): float(rate) for name, rate in request["rates"].items()}
        for one in self._meant(request):
            with one.pty.lock:
                one.line.injector.rates.clear()
                one.line.injector.rates.update(rates)
        return {}

    def _plug(self, request: Mapping[str, Any], *, plugged: bool) -> Answer:
        for one in self._meant(request):
            if plugged:
                one.pty.replug()
            else:
                one.pty.unplug()
        return {"mono_ns": now_ns()}

    def _counters(self, request: Mapping[str, Any]) -> Answer:
        """Give the counters of all lines together, or of one, and how often each device was asked."""
        meant = self._meant(request)
        sums: dict[str, int] = {}
        faults: dict[str, int] = {}
        for one in meant:
            with one.pty.lock:
                for name, count in asdict(one.line.counters).items():
                    sums[name] = sums.get(name, 0) + count
                for fault, count in one.line.injector.happened.items():
                    faults[fault.value] = faults.get(fault.value, 0) + count
        return {
            "line": sums,
            "faults": faults,
            "heard": {key: one.station.heard for key, one in self.devices.items()},
            "late_us": max(one.pty.late_ns for one in meant) // 1000,
        }

    def _values(self, request: Mapping[str, Any]) -> Answer:
        """Give what every device, or the one that is meant, holds now or at ``mono_ns``."""
        mono_ns = int(request.get("mono_ns", now_ns()))
        t = max(0, mono_ns - self._began_ns) / _NS
        named = any(key in request for key in ("unit", "units", "device"))
        meant = self._asked(request) if named else list(self.devices.values())
        return {"mono_ns": mono_ns, "values": {one.key: one.shows(t) for one in meant}}

    def _asked(self, request: Mapping[str, Any]) -> list[Standing]:
        if "device" in request:
            return [{one.placed.name: one for one in self.devices.values()}[request["device"]]]
        units = request["units"] if "units" in request else [request["unit"]]
        return [self.devices[str(unit)] for unit in units]

    def _meant(self, request: Mapping[str, Any]) -> list[LineOnPty]:
        return [self.lines[request["line"]]] if "line" in request else list(self.lines.values())


def write_description(site: SimulatedSite, path: Path) -> None:
    """Write ``site.json`` in one piece."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(site.describe(), indent=1) + "\n", encoding="utf-8")
    new.replace(path)
