"""Ports by their names: what they mean, and that each way there is carries Modbus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.codec import modbus_pdu
from drivers.decode import decode_exchange
from drivers.errors import LinkDownError
from drivers.line_opening import open_link, open_stream
from drivers.port_url import PortUrl, Way, framing_of, read_port, way_of
from drivers.profile import Framing, LineSettings, Table
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.modbus import ModbusDevice
from drivers.registry import build_device
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim.ascii import AsciiDevice
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.wire import Line

_VECTORS = json.loads((Path(__file__).parent.parent / "vectors/modbus/ascii.json").read_text(encoding="utf-8"))
_REQUEST = modbus_pdu.read_request(Table.INPUT_REGISTER, 1, 2)


@pytest.mark.parametrize(
    ("port", "url"),
    [
        ("/dev/ttyUSB0", PortUrl(way=Way.SERIAL, path="/dev/ttyUSB0")),
        ("tcp://10.0.0.5", PortUrl(way=Way.TCP, host="10.0.0.5", number=502)),
        ("TCP://meter:1502", PortUrl(way=Way.TCP, host="meter", number=1502)),
        ("rtu+tcp://10.0.0.5:4001", PortUrl(way=Way.RTU_TCP, host="10.0.0.5", number=4001)),
        ("rfc2217://[::1]:7000", PortUrl(way=Way.RFC2217, host="::1", number=7000)),
    ],
)
def test_what_a_port_means(port: str, url: PortUrl) -> None:
    assert read_port(port) == url


@pytest.mark.parametrize(
    "port",
    [
        "udp://h:1", "rtu+tcp://h", "rfc2217://h", "rfc2217://:7000", "rtu+tcp://h:99999", "rtu+tcp://h:1/x",
        "rfc2217://h:1?logging=debug", "rfc2217://user@h:1", "rtu+tcp://h:x", "tcp://", "tcp://h:1#x",
    ],
)  # fmt: skip
def test_what_is_no_port_is_one_sentence(port: str) -> None:
    with pytest.raises(LinkDownError, match="not of the form"):
        read_port(port)


def test_the_framing_follows_from_the_port() -> None:
    assert way_of("udp://x:1") is None
    assert framing_of("tcp://h:1", ascii_frames=True) is Framing.TCP
    assert framing_of("rtu+tcp://h:1") is Framing.RTU
    assert framing_of("rfc2217://h:1", ascii_frames=True) is Framing.ASCII
    assert framing_of("/dev/ttyS0") is Framing.RTU


@asynccontextmanager
async def _converter(line: Line) -> AsyncIterator[int]:
    """A serial converter on the loopback that passes the bytes of ``line`` through."""
    stream, over = LineStream(line), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def up() -> None:
            while True:
                writer.write(await stream.read())

        async with asyncio.TaskGroup() as group:
            upwards = group.create_task(up())
            while data := await reader.read(4096):
                stream.write(data)
            upwards.cancel()
        writer.close()
        await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await over.wait()
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.bus
@pytest.mark.parametrize("ascii_frames", [False, True])
async def test_a_device_behind_a_converter_is_read(ascii_frames: bool) -> None:
    """The scenario of RTU over TCP and of Modbus ASCII: a real profile, paced characters, values that are right."""
    settings = Characters(baud=19200, data_bits=7, parity="E") if ascii_frames else Characters(baud=19200)
    image = IMAGES["generic/xy-md02"]("1")
    make: Callable[..., RtuDevice] = AsciiDevice if ascii_frames else RtuDevice
    line = Line([make(1, image, settings=settings)], settings=settings, step=16)
    pause, clock = TimerfdPause(), SystemClock()
    profile = load_profile(find_profile("generic/xy-md02", builtin_roots()))
    async with _converter(line) as number:
        link = await open_link(
            f"rtu+tcp://127.0.0.1:{number}",
            LineSettings(baud=19200),
            echo=False,
            clock=clock,
            pause=pause,
            ascii_frames=ascii_frames,
        )
        device = build_device("modbus", index=0, unit=1, profile=profile, link=link, clock=clock)
        assert isinstance(device, ModbusDevice)
        (read,) = device.reads
        assert read.reply_bytes == (19 if ascii_frames else 9)
        for _ in range(5):
            batch = await device.read(read)
            held = [held for held in image.held if held.name in ("temperature", "humidity")]
            assert all(isinstance(value, int) for value in batch.values)
            assert [abs(int(v or 0) - int(h.value(0) * 10)) <= 60 for v, h in zip(batch.values, held, strict=True)]
        assert link.counters.exchanges == link.counters.replies == 5
        assert line.counters.inside_silence == 0
        await link.aclose()
    pause.close()


async def test_a_line_as_bytes_is_no_modbus_tcp_server() -> None:
    with pytest.raises(LinkDownError, match="no serial line"):
        await open_stream("tcp://127.0.0.1:1", LineSettings())


@pytest.mark.parametrize("port", ["rtu+tcp://127.0.0.1:1", "rfc2217://127.0.0.1:1", "tcp://127.0.0.1:1"])
async def test_nobody_there_is_a_link_that_is_down(port: str) -> None:
    pause = TimerfdPause()
    with pytest.raises(LinkDownError, match="refused"):
        await open_link(port, LineSettings(), echo=False, clock=SystemClock(), pause=pause)
    pause.close()


@pytest.mark.parametrize("vector", _VECTORS, ids=[v["id"] for v in _VECTORS])
def test_published_ascii_exchanges(vector: dict) -> None:  # type: ignore[type-arg]  # as JSON has it
    decoded = decode_exchange(
        "modbus-ascii", bytes.fromhex(vector["request"]), bytes.fromhex(vector["response"]), vector["context"]
    )
    assert [(q.quantity, q.json_value(), q.unit) for q in decoded.quantities] == [
        (e["quantity"], e["value"], e["unit"]) for e in vector["expect"]
    ]
    damaged = bytearray.fromhex(vector["response"])
    for at in range(len(damaged)):
        damaged[at] ^= 1
        assert decode_exchange("modbus-ascii", bytes.fromhex(vector["request"]), bytes(damaged)).quantities == ()
        damaged[at] ^= 1
