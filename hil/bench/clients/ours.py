"""Our own link, on the clock and the exact pause of the agent.

The one file of ``hil`` that imports them (pyproject.toml and tests/test_architecture.py name it): it is the client
under measurement, and no simulator is in its process.
"""

from __future__ import annotations

import asyncio
import struct

from agent.clock import SystemClock, TimerfdPause
from drivers.line_opening import open_link
from drivers.profile import LineSettings
from hil.bench.clients.loop import measure, options


async def main() -> None:
    """Measure."""
    wanted = options()
    line = LineSettings(baud=wanted.baud, stop_bits=wanted.stop_bits)
    link = await open_link(wanted.port, line, echo=False, clock=SystemClock(), pause=TimerfdPause())
    pdu = struct.pack(">BHH", 3, 0, wanted.registers)

    async def read() -> int:
        return (len(await link.ask(1, pdu, timeout_s=0.2)) - 2) // 2

    await measure(wanted, read, "tidegate")
    await link.aclose()


if __name__ == "__main__":
    asyncio.run(main())
