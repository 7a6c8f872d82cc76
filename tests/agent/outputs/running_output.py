"""An HJ 212 output that runs toward a bureau on loopback, with short time-outs and a station that is polled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.outputs.hj212 import Bureau as Output
from agent.outputs.hj212_book import OffLoop
from agent.outputs.hj212_settings import BureauSettings, Hj212Output
from hil.hj212_bureau import Bureau, packet
from tests.agent.outputs.bureau_site import MN, STATION, FastClock, readings

FAST = 20.0
"""Seconds of the bureau's time in one of ours."""


class Eager(random.Random):
    """Waits little."""

    def uniform(self, a: float, b: float) -> float:
        return min(b, a + 0.1)


@asynccontextmanager
async def running(
    settings: Hj212Output,
    folder: Path,
    clock: FastClock,
    *,
    polls: bool = True,
    off_loop: OffLoop = asyncio.to_thread,
) -> AsyncIterator[Output]:
    """Run an output whose station is polled all the time."""
    output = Output(settings, folder, clock=clock, rng=Eager(), off_loop=off_loop)
    output.prepare()
    output.register((STATION,))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(output.run())]
        if polls:
            tasks.append(group.create_task(_poll(output)))
        try:
            yield output
        finally:
            for task in tasks:
                task.cancel()


async def _poll(output: Output) -> None:
    while True:
        output.take(readings(3600, 405))
        await asyncio.sleep(0.03)


def quick(minute_s: int = 4, **changes: object) -> BureauSettings:
    words: dict[str, object] = {"overtime_s": 3.0, "recount": 2, "realtime_s": 0.5, "minute_s": minute_s, **changes}
    return BureauSettings(**words)  # type: ignore[arg-type]


def starts(bureau: Bureau, command: str = "2051") -> list[str]:
    return sorted(bureau.stored(command))


def request(command: str, area: str = "", *, qn: str = "20250101000000001", **instead: str) -> bytes:
    """Make a packet of the bureau."""
    fields = {"QN": qn, "ST": "32", "CN": command, "PW": "123456", "MN": MN, "Flag": "5", **instead}
    return packet("".join(f"{name}={value};" for name, value in fields.items()) + f"CP=&&{area}&&")


def answers(bureau: Bureau, *commands: str) -> list[tuple[str, str]]:
    """Give command and area of what the bureau was answered, the last answers if no others are named."""
    return [(one.head("CN"), one.area) for one in bureau.heard if one.head("CN") in (commands or ("9012", "9013"))]


def kept(settings: Hj212Output, folder: Path) -> BureauSettings:
    """Give what is in force after a restart."""
    again = Output(settings, folder, clock=FastClock(), rng=random.Random(1))
    again.prepare()
    return again._book.settings
