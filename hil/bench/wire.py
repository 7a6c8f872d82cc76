"""How much of a serial line four Modbus RTU clients use, each a process of its own on one paced pty."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.bench.measure import median
from hil.characters import Characters, exchange_ns
from hil.ptys import PtyLine
from hil.sim.images import image_of
from hil.sim.modbus import RtuDevice
from hil.stage import StageError
from hil.wire import Line

_CLIENTS: Final = Path(__file__).with_name("clients")
_NS: Final = 1_000_000_000
ROWS: Final = ((9600, 60, 0.99), (19200, 60, 0.99), (115200, 10, 0.93))
"""Speed, registers a read, share of the limit that ours has to reach."""
_TMODBUS_PYTHON: Final = Path(__file__).parents[2] / ".venv-tmodbus/bin/python"
TMODBUS_NOTE: Final = (
    "tmodbus has no row, it needs Python 3.12 and an environment of its own: type deploy/foreign-tmodbus"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client and how it is started.

    Attributes:
        words: interpreter and what it runs.
    """

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one client reached on one row; medians of several runs, sums for the silence.

    Attributes:
        share: of the exchanges that the wire allows with both silences kept; above 1 they are not.
        inside_silence: requests begun less than t3.5 after the last byte, of ``exchanges``.
        failed: of the exchanges in the windows; a busy machine delays answers beyond a learnt time-out.
        cpu_ms: CPU for each exchange, a beat of 10 ms in the same loop counted in.
        stood_p50_ms, stood_max_ms: how late that beat came: so long the client let nobody else run.
    """

    client: str
    baud: int
    registers: int
    share: float
    exchanges: int
    inside_silence: int
    failed: int
    cpu_ms: float
    stood_p50_ms: float
    stood_max_ms: float


def clients(tmodbus_python: str | None) -> tuple[list[Client], list[str]]:
    """Give the clients that can run here, and a sentence for each that cannot."""
    found = [Client(name="tidegate", words=(sys.executable, "-P", "-m", "hil.bench.clients.ours"))]
    notes = []
    for name in ("pymodbus", "minimalmodbus"):
        if importlib.util.find_spec(name) is None:
            notes.append(f"{name} is not installed: pip install {name}")
        else:
            found.append(Client(name=name, words=(sys.executable, "-P", "-m", f"hil.bench.clients.with_{name}")))
    python = tmodbus_python or (str(_TMODBUS_PYTHON) if _TMODBUS_PYTHON.exists() else None)
    if python is None:
        notes.append(TMODBUS_NOTE)
    else:
        found.append(Client(name="tmodbus", words=(python, str(_CLIENTS / "with_tmodbus.py"))))
    return found, notes


def run(client: Client, baud: int, registers: int, *, seconds: float, runs: int, seed: int) -> Figures:
    """Measure one client on one row; StageError if it does not work."""
    found = [_once(client, baud, registers, seconds, seed + number) for number in range(runs)]
    return Figures(
        client=client.name,
        baud=baud,
        registers=registers,
        share=median(one.share for one in found),
        exchanges=sum(one.exchanges for one in found),
        inside_silence=sum(one.inside_silence for one in found),
        failed=sum(one.failed for one in found),
        cpu_ms=median(one.cpu_ms for one in found),
        stood_p50_ms=median(one.stood_p50_ms for one in found),
        stood_max_ms=max(one.stood_max_ms for one in found),
    )


def _once(client: Client, baud: int, registers: int, seconds: float, seed: int) -> Figures:
    settings = Characters(baud=baud, stop_bits=2)  # 11 bits a character, as the limit is told for
    device = RtuDevice(1, image_of(f"generic/block-{registers}", str(seed)), settings=settings, turnaround_ns=0)
    line = Line([device], settings=settings, step=16)
    with tempfile.TemporaryDirectory(prefix="tidegate-wire-") as folder, PtyLine(line, Path(folder) / "port") as pty:
        words = [str(pty.path), str(baud), str(settings.stop_bits), str(registers), str(seconds)]
        done = subprocess.run(
            [*client.words, *words], capture_output=True, text=True, timeout=seconds + 60, check=False,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        with pty.lock:
            counters = line.counters
    if done.returncode:
        raise StageError(f"{client.name}: {done.stderr.strip() or done.stdout.strip()}")
    told = json.loads(done.stdout.splitlines()[-1])
    shortest_s = exchange_ns(settings, 8, 5 + 2 * registers) / _NS
    return Figures(
        client=client.name,
        baud=baud,
        registers=registers,
        share=told["exchanges"] * shortest_s / told["seconds"],
        exchanges=counters.requests,
        inside_silence=counters.inside_silence,
        failed=told["failed"],
        cpu_ms=told["cpu_ms"],
        stood_p50_ms=told["stood_p50_ms"],
        stood_max_ms=told["stood_max_ms"],
    )


def missed(figures: Sequence[Figures]) -> list[str]:
    """Name the goals that ours did not reach."""
    found = []
    for baud, registers, goal in ROWS:
        ours = next((one for one in figures if one.client == "tidegate" and one.baud == baud), None)
        if ours is not None and (ours.share < goal or ours.inside_silence):
            found.append(f"{baud} x {registers}: {100 * ours.share:.1f} %, {ours.inside_silence} inside t3.5")
    return found
