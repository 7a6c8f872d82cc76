"""Prints what a reading costs: ``python -m tests.agent.block.measure``. Process CPU time, best of five."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from agent.block.record import Columns
from agent.block.sequence import verify_sequence
from tests.agent.block.chains import Gateway, clock_at

POINTS = 40
BLOCKS = 60


def polled(mono_ms: int, count: int) -> Columns:
    """Five quantities of eight meters, eight readings in the same millisecond."""
    return Columns(
        mono_ms=tuple(mono_ms - 15 * ((count - 1 - at) // 8) for at in range(count)),
        points=tuple(at % POINTS for at in range(count)),
        values=tuple(23_000 + at % POINTS * 1000 + at * 37 % 90 for at in range(count)),
    )


def best_us(work: Callable[[], object]) -> float:
    """Least CPU time of five runs, in microseconds."""
    times = []
    for _ in range(5):
        begin = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - begin)
    return min(times) / 1000


def measured(count: int) -> tuple[float, float, float]:
    """Bytes, microseconds to seal and microseconds to verify, each a reading, at so many readings a block."""
    gateway = Gateway(kinds=[0] * POINTS)
    gateway.seal()
    clock, readings = clock_at(2_000_000), polled(1_999_990, count)

    def seal() -> None:
        for _ in range(BLOCKS):
            gateway.sealed.append(gateway.writer.seal(clock=clock, columns=readings))

    seal_us = best_us(seal) / BLOCKS / count
    messages = gateway.messages
    verify_us = best_us(lambda: verify_sequence(messages, gateway.trust)) / (len(messages) - 1) / count
    return len(messages[-1]) / count, seal_us, verify_us


def main() -> None:
    """One line for each block size."""
    sys.stdout.write("readings a block   B a reading   seal us a reading   verify us a reading\n")
    for count in (1, 10, 100, 500):
        size, seal_us, verify_us = measured(count)
        sys.stdout.write(f"{count:16}   {size:11.1f}   {seal_us:17.2f}   {verify_us:19.2f}\n")


if __name__ == "__main__":
    main()
