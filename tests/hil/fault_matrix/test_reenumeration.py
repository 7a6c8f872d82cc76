"""An adapter comes back and another model answers behind it: a profile with a fingerprint tells and reads nothing."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from drivers.errors import OtherDeviceError
from drivers.profile import Fingerprint, ModbusLocation, Table
from hil.faults import FaultSizes
from hil.sim.motion import still
from hil.sim.registers import HOLDING, Held, Image
from hil.virtualtime import virtual
from tests.hil.fault_matrix.units import Unit, image
from tests.hil.fault_matrix.wires import WITHIN_REACH, RtuWire
from tests.hil.fault_matrix.world import World

pytestmark = pytest.mark.bus

MODEL = Fingerprint(location=ModbusLocation(table=Table.HOLDING_REGISTER, address=900), values=(0x1234,))


def with_model(made: Image, number: int) -> Image:
    mark = Held(name="model", table=HOLDING, address=900, type="u16", motion=still(number))
    return replace(made, held=(*made.held, mark), spans=(*made.spans, (HOLDING, 900, 900)))


class Modelled(RtuWire):
    """Three units that show their model."""

    def __init__(self, rand: random.Random, sizes: FaultSizes = WITHIN_REACH) -> None:
        super().__init__(rand, sizes)
        self.become(0x1234, 0)

    def become(self, number: int, shift: int) -> None:
        for unit in self.units.values():
            assert isinstance(unit, Unit)
            unit.image = with_model(image(unit.unit, shift), number)


async def swapped(world: World, first: int, second: int) -> list[int]:
    """Let another model answer behind the adapter, then the first again; give the good batches of each time."""
    wire = world.wire
    assert isinstance(wire, Modelled)
    counts = []
    async with asyncio.TaskGroup() as group:
        group.create_task(world.poller.run())
        await world.wait(3)
        for number in (first, second, first):
            wire.pull_at(3)
            assert await world.until(lambda: wire.pulled, 10)
            wire.become(number, 0 if number == first else 300)
            wire.put_back()
            await world.wait(3)
            before = len(world.batches)
            await world.wait(5)
            counts.append(sum(not any(batch.statuses) for batch in world.batches[before:]))
        world.poller.stop()
    assert world.wrong_values() == []
    return counts


@virtual
async def test_another_model_behind_the_port_is_told_and_not_read_until_the_right_one_is_back(seed: int) -> None:
    world = World(Modelled, seed, MODEL)
    own, other, again = await swapped(world, 0x1234, 0x4321)
    assert other == 0
    assert own >= 25
    assert again >= 25
    assert world.failures()[OtherDeviceError.code] > 0


@virtual
async def test_a_firmware_that_never_showed_the_fingerprint_is_read_all_the_same(seed: int) -> None:
    world = World(Modelled, seed, replace(MODEL, values=(0x7777,)))
    assert min(await swapped(world, 0x1234, 0x4321)) >= 25
    assert world.failures()[OtherDeviceError.code] == 0
