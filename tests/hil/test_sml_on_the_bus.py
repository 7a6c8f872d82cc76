"""SML meters on the simulated line: whole lists, from any moment on, and never a value of a damaged one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from drivers.batch import DeviceTimeFlag
from drivers.errors import ChecksumError, LinkDownError, NoReplyError
from drivers.quality import Quality
from hil.faults import Fault, Injector
from hil.sim import sml
from hil.sim.crc16 import kermit, x25
from hil.virtualtime import virtual
from tests.hil.listening_bench import ListeningBench

pytestmark = pytest.mark.bus

SEED = 20251124
ROUNDS = 12
NAMES = 3 + 1 + 3 + 3  # energies, power, voltages, currents
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
NEEDS_ANOTHER = (Fault.ECHO, Fault.OTHER_UNIT, Fault.TWO_AT_ONCE)  # nobody else is on an optical head
_FRAMES = {
    one["id"]: bytes.fromhex(one["response"])
    for one in json.loads((Path(__file__).parent.parent / "vectors" / "sml" / "frames.json").read_text())
}


def meter(**kind: object) -> sml.SmlMeter:
    return sml.SmlMeter(sml.electricity("a"), **kind)  # type: ignore[arg-type]


def bench(one: sml.SmlMeter, injector: Injector | None = None, **kind: object) -> ListeningBench:
    return ListeningBench("generic/sml", [one], sml.LINE, injector=injector, **kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sml-003", "sml-005", "sml-007", "sml-010"])
def test_the_simulated_meter_closes_messages_and_files_as_real_ones_do(name: str) -> None:
    wire = _FRAMES[name]
    crc = kermit if name == "sml-003" else x25
    body = wire[8 : -8 - wire[-3]]
    assert sml.transported(crc, body) == wire
    at = body.find(b"\x63", len(body) - 8)  # the last message: 76 ... 63 CRC 00
    begin = body.rfind(b"\x76", 0, at)
    while crc(body[begin:at]) != body[at + 1 : at + 3]:
        begin = body.rfind(b"\x76", 0, begin)
        assert begin >= 0, "no beginning fits the checksum of the last message"


@pytest.mark.parametrize("crc", [x25, kermit], ids=["x25", "kermit"])
@pytest.mark.parametrize("every_s", [1.0, 2.5, 4.0])
@virtual
async def test_a_list_is_read_whole_whenever_it_comes(every_s: float, crc: object) -> None:
    one = meter(every_s=every_s, crc=crc)
    rig = bench(one)
    for _ in range(10):
        await rig.poll()
        await asyncio.sleep(0.7)
    assert not rig.errors
    assert rig.good == 10 * NAMES
    assert rig.bad["frequency"] == Quality.BAD_NO_DATA, "an entry without a value is no value"
    assert rig.values["meter.status"] == 0x1C0104
    assert rig.values["meter.number"] == "1 ISK 00 75126084"
    assert rig.identity == "serial=1 ISK 00 75126084"


@pytest.mark.parametrize("into_s", [0.02, 0.15, 0.3, 0.39])
@virtual
async def test_what_is_half_over_when_the_port_is_opened_is_left_out(into_s: float) -> None:
    rig = bench(meter(first_s=0.0))
    rig.stream.write(b"")
    await asyncio.sleep(into_s)
    await rig.poll()
    assert not rig.errors
    assert rig.good == NAMES
    assert len(rig.log) == 2, "the second list is the first whole one"


@virtual
async def test_a_power_below_zero_stays_below_zero() -> None:
    rig = bench(meter())
    lowest = 0
    for _ in range(40):
        await asyncio.sleep(10)
        await rig.poll()
        power = rig.values["power"]
        assert isinstance(power, int)
        lowest = min(lowest, power)
    assert lowest < -5000


@pytest.mark.parametrize("every_s", [9.95, 10.05])
@virtual
async def test_a_rhythm_that_drifts_against_ours_costs_no_reading(every_s: float) -> None:
    rig = bench(meter(every_s=every_s))
    rig.device._timeout_s = 11.0  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()
    for turn in range(210):
        await asyncio.sleep(max(0.0, 10.0 * turn - loop.time()))
        await rig.poll()
    assert not rig.errors


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault) -> None:
    rig = bench(meter(every_s=2.5), Injector(SEED, rates={fault: 0.3}))
    for _ in range(ROUNDS):
        await rig.poll()
    if fault not in NEEDS_ANOTHER:
        assert rig.line.injector.happened[fault] > 0
    assert rig.good > 0


@virtual
async def test_a_list_with_a_wrong_checksum_is_no_reading() -> None:
    rig = bench(meter(), Injector(SEED, script={0: Fault.FLIP}))
    await rig.poll()
    assert [type(error) for error in rig.errors] == [ChecksumError]
    await rig.poll()
    assert rig.good == NAMES


@virtual
async def test_a_meter_that_sends_nothing_is_silent_and_a_port_that_goes_is_told() -> None:
    one = meter()
    one.alive = False
    rig = bench(one)
    await rig.poll()
    assert [type(error) for error in rig.errors] == [NoReplyError]
    one.alive = True
    await rig.device.probe()
    rig.stream.unplug()
    for _ in range(2):  # the list that the probe heard is still there
        await rig.poll()
    assert isinstance(rig.errors[-1], LinkDownError)


@virtual
async def test_only_the_meter_that_was_named_is_heard() -> None:
    other, wanted = meter(first_s=0.2), meter(first_s=1.2, server_id=bytes.fromhex("0A01454D480000A1BD34"))
    rig = ListeningBench("generic/sml", [other, wanted], sml.LINE, address="0A01454D480000A1BD34")
    for _ in range(3):
        await rig.poll()
    assert not rig.errors
    assert rig.identity == "serial=1 EMH 00 10599732"
    assert rig.values["meter.number"] == "1 EMH 00 10599732"


@virtual
async def test_a_meter_that_is_exchanged_says_so() -> None:
    one = meter()
    one.key = bytes(range(1, 49))
    rig = bench(one)
    await rig.poll()
    assert rig.identity is not None
    assert rig.identity.startswith("serial=1 ISK 00 75126084; key=0102030405")
    one.server_id = bytes.fromhex("0A0149534B00047A5545")
    await rig.poll()
    assert rig.identity.startswith("serial=1 ISK 00 75126085")


@virtual
async def test_the_seconds_of_the_meter_stand_beside_its_counters_and_its_clock_beside_all() -> None:
    one = meter(first_s=7.0)
    rig = bench(one)
    rig.device._timeout_s = 30.0  # type: ignore[attr-defined]
    await rig.poll()
    names = [rig.profile.points[index].name for index in rig.batches[0].points]
    times = {names[time.row]: time for time in rig.batches[0].device_times}
    assert set(times) == {"energy.import", "energy.import.tariff1", "energy.export"}
    assert {(time.utc_ms, time.sequence, time.flags) for time in times.values()} == {(None, 7, DeviceTimeFlag.NONE)}
    one.utc_s = 1_764_000_000
    await rig.poll()
    times = {names[time.row]: time for time in rig.batches[1].device_times}
    assert {time.utc_ms for name, time in times.items() if name.startswith(("energy", "power"))} == {
        1_764_000_009_000
    }


@pytest.mark.parametrize("which", ["value", "list"])
@virtual
async def test_what_the_meter_signed_is_kept_as_it_came(which: str) -> None:
    one = sml.SmlMeter(sml.charging("a"))
    one.signs = which
    rig = ListeningBench("emh/signed", [one], sml.LINE)
    await rig.poll()
    batch, wire = rig.batches[0], rig.log[0].reply
    ((row, raw),) = batch.raws
    assert rig.profile.points[batch.points[row]].name == "energy.signed"
    assert raw in wire
    signature = sml.octets(bytes(range(24 if which == "value" else 48)))
    assert raw.endswith(signature if which == "value" else signature + sml.ABSENT)
    assert rig.good == 1
