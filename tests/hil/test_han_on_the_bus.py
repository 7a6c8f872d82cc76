"""Meters that push lists through a HAN port, on the simulated line: three makers, no value of a damaged list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.batch import DeviceTimeFlag
from drivers.errors import ChecksumError, FrameError, NoReplyError, RefusedError
from drivers.quality import Quality
from hil.faults import Fault, Injector
from hil.sim import han, hdlc
from hil.sim.han import HanMeter, Way
from hil.virtualtime import virtual
from tests.hil.listening_bench import ListeningBench

pytestmark = pytest.mark.bus

SEED = 20251124
ROUNDS = 12
MOMENT = 4 + 3 + 3  # powers, currents, voltages
ENERGIES = 4
MAKERS: dict[str, tuple[Way, Callable[[str], object], str]] = {
    "aidon": (Way.AIDON, han.aidon, "aidon/han"),
    "kamstrup": (Way.KAMSTRUP, han.kamstrup, "kamstrup/han"),
    "kaifa": (Way.KAIFA, han.kaifa, "kaifa/ma304"),
}
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
NEEDS_ANOTHER = (Fault.ECHO, Fault.OTHER_UNIT, Fault.TWO_AT_ONCE)
_FRAMES = [
    bytes.fromhex(one["response"])
    for one in json.loads((Path(__file__).parent.parent / "vectors" / "dlms" / "frames.json").read_text())
    if one["id"].startswith(("dlms-hdlc", "dlms-push"))
]


def bench(maker: str, injector: Injector | None = None, **kind: object) -> tuple[ListeningBench, HanMeter]:
    way, lists, model = MAKERS[maker]
    settings = han.EIGHT_NONE if maker == "kamstrup" else han.EIGHT_EVEN
    meter = HanMeter(way, lists("a"), settings=settings, **kind)  # type: ignore[arg-type]
    return ListeningBench(model, [meter], settings, injector=injector), meter


def test_the_simulated_meter_makes_frames_as_real_ones_do() -> None:
    for wire in _FRAMES:
        if wire.startswith(b"\x7e") and wire.count(b"\x7e\x7e") == 0:
            parts = hdlc.taken_apart(wire)
            assert parts is not None
            assert hdlc.frame(parts.to, parts.sender, parts.control, parts.information) == wire
            assert hdlc.taken_apart(wire[:-3] + bytes([wire[-3] ^ 1]) + wire[-2:]) is None


@pytest.mark.parametrize("maker", MAKERS)
@virtual
async def test_what_a_meter_pushes_every_ten_seconds_is_read_whole(maker: str) -> None:
    rig, meter = bench(maker)
    moment, hourly = rig.device.reads
    assert (moment.period_s, hourly.period_s) == (10, 3600)
    loop = asyncio.get_running_loop()
    for turn in range(1, 7):
        rig._compare(await rig.device.read(moment))
        await asyncio.sleep(max(0.0, 10.0 * turn - loop.time()))
    assert rig.good == 6 * MOMENT
    assert not rig.bad
    assert {"power.import", "current.l3", "voltage.l1"} <= set(rig.values)
    assert rig.values["meter.number"] == meter.serial


@virtual
async def test_a_meter_that_goes_on_with_short_lists_only_is_read_all_the_same() -> None:
    rig, meter = bench("kaifa")
    moment = rig.device.reads[0]
    rig._compare(await rig.device.read(moment))
    meter.lists = meter.lists[:1]
    for _ in range(6):
        rig._compare(await rig.device.read(moment))
    assert rig.good == MOMENT + 6


@pytest.mark.parametrize("maker", MAKERS)
@virtual
async def test_what_came_with_the_hour_is_given_once_with_the_time_of_the_meter(maker: str) -> None:
    rig, meter = bench(maker)
    moment, hourly = rig.device.reads
    meter.lists = [*meter.lists[:2], (600, meter.lists[2][1])]  # an hour of ten minutes
    loop = asyncio.get_running_loop()
    found = []
    for turn in range(1, 3 * 60 + 10):
        await rig.device.read(moment)
        if turn % 60 == 5:
            batch = await rig.device.read(hourly)
            rig._compare(batch)
            found += [batch] if turn > 60 else []
        await asyncio.sleep(max(0.0, 10.0 * turn - loop.time()))
    assert meter.sent[2] == 3
    assert rig.good == 3 * ENERGIES
    moments = []
    for batch in found:
        names = [rig.profile.points[index].name for index in batch.points]
        times = {names[time.row]: time for time in batch.device_times}
        assert {time.flags & DeviceTimeFlag.HISTORICAL for time in times.values()} == {DeviceTimeFlag.HISTORICAL}
        assert times["energy.import"].utc_ms is not None
        moments.append(times["energy.import"].utc_ms)
    assert all(590_000 < later - before < 610_000 for before, later in pairwise(moments))
    year = datetime.fromtimestamp(moments[0] / 1000, UTC).year
    assert year == 2025


@virtual
async def test_before_the_first_hour_the_energies_have_no_data_and_the_meter_lives() -> None:
    rig, _ = bench("kaifa")
    hourly = rig.device.reads[1]
    await asyncio.sleep(10)
    await rig.device.read(rig.device.reads[0])
    batch = await rig.device.read(hourly)
    rig._compare(batch)
    assert rig.bad["energy.import"] == Quality.BAD_NO_DATA


@pytest.mark.parametrize("most", [40, 64, 127])
@virtual
async def test_a_list_in_several_segments_is_read_whole(most: int) -> None:
    rig, _ = bench("aidon", most=most)
    rig._compare(await rig.device.read(rig.device.reads[0]))
    assert rig.good == MOMENT


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault, maker: str) -> None:
    rig, _ = bench(maker, Injector(SEED, rates={fault: 0.3}), most=100)
    for _ in range(ROUNDS):
        await rig.poll()
    if fault not in NEEDS_ANOTHER:
        assert rig.line.injector.happened[fault] > 0
    assert rig.good > 0
    assert not [error for error in rig.errors if not isinstance(error, FrameError | NoReplyError)]


@virtual
async def test_a_list_with_a_wrong_checksum_is_no_reading() -> None:
    rig, _ = bench("kamstrup", Injector(SEED, script={0: Fault.FLIP}))
    with pytest.raises(ChecksumError):
        await rig.device.read(rig.device.reads[0])


@virtual
async def test_an_encrypted_list_is_refused_with_a_sentence() -> None:
    rig, meter = bench("aidon")
    meter.ciphered = True
    with pytest.raises(RefusedError, match=r"encrypted \(APDU DB\), and no key can be given yet"):
        await rig.device.read(rig.device.reads[0])


@virtual
async def test_a_meter_that_sends_nothing_is_silent() -> None:
    rig, meter = bench("kaifa")
    meter.alive = False
    with pytest.raises(NoReplyError):
        await rig.device.probe()
