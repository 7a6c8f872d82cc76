"""What storage costs: bytes written to the block device per commit, CPU per batch. Run as a script; no test.

``python -m tests.agent.measure_outbox [FOLDER]``: on a real disk, or the bytes mean nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from agent.config import BlockRules, OutboxLimits, SiteDevice
from agent.storing.flash import thread_written_bytes
from agent.storing.stored import Pressure
from tests.agent.storage_site import Bench, ManualClock, batch, point, profile, stop

RECEIPT_KID = b"platform"


def bytes_per_commit(folder: Path, *, readings: int, receipts: bool, commits: int) -> None:
    """One block of ``readings`` a commit, the log warm; with receipts one is stored and one block pruned each."""
    bench = Bench(folder)
    bench.rules = BlockRules(max_readings=readings, flash_budget_mb_day=10**6)
    bench.limits = OutboxLimits(archive_bytes=200_000 if receipts else 10**12)
    bench.destinations = (RECEIPT_KID,) if receipts else ()
    bench.devices = (SiteDevice(name="m", bus="b", unit=1, profile=profile(tuple(map(point, map(str, range(100)))))),)
    desk = bench.desk()
    start = cpu_s = 0.0
    size = 0
    for number in range(2 * commits):
        if number == commits:
            start, cpu_s = float(thread_written_bytes() or 0), time.thread_time()
        bench.clock.mono_ms += 15_000
        values = tuple(number * 7 + value * value % 97 for value in range(readings))
        desk.intake.take(batch(bench.clock.mono_ms, 0, values))
        (block,) = desk.turn()
        size = len(block.message)
        if receipts:
            desk._custody.receipted(RECEIPT_KID, block.epoch, block.number, block.head)
    written = (thread_written_bytes() or 0) - start
    cpu_us = (time.thread_time() - cpu_s) / commits * 1e6
    stop(desk)
    kind = "insert, receipt, prune" if receipts else "insert only"
    print(
        f"{readings} readings a commit, {kind}: block {size} B, {written / commits:.0f} B written a commit,"
        f" {written / commits / readings:.0f} B a reading, {cpu_us:.0f} us CPU a commit"
    )


def cpu_per_batch(folder: Path, *, devices: int, seconds: int) -> None:
    """98-point batches of many devices, 1 Hz each, sealed and committed as they come; and shed completely."""
    bench = Bench(folder, clock=ManualClock())
    bench.rules = BlockRules(flash_budget_mb_day=10**6)
    meter = profile(tuple(point(f"p{index}") for index in range(98)))
    bench.devices = tuple(SiteDevice(name=f"d{n}", bus="b", unit=n, profile=meter) for n in range(devices))
    desk = bench.desk()
    points = tuple(range(98))
    made = [
        [
            batch(0, device, tuple((second * device + p * p) % 65536 for p in points), points=points)
            for device in range(devices)
        ]
        for second in range(seconds)
    ]
    started_s, count, blocks, size, readings = time.thread_time(), 0, 0, 0, 0
    for number, second in enumerate(made):
        if number == seconds // 2:  # the log has been written through once: from here on it is steady
            started_s, count, blocks, size, readings = time.thread_time(), 0, 0, 0, 0
        for at, one in enumerate(second):
            desk.intake.take(one)
            count += 1
            if at % 5 == 4:
                bench.clock.mono_ms += 50
                for block in desk.turn():
                    blocks, size, readings = blocks + 1, size + len(block.message), readings + block.readings
    spent_us = (time.thread_time() - started_s) * 1e6
    key = bench.keys.session(0)
    started_s = time.thread_time()
    for _ in range(1000):
        key.sign(bytes(3700))
    signing_us = (time.thread_time() - started_s) * 1e3
    print(
        f"one signature meanwhile: {signing_us:.0f} us\n"
        f"{count} batches of 98: {spent_us / count:.1f} us CPU each with sealing and commit; {blocks} blocks,"
        f" {size / readings:.1f} B a reading"
    )
    desk.intake.pressure = Pressure.NO_SEAL
    started_s = time.thread_time()
    for second in made[-seconds // 2 :]:
        for one in second:
            desk.intake.take(one)
    print(f"shed: {(time.thread_time() - started_s) / count * 1e6:.1f} us each")
    started_s = time.thread_time()
    for _ in range(1000):
        desk.status()
    print(f"status: {(time.thread_time() - started_s) / 1000 * 1e6:.1f} us")
    stop(desk)


def main() -> None:
    """Measure and print."""
    base = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for readings in (40, 100):
        for receipts in (False, True):
            with tempfile.TemporaryDirectory(dir=base) as name:
                bytes_per_commit(Path(name), readings=readings, receipts=receipts, commits=2000)
    with tempfile.TemporaryDirectory(dir=base) as name:
        cpu_per_batch(Path(name), devices=50, seconds=200)


if __name__ == "__main__":
    main()
