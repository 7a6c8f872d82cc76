"""IEC 62056-21 where the meter goes on by itself: modes A and B behind the identification, mode D without a word."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drivers.errors import ChecksumError, FrameError, NoReplyError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device
from drivers.wire_protocol import LinkedDevice
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim.iec62056_21 import LINE, checked
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Line, Reply

pytestmark = pytest.mark.bus

READOUT = checked("0.0.0(12345678)\r\n1.8.0(000123.456*kWh)\r\n32.7.0(230.1*V)\r\n!\r\n")
_NEVER_NS = 1 << 62
_TURNAROUND_NS = 200_000_000
TELEGRAM = b"/HAG5eHZ\r\n\r\n1-0:0.0.0*255(42)\r\n1-0:1.8.0*255(000001.2963*kWh)\r\n!\r\n"


class SelfSpeaking:
    """Answers a sign-on and sends its readout ``after_s`` behind the identification."""

    def __init__(self, identification: bytes, readout: Characters, after_s: float) -> None:
        self.settings: Characters = LINE
        self.due_ns = _NEVER_NS
        self._identification = identification
        self._readout = readout
        self._after_ns = round(after_s * 1e9)

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        if frame != b"/?!\r\n":
            return None
        self.due_ns = now_ns + _TURNAROUND_NS + LINE.duration_ns(len(self._identification)) + self._after_ns
        return Reply(data=self._identification, delay_ns=_TURNAROUND_NS)

    def speak(self, now_ns: int) -> Reply:  # noqa: ARG002
        self.due_ns = _NEVER_NS
        return Reply(data=READOUT, settings=self._readout)

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002
        return None


def bench(model: str, station: SelfSpeaking | None = None, portion: int = 1) -> tuple[LinkedDevice, LineStream]:
    clock = VirtualClock(here())
    profile = load_profile(find_profile(model, builtin_roots()))
    stations = [] if station is None else [station]
    stream = LineStream(Line(stations, speakers=stations, settings=LINE, step=portion))
    link = Link(stream, name="head", clock=clock, pause=VirtualPause(clock), line=profile.line)
    device = build_device(
        profile.protocol, index=0, unit=0, address="ANY", profile=profile, link=RtuLink(link), clock=clock
    )
    return device, stream


async def read(device: LinkedDevice) -> dict[int, object]:
    (once,) = device.reads
    batch = await device.read(once)
    both = zip(batch.points, batch.values, batch.statuses, strict=True)
    return {point: value for point, value, status in both if not is_bad(status)}


@pytest.mark.parametrize(
    ("identification", "readout"),
    [(b"/ABC!METER\r\n", LINE), (b"/ABCEMETER\r\n", replace(LINE, baud=9600))],
    ids=["mode A", "mode B"],
)
@virtual
async def test_a_readout_that_follows_by_itself_is_taken(identification: bytes, readout: Characters) -> None:
    device, _ = bench("generic/iec62056-readout", SelfSpeaking(identification, readout, 0.25))
    for _ in range(2):
        said = await read(device)
        assert sorted(said.values(), key=str) == [123456, "12345678", 2301]


@pytest.mark.parametrize("portion", [1, 3, 16, 64])
@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.2])
@virtual
async def test_a_readout_that_follows_at_once_in_mode_a_loses_no_byte(after_s: float, portion: int) -> None:
    device, _ = bench("generic/iec62056-readout", SelfSpeaking(b"/ABC!METER\r\n", LINE, after_s), portion)
    for _ in range(2):
        said = await read(device)
        assert sorted(said.values(), key=str) == [123456, "12345678", 2301]


@virtual
async def test_a_telegram_of_mode_d_is_taken_when_it_comes() -> None:
    device, stream = bench("generic/iec62056-push")
    asyncio.get_running_loop().call_later(3.0, stream.disturb, TELEGRAM)
    assert sorted((await read(device)).values(), key=str) == [1296, "42"]


@virtual
async def test_a_telegram_with_a_wrong_crc_is_no_reading() -> None:
    device, stream = bench("generic/iec62056-push")
    asyncio.get_running_loop().call_later(3.0, stream.disturb, TELEGRAM.replace(b"!\r\n", b"!0000\r\n"))
    with pytest.raises(ChecksumError):
        await read(device)


@virtual
async def test_a_telegram_that_breaks_off_is_no_reading() -> None:
    device, stream = bench("generic/iec62056-push")
    asyncio.get_running_loop().call_later(3.0, stream.disturb, TELEGRAM[:-8])
    with pytest.raises(FrameError):
        await read(device)


@virtual
async def test_a_meter_that_sends_nothing_is_silent() -> None:
    device, _ = bench("generic/iec62056-push")
    with pytest.raises(NoReplyError):
        await read(device)
