"""Every function code, judged by strangers: their requests are ours byte for byte, their servers and readers agree.

libmodbus (mbpoll) and minimalmodbus speak to a simulated device, and what they sent is compared with what our codec
builds for the same wish. pymodbus serves what the two cannot ask. tshark reads frames of ours.
"""

from __future__ import annotations

import asyncio
import csv
import io
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import minimalmodbus
import pytest
from pymodbus import FramerType, ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agent.clock import SystemClock, TimerfdPause
from drivers.codec import modbus_pdu
from drivers.codec.modbus_answer import WRITE_FUNCTIONS, Written, confirmation, is_written, parse_answer
from drivers.codec.modbus_pdu import ExceptionReply, ReadReply
from drivers.codec.modbus_rtu import encode
from drivers.codec.modbus_tcp import encode as encode_tcp
from drivers.line_opening import open_link
from drivers.profile import LineSettings, Table
from drivers.transport.pcap import PcapSink
from drivers.wire_protocol import AnyLink
from hil.characters import Characters
from hil.fixtures import need
from hil.ptys import PtyLine
from hil.sim.modbus import RtuDevice
from hil.sim.motion import still
from hil.sim.registers import Held, Image
from hil.wire import Exchange, Line

pytestmark = pytest.mark.peers

COIL, INPUT_BIT, HOLDING, INPUT = Table.COIL, Table.DISCRETE_INPUT, Table.HOLDING_REGISTER, Table.INPUT_REGISTER


def read(table: Table, address: int, count: int) -> bytes:
    return modbus_pdu.read_request(table, address, count)


def write(table: Table, address: int, *values: int, single: bool = False) -> bytes:
    return modbus_pdu.write_request(table, address, values, single=single)


def logged(log: list[Exchange]) -> Line:
    settings = Characters(baud=19200)
    return Line([RtuDevice(17, register_image(), settings=settings)], settings=settings, on_exchange=log.append)


def register_image() -> Image:
    """Thirty-two places in each table; coils and holding registers may be written."""
    held = [
        Held(
            name=f"t{table}.{address}",
            table=table,
            address=address,
            type="bit" if table < 3 else "u16",
            motion=still(address % 3 == 0 if table < 3 else 1000 * table + address),
            writable=table in (1, 3),
        )
        for table in (1, 2, 3, 4)
        for address in range(32)
    ]
    return Image(
        model="all tables",
        held=tuple(held),
        spans=tuple((t, 0, 31) for t in (1, 2, 3, 4)),
        source="made for this test",
    )


def agree(log: list[Exchange], *requests: bytes) -> None:
    """What a stranger sent is what we would have sent, and what came back we understand."""
    assert [exchange.request.hex(" ") for exchange in log] == [encode(17, pdu).hex(" ") for pdu in requests]
    for exchange, pdu in zip(log, requests, strict=True):
        answer = parse_answer(pdu, exchange.reply[1:-2])
        assert isinstance(answer, Written if is_written(pdu, exchange.reply[1:-2]) else ReadReply)


@pytest.mark.bus
def test_minimalmodbus_sends_what_we_send(on_pty: Callable[[Line], PtyLine]) -> None:
    log: list[Exchange] = []
    meter = minimalmodbus.Instrument(str(on_pty(logged(log)).path), 17)
    meter.serial.baudrate, meter.serial.timeout = 19200, 2
    assert meter.read_bits(3, 10, functioncode=1) == [int((3 + n) % 3 == 0) for n in range(10)]
    meter.read_bits(0, 7, functioncode=2)
    assert meter.read_registers(4, 3, functioncode=3) == [3004, 3005, 3006]
    assert meter.read_registers(9, 2, functioncode=4) == [4009, 4010]
    meter.write_bit(1, 1, functioncode=5)
    meter.write_bit(1, 0, functioncode=5)
    meter.write_register(5, 0xBEEF, functioncode=6)
    meter.write_bits(2, [1, 0, 1, 1, 0, 0, 0, 1, 1])
    meter.write_registers(7, [1, 2, 0xFFFF])
    assert meter.read_registers(5, 5) == [0xBEEF, 3006, 1, 2, 0xFFFF]
    agree(
        log,
        read(COIL, 3, 10), read(INPUT_BIT, 0, 7), read(HOLDING, 4, 3), read(INPUT, 9, 2),
        write(COIL, 1, 1, single=True), write(COIL, 1, 0, single=True), write(HOLDING, 5, 0xBEEF, single=True),
        write(COIL, 2, 1, 0, 1, 1, 0, 0, 0, 1, 1), write(HOLDING, 7, 1, 2, 0xFFFF), read(HOLDING, 5, 5),
    )  # fmt: skip


