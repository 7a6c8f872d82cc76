"""The whole chain under load: Modbus TCP devices, the real agent, mosquitto, the real collector, as processes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.bench.measure import median, peak_mib, usage
from hil.bench.stored import FirstReading, readings_between, samples_up_to, stored
from hil.broker import Broker
from hil.process import wait_until
from hil.ptys import now_ns
from hil.sim.control import ask
from hil.site_file import BusEntry, DeviceEntry, Sealing
from hil.stage import Stage, StageError

_PATIENCE_S: Final = 60.0
_LAST_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One kind of run.

    Attributes:
        devices: Modbus TCP devices of 98 points, each polled at 1 Hz.
        warmup_s: time between the first verified reading and the window.
        window_s: length of the window that everything but start and peak is taken from.
        sealing: when blocks are sealed.
        still: registers stand still, as in the measurements of other gateways.
        seed: of the simulated values.
    """

    devices: int
    warmup_s: float = 3.0
    window_s: float = 10.0
    sealing: Sealing = field(default_factory=Sealing)
    still: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run gave, or the medians of several.

    Attributes:
        readings_s: verified readings taken in the window, a second.
        cpu_ms_per_1000: CPU of the agent in the window for each 1,000 of them.
        peak_mib: the agent's largest resident size since its start.
        first_s: agent's start to the first verified reading in the collector's database.
        first_cpu_s: CPU of the agent until then.
        wire_bytes: bytes of sealed blocks for each reading.
        written_bytes: bytes the agent had written to disk for each reading.
        readings_per_block: of blocks that carry any.
        samples: polls that the simulator had answered when the window ended; it numbers them.
        missing: of those, not with the collector within 20 s.
    """

    readings_s: float
    cpu_ms_per_1000: float
    peak_mib: float
    first_s: float
    first_cpu_s: float
    wire_bytes: float
    written_bytes: float
    readings_per_block: float
    samples: float
    missing: float


def medians(runs: list[Figures]) -> Figures:
    """Give the median of each figure."""
    names = Figures.__dataclass_fields__
    return Figures(**{name: median(getattr(run, name) for run in runs) for name in names})


@contextmanager
def staged() -> Iterator[Stage]:
    """Give a prepared stage with broker and collector running, in a folder that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        stage = Stage(folder=folder, broker=Broker(folder / "broker"))
        try:
            assert stage.broker is not None
            stage.broker.start()
            stage.prepare()
            stage.start_collector()
            yield stage
        finally:
            stage.stop()


def start_devices(stage: Stage, plan: Plan) -> dict[str, object]:
    """Start the Modbus TCP devices; gives their ready line."""
    words = ["tcp", "--devices", str(plan.devices), "--seed", str(plan.seed), *(["--still"] if plan.still else [])]
    child = stage.start_simulator(*words)
    if not wait_until(lambda: '"ready"' in child.last_words(), _PATIENCE_S):
        raise StageError(f"the simulator does not start\n{child.last_words()}")
    ready: dict[str, object] = json.loads(child.last_words(1))
    return ready


def run(plan: Plan) -> Figures:
    """Do one run; StageError if a part of the chain does not start or delivers nothing."""
    with staged() as stage:
        ready = start_devices(stage, plan)
        ports = ready["ports"]
        assert isinstance(ports, list)
        names = [f"dev{number:03d}" for number in range(1, plan.devices + 1)]
        stage.write_site(
            [BusEntry(name=name, port=f"tcp://127.0.0.1:{port}") for name, port in zip(names, ports, strict=True)],
            [DeviceEntry(name=name, bus=name, unit=1, profile="generic/block-98", every="1 s") for name in names],
            sealing=plan.sealing,
        )
        return _measure(stage, plan, Path(str(ready["control"])))


def _measure(stage: Stage, plan: Plan, control: Path) -> Figures:
    first_s, first_cpu_s, pid = start_and_wait(stage)
    time.sleep(plan.warmup_s)
    before, held_before, from_ms = usage(pid), stored(stage.collector_db), now_ns() // 1_000_000
    time.sleep(plan.window_s)
    after, until_ms = usage(pid), now_ns() // 1_000_000
    samples = int(ask(control, "counters")["sequence"])
    peak = peak_mib(pid)
    # a later reading shows that every block of the window is in: they come in the order of the chain
    wait_until(lambda: readings_between(stage.collector_db, until_ms + 1, until_ms + 60_000) > 0, _LAST_S, 0.5)
    wait_until(lambda: samples_up_to(stage.collector_db, samples) >= samples, _LAST_S, 0.5)
    window = stored(stage.collector_db).since(held_before)
    taken = readings_between(stage.collector_db, from_ms, until_ms)
    if taken == 0:
        raise StageError(f"nothing arrived in {plan.window_s} s\n{stage.agent.last_words()}")
    return Figures(
        readings_s=taken * 1000 / (until_ms - from_ms),
        cpu_ms_per_1000=(after.cpu_s - before.cpu_s) * 1e6 / taken,
        peak_mib=peak,
        first_s=first_s,
        first_cpu_s=first_cpu_s,
        wire_bytes=window.block_bytes / window.readings,
        written_bytes=(after.written_bytes - before.written_bytes) / taken,
        readings_per_block=window.readings / max(1, window.filled),
        samples=samples,
        missing=samples - samples_up_to(stage.collector_db, samples),
    )


def start_and_wait(stage: Stage) -> tuple[float, float, int]:
    """Start the agent; give seconds and its CPU seconds until the first verified reading, and its process."""
    look = FirstReading(stage.collector_db)
    began = time.monotonic()
    stage.start_agent()
    process = stage.agent.process
    assert process is not None
    try:
        there = wait_until(lambda: look.is_there() or not stage.agent.alive, _PATIENCE_S, 0.01)
        took = time.monotonic() - began
        if not there or not stage.agent.alive:
            raise StageError(f"no reading arrived\n{stage.agent.last_words(20)}")
        return took, usage(process.pid).cpu_s, process.pid
    finally:
        look.close()
