"""Where a profile keeps the bytes that a value was read from, they are those that were on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from drivers.batch import Batch
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, ModbusLocation, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.registry import build_device
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim import cjt188, dlt645, iec62056_21, mbus
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line, Station

pytestmark = pytest.mark.bus

HEAD = LineSettings(baud=300, parity=Parity.EVEN, data_bits=7)
E1 = LineSettings(baud=2400, parity=Parity.EVEN)


def keeping(model: str, *names: str) -> Profile:
    """The shipped profile, with the bytes of these points kept."""
    profile = load_profile(find_profile(model, builtin_roots()))
    assert set(names) <= {point.name for point in profile.points}
    return replace(profile, points=tuple(replace(one, keep_raw=one.name in names) for one in profile.points))


async def read(
    station: Station, profile: Profile, address: str, settings: LineSettings = E1, unit: int = 0
) -> tuple[list[Batch], list[Exchange]]:
    clock = VirtualClock(here())
    log: list[Exchange] = []
    line = Line([station], settings=station.settings, on_exchange=log.append)
    stream = LineStream(line, parity_of=lambda one: one.parity.value)
    link = Link(stream, name="bench", clock=clock, pause=VirtualPause(clock), line=settings)
    device = build_device(
        profile.protocol, index=0, unit=unit, address=address, profile=profile, link=RtuLink(link), clock=clock,
        settings=settings,
    )  # fmt: skip
    return [await device.read(one) for one in device.reads], log


def kept(batches: Sequence[Batch], profile: Profile) -> dict[str, bytes]:
    """Bytes by the name of their point."""
    return {profile.points[batch.points[row]].name: raw for batch in batches for row, raw in batch.raws}


@virtual
async def test_registers_of_a_modbus_device() -> None:
    profile = keeping("eastron/sdm120", "voltage", "frequency")
    station = RtuDevice(1, IMAGES["eastron/sdm120"]("1"), settings=Characters(baud=9600))
    batches, log = await read(station, profile, "", LineSettings(), unit=1)
    found = kept(batches, profile)
    assert set(found) == {"voltage", "frequency"}
    for name, raw in found.items():
        place = profile.points[profile.index_of(name)].place
        assert isinstance(place, ModbusLocation)
        asked = [
            (one, int.from_bytes(one.request[2:4], "big"), int.from_bytes(one.request[4:6], "big")) for one in log
        ]
        (reply, first) = next(
            (one.reply, first) for one, first, count in asked if first <= place.address < first + count
        )
        assert raw == reply[3 + 2 * (place.address - first) :][:4]
        assert len(raw) == 4


@virtual
async def test_the_frame_of_a_dlt645_meter_and_all_frames_of_a_long_answer() -> None:
    profile = keeping("generic/dlt645-2007-three-phase", "energy.active.import.tariff1")
    station = dlt645.Dlt645Meter("000000000161", dlt645.three_phases("a"), most_data=10)
    batches, log = await read(station, profile, "000000000161")
    replies = [one.reply for one in log if ("energy.active.import", "5000.00") in one.held]
    at = next(index for index, one in enumerate(log) if one.reply in replies)
    assert kept(batches, profile) == {"energy.active.import.tariff1": b"".join(one.reply for one in log[at : at + 2])}


@virtual
async def test_the_frame_of_a_water_meter() -> None:
    profile = keeping("generic/cjt188-water", "volume")
    station = cjt188.Cjt188Meter("78331505104145", 0x10, cjt188.water("a"))
    batches, log = await read(station, profile, "78331505104145")
    assert kept(batches, profile) == {"volume": log[0].reply}


@virtual
async def test_the_telegram_that_holds_the_record() -> None:
    profile = keeping("generic/mbus-water", "volume", "volume.due_date")
    station = mbus.MbusMeter(6, mbus.identity("04990254", "EFE", 0, 6), mbus.water("b"))
    batches, log = await read(station, profile, "6")
    first, second = (one.reply for one in log if len(one.reply) > 20)
    assert kept(batches, profile) == {"volume": first, "volume.due_date": second}


@virtual
async def test_the_data_set_of_a_readout() -> None:
    profile = keeping("generic/iec62056-readout", "energy.import", "voltage.l1", "clock.offset")
    station = iec62056_21.IecMeter(iec62056_21.electricity("a"), texts="1.6.1(1)(2)\r\n")
    batches, log = await read(station, profile, "ANY", HEAD)
    found = kept(batches, profile)
    assert set(found) == {"energy.import", "voltage.l1"}
    assert found["energy.import"].startswith(b"1-0:1.8.0*255(")
    assert all(b"\r\n" + raw + b"\r\n" in log[-1].reply for raw in found.values())


@virtual
async def test_nothing_is_kept_unless_the_profile_says_so() -> None:
    profile = keeping("generic/cjt188-water")
    station = cjt188.Cjt188Meter("78331505104145", 0x10, cjt188.water("a"))
    batches, _ = await read(station, profile, "78331505104145")
    assert [batch.raws for batch in batches] == [()]
