"""The agent at the left port: started, asked over its control socket, and its sealed readings exported."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hil.characters import Characters
from hil.pair.units import REGISTERS, SLOW
from hil.process import wait_until
from hil.site_file import BusEntry, DeviceEntry, Sealing, SiteFile
from hil.stage import TIDEGATE, Stage, StageError, tidegate

BUS: Final = "pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the agent said of one device.

    Attributes:
        mono_ns: CLOCK_BOOTTIME of the reply; 0 for none.
        values: by quantity, without bad ones.
        error: code, empty for none.
    """

    unit: int
    mono_ns: int
    values: Mapping[str, Decimal]
    error: str


class Gateway:
    """A real agent that polls the units of the pair every half second.

    Attributes:
        folder: site file, state and log.
    """

    def __init__(
        self,
        folder: Path,
        port: str,
        settings: Characters,
        *,
        keys: Mapping[str, str],
        units: Sequence[int],
        slow: Characters | None = None,
        program: tuple[str, ...] = TIDEGATE,
    ) -> None:
        """Make its keys and its site file.

        ``keys`` are further ones of ``[[bus]]``, as TOML; ``slow`` is what the one unit with settings of its own has.
        """
        self.folder = folder
        self._stage = Stage(folder=folder, broker=None, program=program)
        self._stage.prepare("pair")
        devices = [
            DeviceEntry(
                name=f"unit-{unit}", bus=BUS, unit=unit, profile=f"generic/block-{REGISTERS[unit]}", every="500 ms",
                settings=slow if unit == SLOW else None,
            )
            for unit in units
        ]  # fmt: skip
        bus = BusEntry(name=BUS, port=port, settings=settings, keys=keys)
        site = SiteFile(buses=[bus], devices=devices, name="pair", sealing=Sealing(max_age="250 ms"))
        site.write(self._stage.site)

    def start(self) -> None:
        """Start it and wait until it can be asked; StageError with its last words if it ends."""
        self._stage.start_agent()
        if not wait_until(lambda: self._socket.exists() or not self._stage.agent.alive, 20, 0.02):
            raise StageError(f"the agent opens no control socket\n{self._stage.agent.last_words()}")
        if not self._stage.agent.alive:
            raise StageError(f"the agent ended\n{self._stage.agent.last_words()}")

    def stop(self) -> None:
        """Let it seal and end."""
        self._stage.stop()

    def status(self) -> dict[str, Any]:
        """Give its whole status."""
        return self._ask("status")

    def phase(self) -> str:
        """Where its bus stands."""
        return str(self.status()["buses"][0]["phase"])

    def errors(self) -> int:
        """Count the exchanges with its devices that gave no reading, but those with the slow one."""
        return sum(count for one in self.status()["devices"] if one["unit"] != SLOW for _code, count in one["errors"])

    def read(self, *units: int) -> list[Reading]:
        """Let it read units now, before their due polls."""
        told = self._ask("read", devices=[f"unit-{unit}" for unit in units])
        return [_reading(one) for one in told["devices"]]

    def sealed(self) -> list[Reading]:
        """Give every reading that it has sealed, one quantity each, by verified export; it may be running."""
        target = self.folder / "sealed.jsonl"
        done = tidegate("--site", self._stage.site, "export", target, "--yes")
        if done.returncode:
            raise StageError(f"tidegate export: {done.stdout}{done.stderr}")
        offset_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        rows = (json.loads(line) for line in target.read_text(encoding="utf-8").splitlines())
        return [_exported(row, offset_ns) for row in rows if row.get("value") is not None]

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / "control.sock"

    def _ask(self, what: str, **fields: object) -> dict[str, Any]:
        """Ask as any program may: one JSON object a line, there and back."""
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(30)
                sock.connect(str(self._socket))
                sock.sendall(json.dumps({"id": 1, "ask": what, **fields}).encode() + b"\n")
                with sock.makefile("rb") as stream:
                    told = json.loads(stream.readline() or b"{}")
        except OSError as error:
            raise StageError(f"the agent cannot be asked: {error}\n{self._stage.agent.last_words()}") from error
        if not told.get("ok"):
            raise StageError(f"the agent says no to {what}: {told.get('failure')}\n{self._stage.agent.last_words()}")
        answer: dict[str, Any] = told["answer"]
        return answer


def _reading(told: Mapping[str, Any]) -> Reading:
    values = {one["quantity"]: Decimal(one["value"]) for one in told["points"] if one["value"] is not None}
    return Reading(
        unit=int(told["device"].removeprefix("unit-")),
        mono_ns=(told["mono_ms"] or 0) * 1_000_000,
        values=values,
        error=told["error_code"],
    )


def _exported(row: Mapping[str, Any], offset_ns: int) -> Reading:
    return Reading(
        unit=int(row["device"].removeprefix("unit-")),
        mono_ns=round(datetime.fromisoformat(row["utc"]).timestamp() * 1e3) * 1_000_000 - offset_ns,
        values={row["quantity"]: Decimal(row["value"])},
        error="",
    )
