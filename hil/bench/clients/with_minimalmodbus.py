"""minimalmodbus, called in an event loop as a program that has one would: it blocks."""

from __future__ import annotations

import asyncio

import minimalmodbus

from hil.bench.clients.loop import measure, options


async def main() -> None:
    """Measure."""
    wanted = options()
    device = minimalmodbus.Instrument(wanted.port, 1)
    device.serial.baudrate = wanted.baud
    device.serial.stopbits = wanted.stop_bits
    device.serial.timeout = 1.0

    async def read() -> int:
        values = device.read_registers(0, wanted.registers)
        await asyncio.sleep(0)
        return len(values)

    await measure(wanted, read, "minimalmodbus")


if __name__ == "__main__":
    asyncio.run(main())
