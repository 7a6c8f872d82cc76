"""The real link, codec, protocol and profiles on the simulated bus: whatever the wire does, no reading is wrong.

What the batch says is compared with what the simulator held when it heard that very request.
"""

from __future__ import annotations

import asyncio
import itertools
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from drivers.errors import DriverError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device
from drivers.sources import Device
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.memory import LineStream
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line

pytestmark = pytest.mark.bus

MODELS = ["generic/xy-md02", "generic/xy-md02", "eastron/sdm120", "renke/soil-4in1", "peacefair/pzem-004t"]
ROUNDS = 12


def profile_of(model: str) -> Profile:
    return load_profile(Path(find_profile(model, builtin_roots())))


class Bench:
    """Devices of real models on one line, polled as fast as the line goes."""

    def __init__(self, models: list[str], injector: Injector, *, echo: bool = False, baud: int = 9600) -> None:
        settings = Characters(baud=baud)
        clock = VirtualClock(here())
        self.log: list[Exchange] = []
        self.line = Line(
            [
                RtuDevice(unit, IMAGES[model](f"{unit}"), settings=settings, turnaround_ns=4_000_000)
                for unit, model in enumerate(models, 1)
            ],
            settings=settings, injector=injector, echo=echo, on_exchange=self.log.append,
        )  # fmt: skip
        stream = LineStream(self.line)
        line = LineSettings(baud=baud)
        self.link = RtuLink(
            Link(stream, name="bench", clock=clock, pause=VirtualPause(clock), line=line, echo=echo)
        )  # fmt: skip
        self.profiles = [profile_of(model) for model in models]
        self.devices: list[Device] = [
            build_device("modbus", index=index, unit=index + 1, profile=profile, link=self.link, clock=clock)
            for index, profile in enumerate(self.profiles)
        ]
        self.good = 0
        self.errors: list[DriverError] = []

    def told(self, stale_ns: int) -> list[dict[str, str]]:
        """What the device told to the last request, and to the same one before it, as old as that may be."""
        last = self.log[-1]
        return [
            dict(one.held)
            for one in self.log
            if one.request == last.request and one.held and last.start_ns - one.start_ns <= stale_ns
        ]

    async def poll_all(self, stale_ns: int = 0) -> None:
        for index, device in enumerate(self.devices):
            for read in device.reads:
                try:
                    batch = await device.read(read)
                except DriverError as error:
                    self.errors.append(error)
                    continue
                told = self.told(stale_ns)
                points = [self.profiles[index].points[point] for point in batch.points]
                for point, value, status in zip(points, batch.values, batch.statuses, strict=True):
                    if is_bad(status):
                        continue
                    assert isinstance(value, int)
                    unit = Decimal(1).scaleb(point.exponent)
                    exact = [Decimal(held[point.name]).quantize(unit, ROUND_HALF_EVEN) for held in told]
                    assert value * unit in exact, (point.name, exact, self.log[-1])
                    self.good += 1


WITHIN_CEILING = FaultSizes(late_ns=(10_000_000, 190_000_000))
"""Later than the link has learnt to wait, within the 200 ms that the profiles allow."""


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE], ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault, seed: int) -> None:
    bench = Bench(MODELS, Injector(seed, rates={fault: 0.3}, sizes=WITHIN_CEILING))
    for _ in range(ROUNDS):
        await bench.poll_all()
    assert bench.line.injector.happened[fault] > 5
    assert bench.good > 50
    assert bench.line.counters.inside_silence == 0


@virtual
async def test_an_answer_later_than_any_ceiling_is_at_worst_the_same_units_answer_of_a_moment_ago(seed: int) -> None:
    """Modbus RTU cannot tell which of two equal requests is answered; another unit's or request's it can."""
    late = FaultSizes(late_ns=(300_000_000, 1_500_000_000))
    bench = Bench(MODELS, Injector(seed, rates={Fault.LATE: 0.3}, sizes=late))
    for _ in range(ROUNDS):
        await bench.poll_all(stale_ns=2_500_000_000)
    assert bench.line.injector.happened[Fault.LATE] > 5
    assert bench.good > 50


@virtual
async def test_all_faults_together_and_an_echoing_adapter(seed: int) -> None:
    rates: dict[Fault, float] = {fault: 0.02 for fault in Fault if fault is not Fault.NONE}
    bench = Bench(MODELS, Injector(seed, rates=rates, sizes=WITHIN_CEILING), echo=True)
    for _ in range(ROUNDS):
        await bench.poll_all()
    assert bench.good > 100
    assert bench.line.counters.inside_silence == 0


@pytest.mark.parametrize("step", [1, 7, 16, 64])
@virtual
async def test_a_reply_that_comes_in_bunches_is_taken_as_soon_as_it_is_whole(step: int) -> None:
    """An adapter's buffer hands over many characters at once: what is missing then is not what has yet to be sent."""
    bench = Bench(["eastron/sdm120"], Injector(0))
    bench.line.step = step
    for _ in range(3):
        await bench.poll_all()
    starts = [one for one in bench.log if one.reply_end_ns is not None]
    silence_ns, character_ns = bench.line.settings.silence_ns, bench.line.settings.character_ns
    for one, following in itertools.pairwise(starts):
        assert one.reply_end_ns is not None
        assert silence_ns <= following.start_ns - one.reply_end_ns <= silence_ns + character_ns


@pytest.mark.parametrize("model", sorted(IMAGES))
@virtual
async def test_every_simulated_model_is_read_whole_and_right_by_its_profile(model: str) -> None:
    bench = Bench([model], Injector(0))
    for _ in range(3):  # blocks that are refused are split and remembered
        await bench.poll_all()
        await asyncio.sleep(1)
    bench.errors.clear()
    bench.good = 0
    await bench.poll_all()
    assert not bench.errors
    assert bench.good == len(bench.profiles[0].points)
    assert bench.line.counters.inside_silence == 0


@virtual
async def test_glitches_and_echo_cost_no_reading(seed: int) -> None:
    bench = Bench(MODELS, Injector(seed, rates={Fault.GLITCH: 0.9}), echo=True)
    await bench.poll_all()
    await bench.poll_all()
    bench.errors.clear()
    for _ in range(ROUNDS):
        await bench.poll_all()
    assert not bench.errors
