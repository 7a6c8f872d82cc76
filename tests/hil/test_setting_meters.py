"""What may be written to meters, on the simulated line: their clocks and a valve; refused, unheard, unanswered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from drivers.batch import Value
from drivers.errors import NoReplyError, RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.meter_clock import utc_ms_of
from drivers.profile import LineSettings, Parity, Point, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.registry import build_device
from drivers.setting import ClockWay, Credentials
from drivers.sources import Controllable, SettableClock
from drivers.wire_protocol import LinkedDevice
from hil.memory import LineStream
from hil.sim import cjt188, dlt645
from hil.sim.dlt645_clock import PASSWORD
from hil.sim.wall import showing
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Line, Station

pytestmark = pytest.mark.bus

BEGAN = datetime.fromtimestamp(1_764_000_000, UTC)
"""Our UTC when virtual time is 0: 2025-11-24 16:00:00."""
SHIFT = timedelta(hours=7, minutes=30)
ZONE = timezone(SHIFT)
E1 = LineSettings(baud=2400, parity=Parity.EVEN)
RIGHT = Credentials(password=PASSWORD.hex(), operator="00000007")


class Bench:
    """Meters on one line, and the device of one of them."""

    def __init__(self, profile: str, address: str, *stations: Station) -> None:
        self.clock = VirtualClock(here())
        line = Line(list(stations), settings=stations[0].settings)
        stream = LineStream(line, parity_of=lambda one: one.parity.value)
        link = Link(stream, name="bench", clock=self.clock, pause=VirtualPause(self.clock), line=E1)
        self.profile = shipped(profile)
        self.link = RtuLink(link)
        self.device: LinkedDevice = build_device(
            self.profile.protocol, index=0, unit=0, address=address, profile=self.profile, link=self.link,
            clock=self.clock, settings=E1, zone=ZONE,
        )  # fmt: skip

    @property
    def settable(self) -> SettableClock:
        assert isinstance(self.device, SettableClock)
        return self.device

    def way(self, name: str) -> ClockWay:
        return next(one for one in self.settable.clock_ways if one.name == name)

    async def off_s(self) -> float:
        """How far the meter's clock is ahead of ours."""
        seen = await self.settable.show_clock()
        meter_ms = utc_ms_of(seen.local, ZONE)
        assert meter_ms is not None
        return (meter_ms - seen.utc_ms) / 1000


def shipped(name: str) -> Profile:
    return load_profile(find_profile(f"generic/{name}", builtin_roots()))


def electricity(off_s: float, *, later: bool = True, address: str = "000000000161") -> dlt645.Dlt645Meter:
    memory = dlt645.single_phase("s") if later else dlt645.old("s")
    wall = showing(BEGAN.replace(tzinfo=None) + SHIFT + timedelta(seconds=off_s))
    return dlt645.Dlt645Meter(address, memory, later=later, wall=wall)


def water(off_s: float, *, low_first: bool = False) -> cjt188.Cjt188Meter:
    wall = showing(BEGAN.replace(tzinfo=None) + SHIFT + timedelta(seconds=off_s))
    return cjt188.Cjt188Meter("78331505104145", 0x10, cjt188.water("s"), wall=wall, valve=True, low_first=low_first)


@virtual
async def test_a_clock_written_with_the_password_arrives_at_the_full_second() -> None:
    meter, other = electricity(-90), electricity(-90, address="000000000162")
    bench = Bench("dlt645-2007-single-phase", meter.address, meter, other)
    assert -92 < await bench.off_s() < -89
    written = await bench.settable.set_clock(bench.way("write"), RIGHT)
    (data,) = meter.clock.asked
    assert data[:4] == bytes.fromhex("0C010004")  # 0400010C, low byte first
    assert meter.clock.operators == [bytes.fromhex("00000007")]
    local = datetime.fromisoformat(written)
    assert data[12:] == bytes.fromhex(local.strftime("%y%m%d0%w%H%M%S"))[::-1]
    shown = meter.clock.wall
    assert shown is not None
    now_ns = here().time_ns()
    right = BEGAN.replace(tzinfo=None) + SHIFT + timedelta(microseconds=now_ns / 1000)
    assert abs((shown(now_ns) - right).total_seconds()) < 0.05
    assert -1.1 < await bench.off_s() < 0.1
    assert not other.clock.asked


@virtual
async def test_a_wrong_password_is_refused_and_changes_nothing() -> None:
    meter = electricity(-90)
    bench = Bench("dlt645-2007-single-phase", meter.address, meter)
    with pytest.raises(RefusedError, match="password") as refused:
        await bench.settable.set_clock(bench.way("write"), Credentials(password="02999999"))
    assert refused.value.exception == 0x04
    assert "999999" not in str(refused.value)
    assert await bench.off_s() < -89
    assert len(meter.clock.asked) == 1


