"""A sample of the matrix behind a device server (RFC 2217), the one rig here that sees parity.

Real time and a shared machine: what is asserted are values, what was told, and that all is normal again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.batch import Batch
from drivers.errors import DriverError, LinkDownError
from drivers.line_opening import open_link
from drivers.profile import LineSettings, Parity
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device
from drivers.wire_protocol import AnyLink, LinkedDevice
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.pair.units import REGISTERS, Unit
from hil.rfc2217 import Rfc2217Line
from hil.wire import Exchange, Line

pytestmark = pytest.mark.bus

SETTINGS = Characters(baud=19200, parity="E")
LINE = LineSettings(baud=19200, parity=Parity.EVEN)
UNITS = (1, 2, 3)
# A converter has until 1.2 s; later than that an answer comes during another exchange.
SIZES = FaultSizes(late_ns=(1_250_000_000, 1_400_000_000), babble_bytes=80, stuck_ns=50_000_000)
SAMPLE = [
    Fault.DROP, Fault.LOSE_BYTE, Fault.FLIP, Fault.GARBAGE, Fault.GLITCH, Fault.SPLIT, Fault.ECHO, Fault.LATE,
    Fault.TRUNCATE, Fault.OTHER_UNIT, Fault.TWO_AT_ONCE, Fault.BABBLE, Fault.STUCK,
]  # fmt: skip
FREE = {Fault.GLITCH, Fault.SPLIT, Fault.ECHO}
EITHER = {Fault.GARBAGE}  # what stands before the reply may hide its beginning
LONG = bool(os.environ.get("TIDEGATE_LONG"))


class Rig:
    """Three units behind a device server and the real devices that read them."""

    def __init__(self, seed: int) -> None:
        self.log: list[Exchange] = []
        self.units = {unit: Unit(unit, SETTINGS) for unit in UNITS}
        self.line = Line(
            list(self.units.values()), settings=SETTINGS, injector=Injector(seed, sizes=SIZES), step=16,
            on_exchange=self.log.append,
        )  # fmt: skip
        self.server = Rfc2217Line(self.line)
        self.clock, self.pause = SystemClock(), TimerfdPause()
        self.link: AnyLink | None = None
        self.devices: dict[int, LinkedDevice] = {}

    async def open(self, line: LineSettings = LINE) -> None:
        """Connect, and read with these settings from now on."""
        link = self.link = await open_link(self.server.url, line, echo=False, clock=self.clock, pause=self.pause)
        for unit in UNITS:
            profile = load_profile(find_profile(f"generic/block-{REGISTERS[unit]}", builtin_roots()))
            self.devices[unit] = build_device(
                "modbus", index=unit - 1, unit=unit, profile=profile, link=link, clock=self.clock, settings=line
            )

    async def read(self, units: Sequence[int] = UNITS) -> tuple[int, list[DriverError]]:
        """Read units once; give how many values were good, all of them true, and the errors."""
        good, errors = 0, []
        for unit in units:
            device = self.devices[unit]
            for read in device.reads:
                try:
                    batch = await device.read(read)
                except DriverError as error:
                    errors.append(error)
                    continue
                good += self._checked(batch, unit)
        return good, errors

    def _checked(self, batch: Batch, unit: int) -> int:
        with self.server.lock:
            asked = next(one for one in reversed(self.log) if one.request[:1] == bytes([unit]))
        held = [value for _name, value in asked.held]
        read = [
            None if is_bad(status) else str(value) for value, status in zip(batch.values, batch.statuses, strict=True)
        ]
        assert read == [f"{float(value) * 10:.0f}" for value in held], asked
        return len(read)


@asynccontextmanager
async def rig(seed: int) -> AsyncIterator[Rig]:
    made = Rig(seed)
    with made.server:
        await made.open()
        try:
            yield made
        finally:
            assert made.link is not None
            await made.link.aclose()
            made.pause.close()


ALL = sum(REGISTERS[unit] for unit in UNITS)


@pytest.mark.timeout(180)
async def test_a_fault_behind_a_device_server_is_never_a_value_and_is_over_when_it_is_over(seed: int) -> None:
    rand = random.Random(seed)
    sample = rand.sample(SAMPLE, len(SAMPLE) if LONG else 5)
    print([fault.value for fault in sample])
    async with rig(seed) as bench:
        for fault in sample:
            unit = rand.choice(UNITS)
            with bench.server.lock:
                bench.units[unit].armed = [fault]
                number = len(bench.log)
            _, errors = await bench.read([unit])
            await asyncio.sleep(0.3 if fault is Fault.LATE else 0.05)
            await bench.read()  # what is late is dropped here
            assert await bench.read() == (ALL, []), fault
            with bench.server.lock:
                assert [one.fault for one in bench.log[number:]].count(fault) == 1
            assert fault in EITHER or bool(errors) is (fault not in FREE), fault


async def test_a_port_set_wrong_reads_nothing_until_it_is_set_right(seed: int) -> None:
    wrong = random.Random(seed).choice([replace(LINE, parity=Parity.NONE), replace(LINE, baud=9600)])
    print(wrong)
    async with rig(seed) as bench:
        assert await bench.read() == (ALL, [])
        assert bench.link is not None
        await bench.link.aclose()
        await bench.open(wrong)
        assert (bench.server.settings.baud, bench.server.settings.parity) == (wrong.baud, wrong.parity.value)
        good, errors = await bench.read([1])
        assert good == 0
        assert len(errors) == 1
        await bench.link.aclose()
        await bench.open()
        assert await bench.read() == (ALL, [])


async def test_devices_that_speak_with_another_parity_are_never_read(seed: int) -> None:
    async with rig(seed) as bench:
        assert await bench.read() == (ALL, [])
        with bench.server.lock:
            bench.units[2]._settings = replace(SETTINGS, parity="N")
        good, errors = await bench.read()
        assert good == ALL - REGISTERS[2]
        assert len(errors) == 1
        with bench.server.lock:
            bench.units[2]._settings = SETTINGS
        assert await bench.read() == (ALL, [])


async def test_a_server_that_drops_us_is_opened_again(seed: int) -> None:
    async with rig(seed) as bench:
        assert await bench.read() == (ALL, [])
        bench.server.unplug()
        good, errors = await bench.read([1])
        assert good == 0
        assert all(isinstance(error, LinkDownError) for error in errors)
        assert bench.link is not None
        await bench.link.aclose()
        await bench.open()
        assert await bench.read() == (ALL, [])
