"""A station on a paced serial line: what the wire damages is no reading and is not acknowledged."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from drivers.batch import Batch
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.registry import build_device
from drivers.wire_protocol import LinkedDevice
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim.hj212 import Station, Upload, period, realtime
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Line, Reply

pytestmark = pytest.mark.bus


class Logger:
    """A station on the wire; pushes are put there by the test, acknowledgements are heard here."""

    def __init__(self) -> None:
        self.settings = Characters()
        self.station = Station()

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002
        self.station.hear(frame)
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002
        return None


def bench() -> tuple[LinkedDevice, Logger, LineStream]:
    clock, logger = VirtualClock(here()), Logger()
    profile = load_profile(find_profile("generic/hj212-water", builtin_roots()))
    stream = LineStream(Line([logger], settings=logger.settings))
    link = Link(stream, name="rs485-a", clock=clock, pause=VirtualPause(clock), line=profile.line)
    device = build_device("hj212", index=0, unit=0, address="ANY", profile=profile, link=RtuLink(link), clock=clock)
    return device, logger, stream


async def cycle(device: LinkedDevice, seconds: int) -> list[Batch]:
    """Do what the schedule does: every read, every two seconds."""
    found = []
    for _ in range(seconds // 2):
        for read in device.reads:
            batch = await device.read(read)
            if batch.points:
                found.append(batch)
        await asyncio.sleep(0.1)
    return found


def push(stream: LineStream, logger: Logger, upload: Upload, dice: Random | None = None) -> list[str]:
    """Put the packets of an upload on the wire, a byte of each flipped if there are dice."""
    numbers = []
    for qn, data in logger.station.packets(upload):
        if dice is not None:
            at = dice.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << dice.randrange(7)]) + data[at + 1 :]  # noqa: PLW2901
        stream.disturb(data)
        numbers.append(qn)
    return numbers


@virtual
async def test_uploads_between_and_within_reads_are_taken_and_acknowledged() -> None:
    device, logger, stream = bench()
    loop = asyncio.get_running_loop()
    asked: list[str] = []

    def tell(upload: Upload) -> None:
        asked.extend(push(stream, logger, upload))

    now = realtime("20260101080000", {"w01018": ("40.5", "N")})
    loop.call_later(0.7, tell, now)
    for number in range(3):
        past = period("2051", f"202601010{7}{number}000", {"w01018": ("1.0", f"{number}.0", "9.0")})
        loop.call_later(3.0 + 2.35 * number, tell, past)
    batches = await cycle(device, 30)
    assert len(batches) == 4
    assert sorted(logger.station.acknowledged) == sorted(asked)
    assert logger.station.strange == 0


@virtual
async def test_a_flipped_bit_is_never_a_reading_nor_acknowledged(seed: int) -> None:
    device, logger, stream = bench()
    dice = Random(seed)
    for _ in range(20):
        push(stream, logger, realtime("20260101080000", {"w01018": ("40.5", "N")}), dice)
        assert await cycle(device, 2) == []
    assert logger.station.acknowledged == []
    push(stream, logger, realtime("20260101080030", {"w01018": ("41.5", "N")}))
    (batch,) = await cycle(device, 4)
    assert 4150 in batch.values
    assert len(logger.station.acknowledged) == 1