@pytest.mark.bus
def test_mbpoll_sends_what_we_send(on_pty: Callable[[Line], PtyLine]) -> None:
    program, log = need("mbpoll", "mbpoll"), list[Exchange]()
    path = str(on_pty(logged(log)).path)

    def poll(*arguments: str, values: tuple[str, ...] = ()) -> list[str]:
        told = [program, "-m", "rtu", "-a", "17", "-b", "19200", "-P", "none", "-o", "2", "-0", "-1", "-q"]
        done = subprocess.run(
            [*told, *arguments, path, *values], capture_output=True, text=True, timeout=30, check=True
        )
        return [row.split()[1] for row in done.stdout.splitlines() if row.startswith("[")]

    assert poll("-t", "0", "-r", "3", "-c", "4") == ["1", "0", "0", "1"]
    poll("-t", "1", "-r", "0", "-c", "9")
    assert poll("-t", "4", "-r", "2", "-c", "2") == ["3002", "3003"]
    assert poll("-t", "3", "-r", "30", "-c", "2") == ["4030", "4031"]
    poll("-t", "0", "-r", "4", values=("1",))
    poll("-t", "4", "-r", "6", values=("4660",))
    poll("-t", "0", "-r", "8", values=("1", "0", "1"))
    poll("-t", "4", "-r", "10", values=("7", "65535"))
    assert poll("-t", "4", "-r", "10", "-c", "2") == ["7", "65535"]
    agree(
        log,
        read(COIL, 3, 4), read(INPUT_BIT, 0, 9), read(HOLDING, 2, 2), read(INPUT, 30, 2),
        write(COIL, 4, 1, single=True), write(HOLDING, 6, 4660, single=True),
        write(COIL, 8, 1, 0, 1), write(HOLDING, 10, 7, 65535), read(HOLDING, 10, 2),
    )  # fmt: skip


@asynccontextmanager
async def pymodbus_server(framer: FramerType) -> AsyncIterator[int]:
    tables = (
        [SimData(0, values=[False] * 32, datatype=DataType.BITS)],
        [SimData(0, values=[True] * 32, datatype=DataType.BITS)],
        [SimData(0, values=[0x1000 + n for n in range(32)], datatype=DataType.REGISTERS)],
        [SimData(0, values=[0x2000 + n for n in range(32)], datatype=DataType.REGISTERS)],
    )
    identity = ModbusDeviceIdentification(  # type: ignore[no-untyped-call]  # pymodbus has no type there
        info_name={"VendorName": "Tide", "ProductCode": "TG", "MajorMinorRevision": "1", "VendorUrl": "u" * 200,
                   "ProductName": "n" * 200}
    )  # fmt: skip
    server = ModbusTcpServer(
        [SimDevice(id=17, simdata=tables)], identity=identity, framer=framer, address=("127.0.0.1", 0)
    )
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus has no type there


@asynccontextmanager
async def linked(framer: FramerType, port: int) -> AsyncIterator[AnyLink]:
    scheme = "tcp" if framer is FramerType.SOCKET else "rtu+tcp"
    pause = TimerfdPause()
    link = await open_link(
        f"{scheme}://127.0.0.1:{port}", LineSettings(baud=115200), echo=False, clock=SystemClock(), pause=pause,
        ascii_frames=framer is FramerType.ASCII,
    )  # fmt: skip
    try:
        yield link
        assert link.counters.noise_bytes == 0
    finally:
        await link.aclose()
        pause.close()


@pytest.mark.parametrize("framer", [FramerType.SOCKET, FramerType.RTU, FramerType.ASCII])
async def test_pymodbus_serves_every_function_in_every_framing(framer: FramerType) -> None:
    async with pymodbus_server(framer) as port, linked(framer, port) as link:

        async def ask(pdu: bytes) -> object:
            return parse_answer(pdu, await link.ask(17, pdu, timeout_s=2))

        assert await ask(read(COIL, 0, 9)) == ReadReply(data=b"\0\0")
        assert await ask(read(INPUT_BIT, 0, 9)) == ReadReply(data=b"\xff\1")
        assert await ask(read(HOLDING, 3, 2)) == ReadReply(data=b"\x10\x03\x10\x04")
        assert await ask(read(INPUT, 3, 1)) == ReadReply(data=b"\x20\x03")
        assert await ask(write(COIL, 3, 1, single=True)) == Written(function=5)
        assert await ask(write(HOLDING, 4, 0x00F5, single=True)) == Written(function=6)
        assert await ask(write(COIL, 5, 1, 0, 1)) == Written(function=15)
        assert await ask(write(HOLDING, 6, 6, 7)) == Written(function=16)
        assert await ask(modbus_pdu.mask_write_request(4, keep=0xF2, put=0x25)) == Written(function=22)
        assert await ask(read(COIL, 0, 8)) == ReadReply(data=bytes((0b10101000,)))
        both = modbus_pdu.read_write_request(4, 4, 7, [0xABCD])
        assert await ask(both) == ReadReply(data=bytes.fromhex("00F5 1005 0006 ABCD"))
        assert await ask(read(HOLDING, 99, 1)) == ExceptionReply(code=2)
        assert await _identity(link) == {0: b"Tide", 1: b"TG", 2: b"1", 3: b"u" * 200, 4: b"n" * 200}


