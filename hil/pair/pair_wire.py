"""How much of the wire is used, and what the settings of the adapter change: figures, and what must hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from hil.bench.wire import ROWS
from hil.characters import Characters, exchange_ns
from hil.pair.bench import LIVING, SETTINGS, Bench
from hil.pair.gateway import Gateway
from hil.pair.probe import Capability
from hil.sim.images import image_of
from hil.sim.modbus import RtuDevice

Note = Callable[[str, object], None]

_SECONDS = 0.5


@pytest.fixture(autouse=True)
def _free(bench: Bench) -> None:
    """Nobody else speaks at the left port."""
    bench.free()


@pytest.mark.needs(Capability.WIRE)
@pytest.mark.parametrize(("baud", "registers", "goal"), ROWS)
def test_share_of_the_wire(bench: Bench, baud: int, registers: int, goal: float, record_property: Note) -> None:
    """Our link reads as fast as it goes, and keeps t3.5."""
    settings = Characters(baud=baud, stop_bits=2)  # 11 bits a character, as the limit is told for
    device = RtuDevice(1, image_of(f"generic/block-{registers}", "pair"), settings=settings, turnaround_ns=0)
    bench.far.stand([device])
    bench.far.tune(settings)
    number = len(bench.far.since(0))
    told = _reads(bench, settings, registers)
    log = bench.far.since(number)
    share = told["exchanges"] * exchange_ns(settings, 8, 5 + 2 * registers) / 1e9 / told["seconds"]
    record_property("share of the wire", f"{100 * share:.1f} % (goal on a paced line {100 * goal:.0f} %)")
    record_property("without an answer", f"{told['failed']} of {len(log)}")
    record_property("inside t3.5", sum(one.inside_silence for one in log))
    assert told["exchanges"] > 0
    assert not any(one.inside_silence for one in log)


@pytest.mark.needs(Capability.PARITY)
def test_parity(bench: Bench, record_property: Note) -> None:
    """A line with even parity is read with even parity, and never without."""
    even = replace(SETTINGS, parity="E")
    bench.stand(even)
    with _running(bench, even) as gateway:
        record_property("read after", f"{bench.settle(gateway):.2f} s")
    with _running(bench, SETTINGS) as gateway:
        for _ in range(5):
            assert not any(one.values for one in gateway.read(*LIVING))


@pytest.mark.needs(Capability.MODEM_LINES)
def test_direction_by_rts(bench: Bench, record_property: Note) -> None:
    """With RTS turning the driver requests still arrive whole and replies are still heard."""
    bench.stand(SETTINGS)
    number = len(bench.far.since(0))
    with _running(bench, SETTINGS, rs485='"rts"') as gateway:
        bench.settle(gateway)
        for _ in range(20 * bench.rounds):
            bench.checked(gateway.read(*LIVING))
        record_property("without a reading", gateway.errors())
    log = bench.far.since(number)
    record_property("exchanges", len(log))
    assert all(one.reply for one in log)


@pytest.mark.needs(Capability.LATENCY_TIMER)
@pytest.mark.parametrize("latency_ms", [16, 1])
def test_latency_timer(bench: Bench, latency_ms: int, record_property: Note) -> None:
    """What the latency timer of the left adapter costs."""
    bench.stand(SETTINGS)
    number = len(bench.far.since(0))
    with _running(bench, SETTINGS, latency_ms=str(latency_ms)) as gateway:
        bench.settle(gateway)
        for _ in range(20):
            bench.checked(gateway.read(*LIVING))
    gaps = sorted(one.gap_ns or 0 for one in bench.far.since(number) if one.gap_ns)
    record_property("silence between reply and request", f"{gaps[len(gaps) // 4] / 1e6:.1f} ms, the lower quarter")


@contextmanager
def _running(bench: Bench, settings: Characters, **keys: str) -> Iterator[Gateway]:
    gateway = bench.gateway(settings, LIVING, **keys)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


def _reads(bench: Bench, settings: Characters, registers: int) -> dict[str, Any]:
    """Let the measured client read in a process of its own; what it counted."""
    words = [bench.left, str(settings.baud), str(settings.stop_bits), str(registers), str(_SECONDS)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hil.bench.clients.ours", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