@virtual
async def test_a_write_whose_answer_is_lost_is_sent_once_and_read_back() -> None:
    meter = electricity(-90)
    meter.mute = True
    bench = Bench("dlt645-2007-single-phase", meter.address, meter)
    with pytest.raises(NoReplyError):
        await bench.settable.set_clock(bench.way("write"), RIGHT)
    assert len(meter.clock.asked) == 1
    assert -1.1 < await bench.off_s() < 0.1


@virtual
@pytest.mark.parametrize("later", [True, False])
async def test_a_broadcast_reaches_every_meter_of_the_line_and_nobody_answers(later: bool) -> None:
    meters = [electricity(off, later=later, address=f"00000000016{n}") for n, off in enumerate((-90, 200, 400))]
    name = "dlt645-2007-single-phase" if later else "dlt645-1997"
    bench = Bench(name, meters[0].address, *meters)
    way = bench.way("broadcast")
    assert (way.answered, way.needs_password, way.most_step_s, way.once_a_day) == (False, False, 300, True)
    assert way.heard_by == {"dlt645-2007", "dlt645-1997"}
    await bench.settable.set_clock(way, Credentials())
    assert -1.1 < await bench.off_s() < 0.1
    now_ns = here().time_ns()
    right = BEGAN.replace(tzinfo=None) + SHIFT + timedelta(microseconds=now_ns / 1000)
    off = [round((one.clock.wall(now_ns) - right).total_seconds()) for one in meters if one.clock.wall]
    assert off == [0, 0, 400]  # the third is off by more than a broadcast may correct
    meters[0].clock.wall = showing(right.replace(microsecond=0) - timedelta(seconds=60), now_ns)
    await bench.settable.set_clock(way, Credentials())
    assert await bench.off_s() < -59  # it takes one a day


@virtual
@pytest.mark.parametrize("low_first", [False, True])
async def test_a_water_meters_clock_is_written_in_its_own_order(low_first: bool) -> None:
    meter = water(75, low_first=low_first)
    bench = Bench("cjt188-water", meter.address, meter)
    assert 73 < await bench.off_s() < 76
    written = await bench.settable.set_clock(bench.way("write"), Credentials())
    assert meter.written == [("A015", bytes.fromhex(datetime.fromisoformat(written).strftime("%Y%m%d%H%M%S"))[::-1])]
    assert -1.1 < await bench.off_s() < 0.1


@virtual
async def test_a_valve_is_told_a_state_and_shows_it_when_it_is_there() -> None:
    meter = water(0)
    meter.moves_ns = 3_000_000_000
    bench = Bench("cjt188-water-valve", meter.address, meter)
    control = valve(bench)
    assert isinstance(bench.device, Controllable)
    await bench.device.operate(control, "close")
    assert meter.written == [("A017", b"\x99")]
    assert meter.status[0] & 0x03 == 0
    assert await shows(bench, "valve") == 0  # it moves still
    await asyncio.sleep(3)
    assert await shows(bench, "valve") == 1
    await bench.device.operate(control, "open")
    assert meter.written[1:] == [("A017", b"\x55")]


@virtual
@pytest.mark.parametrize("spoil", ["locked", "no valve"])
async def test_a_meter_that_refuses_says_so(spoil: str) -> None:
    meter = water(0)
    if spoil == "locked":
        meter.locked = True
    else:
        meter = cjt188.Cjt188Meter(meter.address, 0x10, cjt188.water("s"))
    bench = Bench("cjt188-water-valve", meter.address, meter)
    assert isinstance(bench.device, Controllable)
    with pytest.raises(RefusedError, match="A017"):
        await bench.device.operate(valve(bench), "close")
    assert meter.status == b"\x00\x00"


@virtual
@pytest.mark.parametrize(("address", "names"), [("000000000161", ["broadcast", "write"]), ("A" * 12, ["broadcast"])])
async def test_nothing_is_written_to_a_wildcard(address: str, names: list[str]) -> None:
    bench = Bench("dlt645-2007-single-phase", address, electricity(0))
    assert [way.name for way in bench.settable.clock_ways] == names


@virtual
async def test_without_leave_of_the_profile_there_is_no_way() -> None:
    bench = Bench("cjt188-water", "78331505104145", water(0))
    silent = replace(bench.profile, clock=None)
    device = build_device(
        "cjt188", index=0, unit=0, address="78331505104145", profile=silent, link=bench.link, clock=bench.clock
    )
    assert isinstance(device, SettableClock)
    assert device.clock_ways == ()


def valve(bench: Bench) -> Point:
    return next(one for one in bench.profile.controls if one.name == "valve.command")


async def shows(bench: Bench, point: str) -> Value:
    index = bench.profile.index_of(point)
    batch = await bench.device.read(next(one for one in bench.device.reads if index in one.points))
    return batch.values[batch.points.index(index)]
