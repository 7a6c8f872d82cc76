"""Programs that nobody here wrote read the simulator and get what it holds; the rig catches one that breaks t3.5."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from decimal import Decimal

import minimalmodbus
import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from hil.characters import Characters
from hil.fixtures import need
from hil.ptys import PtyLine
from hil.sim.images import IMAGES, freeze
from hil.sim.modbus import RtuDevice
from hil.sim.registers import Image
from hil.sim.tcp import REGISTERS, start_fleet
from hil.wire import Exchange, Line

pytestmark = [pytest.mark.bus, pytest.mark.peers]

POLL = ["-m", "rtu", "-b", "9600", "-P", "none", "-s", "1", "-o", "2", "-0", "-1", "-q"]


def still(model: str, seed: int) -> Image:
    """The image of a model, standing still, so that two readings can be compared."""
    image = IMAGES[model](str(seed))
    return freeze(image, {held.name: held.motion(100.0) for held in image.held})


def line_of(*models: str, seed: int, baud: int = 9600, log: list[Exchange] | None = None) -> Line:
    settings = Characters(baud=baud)
    devices = [
        RtuDevice(unit, still(model, seed), settings=settings, turnaround_ns=2_000_000)
        for unit, model in enumerate(models, 1)
    ]
    return Line(devices, settings=settings, on_exchange=None if log is None else log.append)


def told(log: list[Exchange]) -> dict[str, Decimal]:
    return {name: Decimal(value) for exchange in log for name, value in exchange.held}


def test_minimalmodbus_reads_every_type_of_number(on_pty: Callable[[Line], PtyLine], seed: int) -> None:
    line = line_of("eastron/sdm120", "peacefair/pzem-004t", "renke/soil-4in1", "waveshare/relay-8ch", seed=seed)
    path = str(on_pty(line).path)
    meter, pzem, soil, relays = (minimalmodbus.Instrument(path, unit) for unit in (1, 2, 3, 4))
    for one in (meter, pzem, soil, relays):
        one.serial.baudrate = 9600
        one.serial.timeout = 2
    images = [device.image for device in line.stations if isinstance(device, RtuDevice)]
    for held in images[0].held:
        assert meter.read_float(held.address, functioncode=4) == pytest.approx(float(held.value(0)), rel=1e-7)
    energy = next(held for held in images[1].held if held.name == "energy.active.import")
    words = pzem.read_registers(energy.address, 2, functioncode=4)
    assert words[0] + (words[1] << 16) == energy.value(0)
    for held in images[2].held:
        assert soil.read_register(held.address, signed=held.type == "s16") * held.scale == held.value(0)
    assert relays.read_bits(0, 8, functioncode=2) == [int(h.value(0)) for h in images[3].held if h.table == 2]
    with pytest.raises(minimalmodbus.IllegalRequestError):
        meter.read_register(400, functioncode=4)
    assert line.counters.inside_silence == 0


def test_mbpoll_reads_floats_registers_and_bits(on_pty: Callable[[Line], PtyLine], seed: int) -> None:
    program = need("mbpoll", "mbpoll")
    line = line_of("eastron/sdm120", "generic/xy-md02", "waveshare/relay-8ch", seed=seed)
    path = str(on_pty(line).path)

    def poll(*arguments: str) -> list[str]:
        done = subprocess.run(
            [program, *POLL, *arguments, path],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        return [row.split()[1] for row in done.stdout.splitlines() if row.startswith("[")]

    meter, air, relays = (device.image for device in line.stations if isinstance(device, RtuDevice))
    voltage = next(held for held in meter.held if held.name == "voltage")
    assert float(poll("-a", "1", "-t", "3:float", "-B", "-r", "0")[0]) == pytest.approx(
        float(voltage.value(0)), rel=1e-5
    )
    assert poll("-a", "2", "-t", "3", "-r", "1", "-c", "2") == [
        str(held.raw(0)) for held in air.held if held.table == 4
    ]  # fmt: skip
    assert poll("-a", "3", "-t", "1", "-r", "0", "-c", "8") == [
        str(held.raw(0)) for held in relays.held if held.table == 2
    ]  # fmt: skip


async def test_the_pymodbus_client_reads_a_block_and_the_rig_catches_it_inside_the_silence(
    on_pty: Callable[[Line], PtyLine], seed: int
) -> None:
    log: list[Exchange] = []
    line = line_of("chint/dtsu666", seed=seed, log=log)
    client = AsyncModbusSerialClient(str(on_pty(line).path), baudrate=9600, timeout=2)
    assert await client.connect()
    try:
        for _ in range(20):
            reply = await client.read_holding_registers(8198, count=10, device_id=1)
            assert not reply.isError()
    finally:
        client.close()
    values = client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32)
    scales = [Decimal("0.1")] * 3 + [Decimal("0.001")] * 2
    expected = [told(log)[name] for name in ("voltage.l1", "voltage.l2", "voltage.l3", "current.l1", "current.l2")]
    assert isinstance(values, list)
    assert [float(value) * float(scale) for value, scale in zip(values, scales, strict=True)] == pytest.approx(
        [float(value) for value in expected], rel=1e-6
    )
    assert line.counters.inside_silence >= 10  # it keeps no silence at all: 9 of 10 were measured
    assert not log[0].inside_silence


async def test_pymodbus_reads_the_tcp_devices_and_each_read_is_counted(seed: int) -> None:
    fleet = await start_fleet(3, 0, seed)
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2) for port in fleet.ports]
    try:
        seen = []
        for client in clients:
            assert await client.connect()
            for _ in range(4):
                reply = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
                assert len(reply.registers) == REGISTERS
                seen.append((reply.registers[0] << 16) + reply.registers[1])
        assert seen == list(range(1, 13))
        assert (await clients[0].read_holding_registers(99, count=2, device_id=1)).exception_code == 2
        assert (await clients[0].read_input_registers(0, count=2, device_id=1)).exception_code == 1
        assert fleet.counters.sequence == 12
        assert fleet.counters.refused == 2
    finally:
        for client in clients:
            client.close()
        for server in fleet.servers:
            server.close()
        await asyncio.sleep(0)
