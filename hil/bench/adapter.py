"""What the keys of an adapter change: our link on one port, once with each, the far end a simulator or a real device.

``--pair LEFT,RIGHT`` measures at LEFT and simulates at RIGHT, ``--port PATH`` measures a device that stands on a bus;
without either the pair is two cross-wired ptys, on which most of these keys have nothing to act on: the row says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.bench.measure import median
from hil.bench.table import table
from hil.characters import Characters, exchange_ns
from hil.pair.far_end import FarEnd
from hil.process import Child, wait_until
from hil.sim.images import image_of
from hil.sim.modbus import RtuDevice
from hil.stage import StageError
from hil.wire import Exchange

ROWS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"exclusive": "false"},
    {"drain": "wait"},
    {"latency_ms": "16"},
    {"latency_ms": "1"},
    {"rs485": "rts"},
    {"rs485": "rts", "drain": "wait"},
    {"rs485": "kernel"},
    {"echo": "true"},
)
_REFUSED: Final = ("latency-refused", "rts-refused", "rs485-refused", "echo-missing")
_NS: Final = 1_000_000_000
HEADS: Final = ("keys", "ms/exchange", "share %", "pause ms", "in t3.5", "of", "failed", "CPU ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One row; zeros where nothing could be measured.

    Attributes:
        keys: of ``[[bus]]``, empty for none.
        note: why this is not measurable here, or what the figures do not show; empty for a plain row.
        exchange_ms: mean time of an exchange.
        share: of the exchanges that the wire allows.
        pause_ms: median silence between a reply and the next request, as the far end saw it; 0 without one.
        inside_silence, requests: requests begun inside t3.5, of how many the far end heard.
        failed: exchanges without an answer.
        cpu_ms: CPU of the client for each exchange.
    """

    keys: str
    note: str = ""
    exchange_ms: float = 0.0
    share: float = 0.0
    pause_ms: float = 0.0
    inside_silence: int = 0
    requests: int = 0
    failed: int = 0
    cpu_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it is measured; ``far`` is None where a real device answers."""

    port: str
    settings: Characters
    registers: int
    seconds: float
    far: FarEnd | None = None


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command line of this bench."""
    parser = verbs.add_parser("adapter", help="what the keys of a serial adapter change on one port")
    parser.add_argument("--pair", help="LEFT,RIGHT: two cross-wired adapters (default: two ptys)")
    parser.add_argument("--port", help="a port with a device of unit 1 on it, in the place of a pair")
    parser.add_argument("--baud", type=int, default=19200)
    parser.add_argument("--stop-bits", type=int, default=2, choices=(1, 2))
    parser.add_argument("--registers", type=int, default=10, choices=(10, 25, 60), help="holding registers from 0")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one row")
    parser.add_argument("--seed", type=int, default=7)
    return parser


def run(options: argparse.Namespace) -> list[Figures]:
    """Measure all rows; StageError if there is no port or nobody answers."""
    with _place(options) as place:
        first = measure(place, {})
        if not first.exchange_ms:
            raise StageError(f"{place.port}: nobody answers at {options.baud} Bd")
        return [first, *(measure(place, keys) for keys in ROWS[1:])]


def measure(place: Place, keys: Mapping[str, str]) -> Figures:
    """Measure one row."""
    name = ", ".join(f"{key} = {value}" for key, value in keys.items()) or "-"
    number = len(place.far.since(0)) if place.far else 0
    settings = place.settings
    words = [place.port, settings.baud, settings.stop_bits, place.registers, place.seconds]
    extra = [f"{key}={value}" for key, value in keys.items()]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hil.bench.clients.ours", *map(str, words), *extra], capture_output=True,
        text=True, timeout=place.seconds + 60, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    refused = next((line for line in done.stderr.splitlines() if line.startswith(_REFUSED)), "")
    if refused:
        return Figures(keys=name, note=f"not measurable here: {refused.partition(' ')[2]}")
    if done.returncode:
        raise StageError(f"{place.port}: {done.stderr.strip() or done.stdout.strip()}")
    told = json.loads(done.stdout.splitlines()[-1])
    log = place.far.since(number) if place.far else []
    shortest_s = exchange_ns(settings, 8, 5 + 2 * place.registers) / _NS
    return Figures(
        keys=name,
        note=_note(place.port, keys),
        exchange_ms=told["seconds"] * 1000 / told["exchanges"] if told["exchanges"] else 0.0,
        share=told["exchanges"] * shortest_s / told["seconds"],
        pause_ms=_pause_ms(log),
        inside_silence=sum(one.inside_silence for one in log),
        requests=len(log),
        failed=told["failed"],
        cpu_ms=told["cpu_ms"],
    )


def shown(found: Sequence[Figures]) -> str:
    """Give what was measured as a table, and what is to be said of the rest below it."""
    rows = [
        [one.keys, one.exchange_ms, 100 * one.share, one.pause_ms, one.inside_silence, one.requests, one.failed,
         one.cpu_ms]
        for one in found
        if one.exchange_ms
    ]  # fmt: skip
    return "\n".join([table(HEADS, rows), *(f"{one.keys}: {one.note}" for one in found if one.note)])


def _note(port: str, keys: Mapping[str, str]) -> str:
    if keys.get("drain") == "wait" and str(Path(port).resolve()).startswith("/dev/pts/"):
        return "the thread alone: a pty has no transmitter, its end of sending is not measurable"
    return ""


def _pause_ms(log: Sequence[Exchange]) -> float:
    return median([one.gap_ns / 1e6 for one in log if one.gap_ns is not None]) if len(log) > 1 else 0.0


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Place]:
    settings = Characters(baud=options.baud, stop_bits=options.stop_bits)
    if options.port:
        yield Place(port=options.port, settings=settings, registers=options.registers, seconds=options.seconds)
        return
    device = RtuDevice(1, image_of(f"generic/block-{options.registers}", "bench"), settings=settings, turnaround_ns=0)
    with _pair(options.pair) as (left, right), FarEnd(right, settings, [device], options.seed) as far:
        yield Place(port=str(left), settings=settings, registers=options.registers, seconds=options.seconds, far=far)


@contextmanager
def _pair(named: str | None) -> Iterator[tuple[Path, Path]]:
    if named is not None:
        ports = named.split(",")
        if len(ports) != 2:
            raise StageError("--pair wants LEFT,RIGHT")
        yield Path(ports[0]), Path(ports[1])
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-adapter-") as folder:
        left, right = Path(folder) / "left", Path(folder) / "right"
        argv = [sys.executable, "-P", "-m", "hil.pair.crossing", str(left), str(right)]
        child = Child(name="crossing", argv=argv, log_dir=Path(folder))
        child.start()
        try:
            if not wait_until(lambda: "ready" in child.last_words() or not child.alive, 20) or not child.alive:
                raise StageError(f"no crossing: {child.last_words()}")
            yield left, right
        finally:
            child.stop()
