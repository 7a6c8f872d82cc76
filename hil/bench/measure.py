"""What a process cost, read from the kernel: CPU to the nanosecond, peak memory, bytes written to disk."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Totals of one process at one moment.

    Attributes:
        at_s: CLOCK_MONOTONIC.
        cpu_s: CPU time of all its threads, user and system.
        written_bytes: bytes it caused to be written to disk (``write_bytes`` of proc(5) io).
    """

    at_s: float
    cpu_s: float
    written_bytes: int


def usage(pid: int) -> Usage:
    """Look at a process now; ProcessLookupError or OSError if it is gone."""
    return Usage(at_s=time.monotonic(), cpu_s=cpu_s(pid), written_bytes=_field(pid, "io", "write_bytes:"))


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a process, by its CPU clock (clock_getcpuclockid(3)); stat has only ticks."""
    return time.clock_gettime((~pid << 3) | 2)


def peak_mib(pid: int) -> float:
    """Largest resident size of a process so far (VmHWM)."""
    return _field(pid, "status", "VmHWM:") / 1024


def _field(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise OSError(f"no {name} in /proc/{pid}/{file}")


@contextmanager
def bytecode_kept() -> Iterator[None]:
    """Let the programs that are started keep their bytecode, as installed ones do, in a folder that goes afterwards.

    Checks run with PYTHONDONTWRITEBYTECODE; each start would then compile everything anew (measured: 0.1 s).
    """
    with tempfile.TemporaryDirectory(prefix="tidegate-bytecode-") as folder:
        before = {name: os.environ.pop(name, None) for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]
            os.environ.update({name: value for name, value in before.items() if value is not None})


def median(values: Iterable[float]) -> float:
    """Median; nan of nothing."""
    found = list(values)
    return statistics.median(found) if found else float("nan")


def machine() -> dict[str, object]:
    """Name the machine and how busy it was, without which a figure says nothing."""
    model = next(
        (row.partition(":")[2].strip() for row in _cpuinfo() if row.startswith("model name")), platform.machine()
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
