"""The loop that every client is measured in: read as fast as it goes, note CPU and how long the event loop stood.

Run as a file, under whatever interpreter has the client's library: only the standard library here, nothing of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_BEAT_S = 0.01
Read = Callable[[], Awaitable[int]]


@dataclass
class Options:
    """What to read, from the command line: PORT BAUD STOP_BITS REGISTERS SECONDS."""

    port: str
    baud: int
    stop_bits: int
    registers: int
    seconds: float


def options() -> Options:
    """Read the command line; what follows is the client's own."""
    port, baud, stop_bits, registers, seconds = sys.argv[1:6]
    return Options(port, int(baud), int(stop_bits), int(registers), float(seconds))


async def measure(wanted: Options, read: Read, name: str) -> None:
    """Read for a while after a warm-up; ``read`` gives how many registers it got. Prints one JSON line."""
    for _ in range(10):
        with contextlib.suppress(Exception):
            await read()
    beats: list[float] = []
    beating = asyncio.get_running_loop().create_task(_beat(beats))
    began_s, cpu_s, count, failed = time.monotonic(), time.process_time(), 0, 0
    while time.monotonic() - began_s < wanted.seconds:
        try:
            got = await read()
        except Exception as error:  # noqa: BLE001 - each client has errors of its own; on a busy machine they happen
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            failed += 1
            continue
        if got != wanted.registers:
            raise RuntimeError("a reply of another length was taken")
        count += 1
    took_s, spent_s = time.monotonic() - began_s, time.process_time() - cpu_s
    beating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await beating
    beats.sort()
    print(
        json.dumps(
            {
                "client": name,
                "exchanges": count,
                "failed": failed,
                "seconds": took_s,
                "cpu_ms": spent_s * 1000 / max(1, count),
                "stood_p50_ms": beats[len(beats) // 2] * 1000 if beats else took_s * 1000,
                "stood_max_ms": beats[-1] * 1000 if beats else took_s * 1000,
            }
        ),
        flush=True,
    )


async def _beat(late_s: list[float]) -> None:
    """Note by how much each beat comes late: that long the loop served nobody else."""
    while True:
        due_s = time.monotonic() + _BEAT_S
        await asyncio.sleep(_BEAT_S)
        late_s.append(time.monotonic() - due_s)
