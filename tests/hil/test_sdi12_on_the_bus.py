"""SDI-12 sensors on the simulated line, at 1200 Bd with breaks of ours and behind an adapter: no wrong reading."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drivers.errors import DeviceFailedError, FrameError, LinkDownError, NoReplyError, RefusedError
from drivers.profile import LineSettings
from drivers.quality import Quality
from drivers.registry import find_protocol
from drivers.sources import IdentifiedDevice
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.sim import sdi12
from hil.sim.sdi12 import ADAPTER, LINE, Sdi12Sensor
from hil.virtualtime import virtual
from hil.wire import Reply
from tests.hil.sdi12_bench import MOVING, Bench, bench, profile_of

pytestmark = pytest.mark.bus

ROUNDS = 12
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
SIZES = FaultSizes(late_ns=(10_000_000, 1_500_000_000))


@virtual
async def test_a_measurement_is_started_waited_for_and_fetched() -> None:
    one = bench({"M": 3})
    await one.poll()
    assert not one.errors
    assert one.good == 3
    assert one.said == ["_", "0I!", "_", "0I!", "_", "0M!", ".", "_", "0D0!"]
    await one.poll()
    assert one.said[9:] == ["_", "0M!", ".", "_", "0D0!"]
    assert one.line.counters.inside_silence == one.line.counters.collisions == 0


@virtual
async def test_the_break_is_long_enough_and_the_command_follows_before_the_sensor_sleeps_again() -> None:
    one = bench({"M": 3})
    await one.poll()
    for before, after in zip(one.log, one.log[1:], strict=False):
        if before.request == b"\0":
            low_ns = 9 * 1_000_000_000 // before.settings.baud
            assert low_ns >= 12_000_000
            assert 8_330_000 <= after.start_ns - before.end_ns < 95_000_000
            assert after.settings.baud == 1200


@virtual
async def test_a_sensor_that_wakes_slowly_hears_the_second_try() -> None:
    sensor = Sdi12Sensor("0", MOVING)
    sensor.wakes_s = 0.06
    one = bench({"M": 3}, sensor)
    await one.poll()
    assert not one.errors
    assert one.good == 3


@virtual
async def test_no_break_disturbs_a_measurement_that_has_no_service_request() -> None:
    sensor = Sdi12Sensor("0", MOVING, says_s=7, takes_s=6)
    sensor.calls = False
    one = bench({"M": 3}, sensor)
    await one.poll()
    assert one.good == 3
    assert sensor.aborted == 1  # the first, by asking once more how long it takes
    start, data = (next(x for x in reversed(one.log) if x.request == text) for text in (b"0M!", b"0D0!"))
    assert start.reply_end_ns is not None
    assert data.start_ns - start.reply_end_ns >= 7_000_000_000


@virtual
async def test_an_adapter_makes_the_break_itself() -> None:
    one = bench({"MC": 3}, settings=ADAPTER)
    await one.poll()
    assert one.good == 3
    assert one.said == ["0I!", "0I!", "0MC!", ".", "0D0!"]


@virtual
async def test_a_port_of_eight_bits_makes_parity_in_software() -> None:
    eight = Characters(baud=1200)
    sensor = Sdi12Sensor("0", MOVING)
    one = Bench([sensor], profile_of({"M": 3}), line=LineSettings(baud=1200))
    one.line.settings = eight
    one.stream._settings = eight
    await one.poll()
    assert one.good == 3
    assert one.log[1].request == bytes((0x30, 0xC9, 0x21))


@pytest.mark.parametrize(("command", "count"), [("M1", 8), ("MC1", 8), ("C2", 12), ("CC2", 12)])
@virtual
async def test_values_that_do_not_fit_one_answer_are_fetched_from_the_next_ones(command: str, count: int) -> None:
    one = bench({command: count})
    await one.poll()
    await asyncio.sleep(5)
    if not one.good:
        await one.poll()
    assert not one.errors
    assert one.good == count
    assert [text for text in one.said if "D" in text] == ["0D0!", "0D1!"]


@pytest.mark.parametrize("command", ["R0", "RC0"])
@virtual
async def test_a_continuous_measurement_takes_one_exchange(command: str) -> None:
    one = bench({command: 3})
    await one.poll()
    assert one.good == 3
    assert one.said[-1] == f"0{command}!"


@virtual
async def test_a_concurrent_measurement_leaves_the_line_to_others_and_is_fetched_when_it_is_ready() -> None:
    sensor = Sdi12Sensor("0", MOVING, takes_s=25, says_s=26)
    one = bench({"C": 3}, sensor)
    (read,) = one.device.reads
    assert read.period_s == 5
    began = one.clock.mono_ns()
    await one.poll()
    assert one.clock.mono_ns() - began < 2_000_000_000
    assert (one.good, one.said[-1]) == (0, "0C!")
    for _ in range(5):
        await asyncio.sleep(5)
        said = len(one.said)
        await one.poll()
        assert len(one.said) == said
    await asyncio.sleep(5)
    await one.poll()
    assert one.good == 3
    assert sensor.aborted == 1  # the first, by asking once more how long it takes


@virtual
async def test_two_concurrent_measurements_of_one_sensor_do_not_break_each_other_off() -> None:
    sensor = Sdi12Sensor("0", MOVING, takes_s=3, says_s=4)
    one = bench({"C": 3, "CC1": 8}, sensor)
    for _ in range(16):
        await one.poll()
        await asyncio.sleep(4)
    assert not one.errors
    assert one.good >= 3 * 11
    assert sensor.aborted == 2  # the first of each, by asking once more how long it takes


class Garbled(Sdi12Sensor):
    """One whose next answers to M are damaged: it says that it takes so long."""

    garbled: list[int]

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        reply = super().hear(frame, now_ns)
        if reply is None or not frame.endswith(b"M!") or not self.garbled:
            return reply
        return replace(reply, data=b"0%03d3\r\n" % self.garbled.pop(0))


@virtual
async def test_a_damaged_time_does_not_hold_the_line_for_minutes() -> None:
    sensor = Garbled("0", MOVING, settings=ADAPTER)
    sensor.garbled = [200]
    one = bench({"M": 3}, sensor, settings=ADAPTER)
    began = one.clock.mono_ns()
    await one.poll()
    assert one.clock.mono_ns() - began < 5_000_000_000
    assert one.good == 3


@virtual
async def test_a_time_that_grows_when_asked_for_again_is_not_waited_for() -> None:
    sensor = Garbled("0", MOVING, settings=ADAPTER)
    sensor.garbled = [200, 900]
    one = bench({"M": 3}, sensor, settings=ADAPTER)
    await one.poll()
    assert [type(error) for error in one.errors] == [FrameError]
    await one.poll()
    assert one.good == 3


@virtual
async def test_a_long_time_is_asked_for_again_only_once() -> None:
    sensor = Sdi12Sensor("0", MOVING, says_s=7, takes_s=6, settings=ADAPTER)
    one = bench({"M": 3}, sensor, settings=ADAPTER)
    for _ in range(3):
        await one.poll()
    assert one.said.count("0M!") == 4
    assert one.good == 9


@virtual
async def test_points_of_a_concurrent_measurement_come_as_often_as_they_are_wanted() -> None:
    one = bench({"C": 3})
    began = one.clock.mono_ns()
    for look in range(25):
        await asyncio.sleep(5 * look - (one.clock.mono_ns() - began) / 1e9)
        await one.poll()
    assert one.said.count("0C!") == 7
    assert one.good == 3 * 6


@virtual
async def test_a_measurement_that_was_broken_off_is_no_reading_and_the_next_one_is() -> None:
    sensor = Sdi12Sensor("0", MOVING, takes_s=3, says_s=1)
    sensor.calls = False
    one = bench({"M": 3}, sensor)
    await one.poll()
    assert [type(error) for error in one.errors] == [DeviceFailedError]
    sensor.takes_s = 0.5
    await one.poll()
    assert one.good == 3


@virtual
async def test_a_measurement_that_the_sensor_does_not_have_is_refused() -> None:
    one = bench({"M5": 1})
    await one.poll()
    assert [type(error) for error in one.errors] == [RefusedError]


@virtual
async def test_a_value_that_the_sensor_does_not_give_is_none() -> None:
    one = bench({"M": 4})
    await one.poll()
    assert one.good == 3
    assert one.bad == {"M.v4": Quality.BAD_NO_DATA}


@virtual
async def test_values_without_the_promised_crc_are_no_reading() -> None:
    sensor = Sdi12Sensor("0", MOVING)
    sensor.guards = False
    one = bench({"MC": 3}, sensor)
    await one.poll()
    assert one.good == 0
    assert len(one.errors) == 1
    assert isinstance(one.errors[0], FrameError)


@virtual
async def test_who_it_is_is_asked_at_first_and_after_every_silence() -> None:
    sensor = Sdi12Sensor("0", MOVING, identity="13CampbellCS65X 000Std.00.35=2196405")
    one = bench({"M": 3}, sensor)
    assert isinstance(one.device, IdentifiedDevice)
    assert str(one.device.identity) == "None"
    await one.poll()
    assert one.device.identity == "serial=Std.00.35=2196405; manufacturer=Campbell; model=CS65X; firmware=000"
    sensor.alive = False
    await one.poll()
    assert [type(error) for error in one.errors] == [NoReplyError]
    sensor.alive, sensor.identity = True, "13CampbellCS65X 000Std.00.35=2196406"
    await one.device.probe()
    await one.poll()
    assert "serial=Std.00.35=2196406" in str(one.device.identity)
    assert one.good == 6


@pytest.mark.parametrize("settings", [LINE, ADAPTER], ids=["line", "adapter"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault, settings: Characters, seed: int) -> None:
    happened = 0
    for commands in ({"MC": 3, "MC1": 8}, {"CC": 3, "CC1": 8}, {"RC0": 3}):
        one = bench(commands, injector=Injector(seed, rates={fault: 0.2}, sizes=SIZES), settings=settings)
        for _ in range(ROUNDS):
            await one.poll()
            await asyncio.sleep(5)
        happened += one.line.injector.happened[fault]
        assert one.good > 0
        assert one.line.counters.inside_silence == 0
    assert happened > 0


@virtual
async def test_an_adapter_that_echoes_costs_no_reading() -> None:
    for settings in (LINE, ADAPTER):
        one = bench({"M": 3}, echo=True, settings=settings)
        for _ in range(ROUNDS):
            await one.poll()
        assert not one.errors


@virtual
async def test_a_port_that_is_gone_is_said() -> None:
    one = bench({"M": 3})
    await one.stream.aclose()
    with pytest.raises(LinkDownError):
        await one.device.probe()


def test_addresses_are_one_digit_or_letter() -> None:
    read = find_protocol("sdi12", "here").address
    assert read is not None
    assert [read(text) for text in ("0", "z", " Z ")] == ["0", "z", "Z"]
    for text in ("", "?", "00", "ä", "*"):
        with pytest.raises(ValueError, match="one digit or letter"):
            read(text)


def test_the_simulator_sends_what_the_standard_prints() -> None:
    assert sdi12.checked("0+3.14") == "0+3.14OqZ"
    assert sdi12.checked("0+3.14+2.718+1.414") == "0+3.14+2.718+1.414Ipz"
    assert sdi12.checked("0") == "0AP@"
