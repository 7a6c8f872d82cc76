"""Our own link, on the clock and the exact pause of the agent.

The one file of ``hil`` that imports them (pyproject.toml and tests/test_architecture.py name it): it is the client
under measurement, and no simulator is in its process.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Mapping

from agent.clock import SystemClock, TimerfdPause
from drivers.adapter import Adapter, Direction, SendingEnd
from drivers.line_opening import open_link
from drivers.profile import LineSettings
from hil.bench.clients.loop import measure, options


async def main() -> None:
    """Measure; keys of ``[[bus]]`` may follow, such as ``rs485=rts``."""
    wanted = options()
    keys = dict(word.split("=", 1) for word in sys.argv[6:])
    line = LineSettings(baud=wanted.baud, stop_bits=wanted.stop_bits)
    link = await open_link(
        wanted.port,
        line,
        echo=keys.get("echo") == "true",
        clock=SystemClock(),
        pause=TimerfdPause(),
        adapter=_adapter(keys),
    )
    pdu = struct.pack(">BHH", 3, 0, wanted.registers)

    async def read() -> int:
        return (len(await link.ask(1, pdu, timeout_s=0.2)) - 2) // 2

    await measure(wanted, read, "tidegate")
    if link.counters.echo_missing:
        print("echo-missing: what is sent does not come back", file=sys.stderr)
    await link.aclose()


def _adapter(keys: Mapping[str, str]) -> Adapter:
    latency = keys.get("latency_ms")
    return Adapter(
        exclusive=keys.get("exclusive") != "false",
        direction=Direction(keys.get("rs485", "auto")),
        latency_ms=None if latency is None else int(latency),
        sending_end=SendingEnd(keys.get("drain", "reckon")),
    )


if __name__ == "__main__":
    asyncio.run(main())