async def _identity(link: AnyLink) -> dict[int, bytes]:
    """Read a stream that does not fit one reply, as 6.21 says: on from the object that is named next."""
    found: dict[int, bytes] = {}
    following: int | None = 0
    while following is not None:
        reply = await link.ask(17, modbus_pdu.identification_request(following, 2), timeout_s=2)
        found |= dict(modbus_pdu.parse_identification(reply))
        following = modbus_pdu.next_object(reply)
    return {number: text for number, text in found.items() if text}


def packet(port: int, other: int, sequence: int, data: bytes) -> bytes:
    """IPv4 and TCP headers by hand, so that tshark knows which side is the server."""
    tcp = struct.pack(">HHIIBBHHH", port, other, sequence, 1, 5 << 4, 0x18, 1024, 0, 0)
    size = 20 + len(tcp) + len(data)
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 1, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + tcp + data


def tshark(capture: Path, *names: str) -> list[dict[str, str]]:
    fields = [argument for name in names for argument in ("-e", name)]
    told = [
        need("tshark", "tshark"),
        "-r",
        str(capture),
        "-T",
        "fields",
        "-E",
        "header=y",
        "-E",
        "separator=/t",
        *fields,
    ]
    out = subprocess.run([*told, *fields], check=True, capture_output=True, text=True, timeout=60).stdout
    return list(csv.DictReader(io.StringIO(out), delimiter="\t"))


def test_tshark_reads_our_requests_and_confirmations(tmp_path: Path) -> None:
    """Requests as our codec builds them, and the replies that it takes for a confirmation."""
    pdus = [
        read(COIL, 1, 9), read(INPUT_BIT, 2, 8), read(HOLDING, 3, 7), read(INPUT, 4, 6),
        write(COIL, 3, 1, single=True), write(HOLDING, 4, 0x00F5, single=True), write(COIL, 5, 1, 0, 1),
        write(HOLDING, 6, 6, 7), modbus_pdu.mask_write_request(4, keep=0xF2, put=0x25),
        modbus_pdu.read_write_request(4, 3, 7, [0xABCD]), modbus_pdu.identification_request(0, 2),
    ]  # fmt: skip
    capture = tmp_path / "requests.pcap"
    with capture.open("wb") as file:
        sink, sequences = PcapSink(file, SystemClock(), link_type=101), {502: 1, 5000: 1}
        for number, pdu in enumerate(pdus, 1):
            replies = [confirmation(pdu)] if pdu[0] in WRITE_FUNCTIONS else []
            for port, other, body in ((5000, 502, pdu), *((502, 5000, reply) for reply in replies)):
                data = encode_tcp(number, 17, body)
                sink.sent(packet(port, other, sequences[port], data))
                sequences[port] += len(data)
    names = (
        "func_code", "reference_num", "word_cnt", "bit_cnt", "read_reference_num", "read_word_cnt",
        "write_reference_num", "write_word_cnt", "and_mask", "or_mask",
    )  # fmt: skip
    rows = tshark(capture, "tcp.dstport", "_ws.malformed", *(f"modbus.{name}" for name in names))
    assert not [row for row in rows if row["_ws.malformed"]]
    asked = [row for row in rows if row["tcp.dstport"] == "502"]
    assert [int(row["modbus.func_code"]) for row in asked] == [1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43]
    assert [row["modbus.reference_num"] for row in asked] == ["1", "2", "3", "4", "3", "4", "5", "6", "4", "", ""]
    assert [row["modbus.bit_cnt"] for row in asked[:2]] == ["9", "8"]
    assert [row["modbus.word_cnt"] for row in asked[2:4]] == ["7", "6"]
    assert (asked[6]["modbus.bit_cnt"], asked[7]["modbus.word_cnt"]) == ("3", "2")
    assert [int(asked[8][f"modbus.{name}_mask"], 16) for name in ("and", "or")] == [0xF2, 0x25]
    assert [asked[9][f"modbus.{name}"] for name in names[4:8]] == ["4", "3", "7", "1"]
    answered = [row for row in rows if row["tcp.dstport"] == "5000"]
    assert [(int(row["modbus.func_code"]), row["modbus.reference_num"]) for row in answered] == [
        (5, "3"), (6, "4"), (15, "5"), (16, "6"), (22, "4")
    ]  # fmt: skip
