"""What ``tidegate --help`` costs: a figure every technician feels."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.bench.measure import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """Medians of one command line.

    Attributes:
        words: what was typed.
        wall_ms: start to end.
        cpu_ms: user and system.
    """

    words: str
    wall_ms: float
    cpu_ms: float


def command() -> list[str]:
    """Give the installed command, or the module where it is not installed beside this interpreter."""
    script = Path(sys.executable).parent / "tidegate"
    return [str(script)] if script.exists() else [sys.executable, "-P", "-m", "agent"]


def run(words: Sequence[str], runs: int) -> Startup:
    """Start the command ``runs`` times after one for the page cache; RuntimeError if it fails."""
    walls, cpus = [], []
    for number in range(runs + 1):
        began = time.monotonic()
        process = subprocess.Popen([*command(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        if process.returncode != 0:
            raise RuntimeError(f"tidegate {' '.join(words)}: exit {process.returncode}: {said.decode()[-500:]}")
        if number:
            walls.append(wall * 1000)
            cpus.append((used.ru_utime + used.ru_stime) * 1000)
    return Startup(words=" ".join(words), wall_ms=median(walls), cpu_ms=median(cpus))
