"""tmodbus, asyncio; needs Python 3.12, so it runs under an interpreter of its own that has it."""

from __future__ import annotations

import asyncio

from loop import measure, options  # type: ignore[import-not-found]
from tmodbus import create_async_rtu_client  # type: ignore[import-not-found]


async def main() -> None:
    """Measure."""
    wanted = options()
    client = create_async_rtu_client(
        wanted.port, unit_id=1, baudrate=wanted.baud, stopbits=wanted.stop_bits, parity="N", bytesize=8
    )
    await client.connect()

    async def read() -> int:
        return len(await client.read_holding_registers(0, wanted.registers))

    await measure(wanted, read, "tmodbus")
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
