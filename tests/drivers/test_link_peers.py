"""Our requests, judged by programs that nobody here wrote: pymodbus's servers answer them, tshark reads them."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import subprocess
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agent.clock import SystemClock, TimerfdPause
from drivers.codec import modbus_answer, modbus_pdu
from drivers.codec.framing import Noise
from drivers.codec.modbus_rtu import RtuStreamDecoder, encode
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.link_tcp import open_tcp_link
from drivers.profile import LineSettings, Table
from drivers.sources import Line
from drivers.transport.memory import pipe
from drivers.transport.pcap import PcapSink
from drivers.transport.serial import open_serial
from drivers.transport.tap import Tap
from hil.fixtures import need

pytestmark = pytest.mark.peers

LINE = LineSettings(baud=19200)
UNITS = (1, 17, 247)
HOLDING = [0x1000 + n for n in range(200)]
INPUT = [0xF000 + n for n in range(200)]
COILS = [n % 3 == 0 for n in range(64)]
INPUTS = [n % 5 == 0 for n in range(64)]


IDENTITY = ModbusDeviceIdentification(  # type: ignore[no-untyped-call]  # pymodbus has no type there
    info_name={"VendorName": "Tide", "ProductCode": "TG-1", "MajorMinorRevision": "2.0"}
)


def devices() -> list[SimDevice]:
    return [
        SimDevice(
            id=unit,
            simdata=(
                [SimData(0, values=list(COILS), datatype=DataType.BITS)],
                [SimData(0, values=list(INPUTS), datatype=DataType.BITS)],
                [SimData(0, values=[unit, *HOLDING[1:]], datatype=DataType.REGISTERS)],
                [SimData(0, values=list(INPUT), datatype=DataType.REGISTERS)],
            ),
        )
        for unit in UNITS
    ]


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[str, str]]:
    """Two ports, each the other's far end."""
    loop = asyncio.get_running_loop()
    sides: list[int] = []
    paths: list[str] = []
    for _ in range(2):
        side, port = os.openpty()
        tty.setraw(port)
        sides.append(side)
        paths.append(os.ttyname(port))
        sides.append(port)  # held open: a pty that nobody has open is a pulled plug
    one, _, other, _ = sides
    loop.add_reader(one, lambda: os.write(other, os.read(one, 4096)))
    loop.add_reader(other, lambda: os.write(one, os.read(other, 4096)))
    try:
        yield paths[0], paths[1]
    finally:
        loop.remove_reader(one)
        loop.remove_reader(other)
        for side in sides:
            os.close(side)


def registers(pdu: bytes) -> list[int]:
    return [pdu[n] << 8 | pdu[n + 1] for n in range(2, len(pdu), 2)]


