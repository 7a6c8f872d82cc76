"""A sample of the matrix on real pseudo-terminals, and what becomes of an adapter that comes back as something else.

Real time and a shared machine: what is asserted are values, counters and that all is normal again, never how soon.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.errors import DriverError, LinkDownError
from drivers.line_opening import open_link
from drivers.profile import LineSettings
from drivers.protocols.modbus import ModbusDevice
from drivers.quality import is_bad
from drivers.registry import build_device
from drivers.wire_protocol import AnyLink
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.ptys import PtyLine
from hil.wire import Exchange, Line
from tests.hil.fault_matrix.polled_profile import profile_of
from tests.hil.fault_matrix.units import UNITS, Unit, image

pytestmark = pytest.mark.bus

SETTINGS = Characters(baud=115200)
SIZES = FaultSizes(late_ns=(210_000_000, 300_000_000), babble_bytes=80, stuck_ns=50_000_000)
# No DUPLICATE here: a second copy that the adapter hands over only after the next request has gone, to the same unit
# and for as many registers, cannot be told from its answer (drivers/README.md); a crowded machine makes that happen.
SAMPLE = [
    Fault.ECHO, Fault.GLITCH, Fault.DROP, Fault.FLIP, Fault.GARBAGE, Fault.SPLIT, Fault.LATE,
    Fault.OTHER_UNIT, Fault.TRUNCATE, Fault.TWO_AT_ONCE, Fault.BABBLE, Fault.STUCK,
]  # fmt: skip
FREE = {Fault.GLITCH, Fault.SPLIT}


class Rig:
    """Three units on a pty and the real devices that read them."""

    def __init__(self, path: Path, seed: int) -> None:
        rand = random.Random(seed)
        self.log: list[Exchange] = []
        self.units = {unit: Unit(unit, settings=SETTINGS, turnaround_ns=rand.randint(0, 3_000_000)) for unit in UNITS}
        self.line = Line(
            list(self.units.values()), settings=SETTINGS, injector=Injector(seed, sizes=SIZES), step=16,
            on_exchange=self.log.append,
        )  # fmt: skip
        self.pty = PtyLine(self.line, path)
        self.profile = profile_of(1.0)
        self.clock = SystemClock()
        self.pause = TimerfdPause()
        self.devices: list[ModbusDevice] = []
        self.link: AnyLink | None = None

    async def open(self) -> None:
        line = LineSettings(baud=SETTINGS.baud)
        link = self.link = await open_link(
            str(self.pty.path), line, echo=False, clock=self.clock, pause=self.pause
        )  # fmt: skip
        if not self.devices:
            for unit in UNITS:
                made = build_device(
                    "modbus", index=unit - 1, unit=unit, profile=self.profile, link=link, clock=self.clock
                )
                assert isinstance(made, ModbusDevice)
                self.devices.append(made)
        for device in self.devices:
            device.use(link)

    async def read_all(self) -> tuple[int, list[DriverError]]:
        """Read every block once; give how many values were good, all of them true, and the errors."""
        good, errors = 0, []
        for device in self.devices:
            for read in device.reads:
                try:
                    batch = await device.read(read)
                except DriverError as error:
                    errors.append(error)
                    continue
                with self.pty.lock:
                    held = dict(self.log[-1].held)
                for point, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                    assert is_bad(status) or str(value) == held.get(self.profile.points[point].name), self.log[-1]
                    good += not is_bad(status)
        return good, errors


@asynccontextmanager
async def rig(path: Path, seed: int) -> AsyncIterator[Rig]:
    made = Rig(path, seed)
    with made.pty:
        await made.open()
        try:
            yield made
        finally:
            assert made.link is not None
            await made.link.aclose()
            made.pause.close()


@pytest.mark.parametrize("fault", SAMPLE, ids=lambda one: one.value)
async def test_a_fault_on_a_real_port_is_never_a_value_and_is_over_when_it_is_over(
    fault: Fault, seed: int, tmp_path: Path
) -> None:
    async with rig(tmp_path / "port", seed) as bench:
        await bench.read_all()
        with bench.pty.lock:
            bench.line.injector.rates[fault] = 0.4
        errors = [error for _ in range(4) for error in (await bench.read_all())[1]]
        with bench.pty.lock:
            bench.line.injector.rates.clear()
            happened = bench.line.injector.happened[fault]
        await asyncio.sleep(0.3)
        await bench.read_all()
        good, left = await bench.read_all()
        assert bench.link is not None
        counters = bench.link.counters
    assert happened > 0
    assert (good, left) == (30, [])
    assert counters.noise_bytes + counters.no_reply + counters.bad_checksum > 0 or fault is Fault.SPLIT
    assert not errors or fault not in FREE


async def test_an_adapter_that_comes_back_under_another_device_name_heals_by_its_stable_name(
    seed: int, tmp_path: Path
) -> None:
    async with rig(tmp_path / "port", seed) as bench:
        before = bench.pty.path.readlink()
        spare = PtyLine(Line([], settings=SETTINGS), tmp_path / "spare")
        bench.pty.unplug()
        spare.replug()  # takes the number that was free
        with pytest.raises(LinkDownError):
            await bench.devices[0].read(bench.devices[0].reads[0])
        with pytest.raises(LinkDownError):
            await bench.open()
        bench.pty.replug()
        assert bench.pty.path.readlink() != before
        await bench.open()
        await bench.read_all()
        assert await bench.read_all() == (30, [])
        spare.unplug()


async def test_another_device_of_the_same_model_behind_the_same_name_cannot_be_told(
    seed: int, tmp_path: Path
) -> None:
    """Modbus has no serial number that every device offers: unit, registers and model are all there is to see.

    The readings are true - they are what the device that is there now holds - and nobody can say that it is another.
    """
    async with rig(tmp_path / "port", seed) as bench:
        await bench.read_all()
        bench.pty.unplug()
        for number, unit in bench.units.items():
            unit.image = image(number, 5_000)
        bench.pty.replug()
        await bench.open()
        await bench.read_all()
        assert await bench.read_all() == (30, [])
