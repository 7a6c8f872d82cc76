"""How fast a collector verifies and stores: sealed blocks of a real agent, fed to ``tidegate collect --input``."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hil.bench.measure import median
from hil.bench.pipeline import Plan, staged, start_devices
from hil.bench.stored import Stored, stored
from hil.process import wait_until
from hil.site_file import BusEntry, DeviceEntry, Sealing
from hil.stage import TIDEGATE, Stage, StageError, tidegate


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What the collector did.

    Attributes:
        blocks: blocks verified and stored.
        readings: their readings.
        readings_s: readings a second of wall time, start and end of the process counted in.
        blocks_s: blocks a second.
        cpu_us: CPU of the collector for each reading.
        peak_mib: its largest resident size.
        database_bytes: size of the database for each reading.
    """

    blocks: int
    readings: int
    readings_s: float
    blocks_s: float
    cpu_us: float
    peak_mib: float
    database_bytes: float


def run(*, devices: int, seconds: float, seed: int, runs: int, sealing: Sealing) -> Collected:
    """Let an agent seal for ``seconds``, export its chain, and feed it to a new collector ``runs`` times."""
    with staged() as stage:
        plan = Plan(devices=devices, seed=seed)
        ports = start_devices(stage, plan)["ports"]
        assert isinstance(ports, list)
        names = [f"dev{number:03d}" for number in range(1, devices + 1)]
        stage.write_site(
            [BusEntry(name=name, port=f"tcp://127.0.0.1:{port}") for name, port in zip(names, ports, strict=True)],
            [DeviceEntry(name=name, bus=name, unit=1, profile="generic/block-98", every="1 s") for name in names],
            url="",
            sealing=sealing,
        )
        stage.start_agent()
        time.sleep(seconds)
        stage.agent.stop()
        chain = stage.folder / "chain.cbseq"
        made = tidegate("--site", stage.site, "export", str(chain))
        if made.returncode != 0 or not chain.exists():
            raise StageError(f"tidegate export: {made.stdout}{made.stderr}\n{stage.agent.last_words()}")
        return _medians([_feed(stage, chain, number) for number in range(runs)])


def _feed(stage: Stage, chain: Path, number: int) -> Collected:
    database = stage.folder / f"fed{number}.db"
    words = [*TIDEGATE, "collect", "--db", str(database), "--trust", str(stage.trust_file), "--input", str(chain)]
    log = stage.folder / f"fed{number}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    if process.returncode != 0:
        raise StageError(f"tidegate collect --input: exit {process.returncode}\n{log.read_text()[-800:]}")
    held = _settled(database)
    cpu_s = used.ru_utime + used.ru_stime
    size = sum(path.stat().st_size for path in stage.folder.glob(f"{database.name}*"))
    return Collected(
        blocks=held.blocks, readings=held.readings, readings_s=held.readings / took, blocks_s=held.blocks / took,
        cpu_us=cpu_s * 1e6 / max(1, held.readings), peak_mib=used.ru_maxrss / 1024,
        database_bytes=size / max(1, held.readings),
    )  # fmt: skip


def _settled(database: Path) -> Stored:
    if not wait_until(lambda: stored(database).readings > 0, 5):
        raise StageError("the collector stored no reading")
    return stored(database)


def _medians(runs: list[Collected]) -> Collected:
    names = Collected.__dataclass_fields__
    return Collected(**{name: median(getattr(run, name) for run in runs) for name in names})  # type: ignore[arg-type]