def bits(pdu: bytes, count: int) -> list[bool]:
    return [bool(pdu[2 + n // 8] >> n % 8 & 1) for n in range(count)]


async def judge(line: Line) -> None:
    """Read each table and write, at several lengths, and compare with what the server holds."""
    for unit in UNITS:
        for address, count in ((0, 1), (3, 7), (0, 125), (199, 1)):
            got = await line.ask(unit, modbus_pdu.read_request(Table.HOLDING_REGISTER, address, count), timeout_s=2)
            assert registers(got) == [unit, *HOLDING[1:]][address : address + count]
            got = await line.ask(unit, modbus_pdu.read_request(Table.INPUT_REGISTER, address, count), timeout_s=2)
            assert registers(got) == INPUT[address : address + count]
    for count in (1, 8, 9, 64):
        got = await line.ask(1, modbus_pdu.read_request(Table.COIL, 0, count), timeout_s=2)
        assert bits(got, count) == COILS[:count]
        got = await line.ask(1, modbus_pdu.read_request(Table.DISCRETE_INPUT, 0, count), timeout_s=2)
        assert bits(got, count) == INPUTS[:count]
    refused = await line.ask(1, modbus_pdu.read_request(Table.HOLDING_REGISTER, 5000, 1), timeout_s=2)
    assert modbus_pdu.exception_name(refused[1]) == "illegal address"
    for table, values, single in (
        (Table.HOLDING_REGISTER, [0xBEEF], True),
        (Table.HOLDING_REGISTER, [1, 2, 3], False),
        (Table.COIL, [1], True),
        (Table.COIL, [1, 1, 0, 1, 1, 0, 1, 1, 1], False),
    ):
        request = modbus_pdu.write_request(table, 20, values, single=single)
        assert modbus_answer.is_written(request, await line.ask(17, request, timeout_s=2))
        got = await line.ask(17, modbus_pdu.read_request(table, 20, len(values)), timeout_s=2)
        assert (bits(got, len(values)) if table.is_bits else registers(got)) == values
    identity = await line.ask(1, modbus_pdu.identification_request(), timeout_s=2)
    assert modbus_pdu.parse_identification(identity) == ((0, b"Tide"), (1, b"TG-1"), (2, b"2.0"))


async def test_pymodbus_answers_our_requests_on_a_serial_line() -> None:
    async with joined() as (ours, theirs):
        server = ModbusSerialServer(devices(), identity=IDENTITY, port=theirs, baudrate=19200, parity="N")
        await server.serve_forever(background=True)
        pause = TimerfdPause()
        link = Link(await open_serial(ours, LINE), name=ours, clock=SystemClock(), pause=pause, line=LINE)
        try:
            await judge(RtuLink(link))
            assert link.counters.noise_bytes == 0
        finally:
            await link.aclose()
            pause.close()
            await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus has no type there


async def test_pymodbus_answers_our_requests_over_tcp() -> None:
    server = ModbusTcpServer(devices(), identity=IDENTITY, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    port = server.transport.sockets[0].getsockname()[1]
    link = await open_tcp_link("127.0.0.1", port)
    try:
        await judge(link)
        assert link.counters.noise_bytes == 0
    finally:
        await link.aclose()
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus has no type there


def frames(data: bytes) -> list[bytes]:
    """Cut what came in into frames and what is none."""
    decoder = RtuStreamDecoder()
    return [event.raw for event in (*decoder.feed(data), *decoder.flush()) if not isinstance(event, Noise)]


def tshark(capture: Path) -> list[dict[str, str]]:
    """What tshark makes of each packet."""
    names = (
        "mbrtu.unit_id",
        "modbus.func_code",
        "modbus.regval_uint16",
        "modbus.exception_code",
        "mbrtu.crc16.status",
    )
    told = [
        need("tshark", "tshark"), "-r", str(capture), "-T", "fields", "-E", "header=y", "-E", "separator=/t",
        "-o", 'uat:user_dlts:"User 0 (DLT=147)","mbrtu","0","","0",""', "-o", "mbrtu.crc_verification:TRUE",
        *(argument for name in names for argument in ("-e", name)),
    ]  # fmt: skip
    out = subprocess.run(told, check=True, capture_output=True, text=True, timeout=60).stdout
    return list(csv.DictReader(io.StringIO(out), delimiter="\t"))


async def test_tshark_reads_a_capture_written_by_the_tap(tmp_path: Path) -> None:
    need("tshark", "tshark")
    near, far = pipe()
    capture = tmp_path / "line.pcap"
    loop = asyncio.get_running_loop()
    answers = [
        b"\xff" + encode(17, bytes.fromhex("03 04 12 34 AB CD")),
        encode(17, bytes.fromhex("83 02")),
        encode(17, bytes.fromhex("04 02 00 07")),
    ]

    async def answer() -> None:
        for data in answers:
            await far.read()
            far.write(data)

    with capture.open("wb") as file:
        sink = PcapSink(file, SystemClock(), split=frames)
        pause = TimerfdPause()
        link = Link(Tap(near, sink), name="line", clock=SystemClock(), pause=pause, line=None)
        peer = loop.create_task(answer())
        line = RtuLink(link)
        await line.ask(17, modbus_pdu.read_request(Table.HOLDING_REGISTER, 100, 2), timeout_s=1)
        await line.ask(17, modbus_pdu.read_request(Table.HOLDING_REGISTER, 9999, 1), timeout_s=1)
        await line.ask(17, modbus_pdu.read_request(Table.INPUT_REGISTER, 3, 1), timeout_s=1)
        await peer
        sink.finish()
        pause.close()
    seen = await loop.run_in_executor(None, tshark, capture)
    assert [row["mbrtu.unit_id"] for row in seen] == ["17"] * 6
    assert {row["mbrtu.crc16.status"] for row in seen} == {"1"}  # good
    assert [row["modbus.func_code"] for row in seen] == ["3", "3", "3", "3", "4", "4"]
    assert [row["modbus.regval_uint16"] for row in seen] == ["", "4660,43981", "", "", "", "7"]
    assert [row["modbus.exception_code"] for row in seen] == ["", "", "", "2", "", ""]
