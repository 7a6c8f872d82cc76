"""pymodbus, its asyncio serial client."""

from __future__ import annotations

import asyncio

from pymodbus.client import AsyncModbusSerialClient

from hil.bench.clients.loop import measure, options


async def main() -> None:
    """Measure."""
    wanted = options()
    client = AsyncModbusSerialClient(wanted.port, baudrate=wanted.baud, stopbits=wanted.stop_bits, parity="N")
    if not await client.connect():
        raise RuntimeError(f"{wanted.port} does not open")

    async def read() -> int:
        return len((await client.read_holding_registers(0, count=wanted.registers, device_id=1)).registers)

    await measure(wanted, read, "pymodbus")
    client.close()


if __name__ == "__main__":
    asyncio.run(main())
