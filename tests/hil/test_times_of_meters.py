"""What meters say of time, on the simulated line: demands, freezes, due dates, and how far their clocks are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.batch import Batch, DeviceTime, DeviceTimeFlag, Value
from drivers.errors import RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, NamedLocation, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import Quality
from drivers.registry import build_device
from drivers.sources import IdentifiedDevice
from drivers.wire_protocol import LinkedDevice
from hil.memory import LineStream
from hil.sim import cjt188, dlt645, iec62056_21, mbus
from hil.sim.dlt645 import Cell
from hil.sim.wall import showing
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Line, Station

pytestmark = pytest.mark.bus

BEGAN = datetime.fromtimestamp(1_764_000_000, UTC)
"""Our UTC when virtual time is 0: 2025-11-24 16:00:00."""
BEIJING = timezone(timedelta(hours=8))
LATE = showing(BEGAN + timedelta(hours=8, seconds=-90))
"""A clock in Beijing that is 90 s behind."""
HISTORICAL, UNSET = DeviceTimeFlag.HISTORICAL, DeviceTimeFlag.CLOCK_UNSET
E1 = LineSettings(baud=2400, parity=Parity.EVEN)
HEAD = """
schema = 1
vendor = "any"
model = "meter"
name = { en = "meter", zh = "meter" }
source = "none: made for this test"
protocol = "dlt645-2007"
[line]
baud = 2400
parity = "even"
[limits]
turnaround_ms = 1000
"""


class UnsureClock(VirtualClock):
    """Our own clock where nobody keeps it right."""

    error_ms: int | None = 0

    def utc_error_ms(self) -> int | None:
        return self.error_ms


class Bench:
    """One meter, read whole."""

    def __init__(
        self,
        stations: Sequence[Station],
        profile: Profile,
        address: str,
        zone: tzinfo = BEIJING,
        settings: LineSettings = E1,
    ) -> None:
        self.clock = UnsureClock(here())
        line = Line(list(stations), settings=stations[0].settings)
        stream = LineStream(line, parity_of=lambda one: one.parity.value)
        link = Link(stream, name="bench", clock=self.clock, pause=VirtualPause(self.clock), line=settings)
        self.profile = profile
        self.device: LinkedDevice = build_device(
            profile.protocol, index=0, unit=0, address=address, profile=profile, link=RtuLink(link),
            clock=self.clock, settings=settings, zone=zone,
        )  # fmt: skip

    async def read(self) -> dict[str, tuple[Value, int, DeviceTime | None]]:
        """Value, status and the meter's time of every point by its name."""
        found: dict[str, tuple[Value, int, DeviceTime | None]] = {}
        for read in self.device.reads:
            found |= self._told(await self.device.read(read))
        return found

    def _told(self, batch: Batch) -> dict[str, tuple[Value, int, DeviceTime | None]]:
        times = {one.row: one for one in batch.device_times}
        assert list(times) == sorted(times)
        rows = zip(batch.points, batch.values, batch.statuses, strict=True)
        return {
            self.profile.points[point].name: (value, status, times.get(row))
            for row, (point, value, status) in enumerate(rows)
        }

    @property
    def identity(self) -> str | None:
        assert isinstance(self.device, IdentifiedDevice)
        return self.device.identity


def points(*places: tuple[str, str]) -> str:
    """``[[point]]`` of each (name, at)."""
    one = '[[point]]\nname = "{}"\nlabel = {{ en = "x", zh = "x" }}\nat = {{ {} }}\nunit = "{}"\ndecimals = {}\n'
    return "".join(one.format(name, at, "kW" if "demand" in name else "kW.h", 2) for name, at in places)


def made(folder: Path, *places: tuple[str, str], head: str = HEAD) -> Profile:
    path = folder / "any" / "meter.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + points(*places), encoding="utf-8")
    return load_profile(path)


def shipped(name: str, *names: str) -> Profile:
    """A shipped profile, with these points only if some are named."""
    profile = load_profile(find_profile(f"generic/{name}", builtin_roots()))
    chosen = tuple(point for point in profile.points if point.name in names)
    return replace(profile, points=chosen) if names else profile


def number(name: str, size: int, decimals: int, value: float) -> Cell:
    return Cell(name=name, size=size, decimals=decimals, value=lambda _t: value)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, zone: tzinfo = BEIJING) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=zone).timestamp()) * 1000


def meter(memory: dlt645.Memory) -> dlt645.Dlt645Meter:
    return dlt645.Dlt645Meter("000000000161", memory, wall=LATE)


@virtual
async def test_a_demand_says_when_it_was(tmp_path: Path) -> None:
    memory = {"01010000": (number("demand", 3, 4, 7.25), number("time", 5, 0, 2511201845))}
    bench = Bench([meter(memory)], made(tmp_path, ("demand.max", 'di = "01010000"')), "000000000161")
    assert (await bench.read())["demand.max"] == (725, 0, _at(utc(2025, 11, 20, 18, 45)))


@virtual
async def test_a_demand_without_a_day_has_no_time_at_all(tmp_path: Path) -> None:
    memory = {"01010000": (number("demand", 3, 4, 0), number("time", 5, 0, 0))}
    bench = Bench([meter(memory)], made(tmp_path, ("demand.max", 'di = "01010000"')), "000000000161")
    unset = DeviceTime(row=0, utc_ms=None, flags=HISTORICAL | UNSET)
    assert (await bench.read())["demand.max"] == (0, 0, unset)


@virtual
async def test_every_tariff_of_a_block_of_demands_has_its_own_time(tmp_path: Path) -> None:
    cells = [
        cell
        for day in (1, 2, 3)
        for cell in (number("demand", 3, 4, day), number("time", 5, 0, 2511000000 + 10_000 * day))
    ]
    profile = made(tmp_path, *((f"demand.{i}", f'di = "0101FF00", item = {2 * i}') for i in range(3)))
    found = await Bench([meter({"0101FF00": tuple(cells)})], profile, "000000000161").read()
    times = [time.utc_ms for _, _, time in found.values() if time is not None]
    assert times == [utc(2025, 11, day) for day in (1, 2, 3)]


@virtual
async def test_a_meter_that_refuses_the_block_of_demands_keeps_their_times(tmp_path: Path) -> None:
    memory = {
        f"0101{i:02X}00": (number("demand", 3, 4, i), number("time", 5, 0, 2511010000 + 10_000 * i)) for i in (0, 1)
    }
    profile = made(tmp_path, *((f"demand.{i}", f'di = "0101FF00", item = {2 * i}') for i in (0, 1)))
    bench = Bench([meter(memory)], profile, "000000000161")
    with pytest.raises(RefusedError):
        await bench.read()
    found = await bench.read()
    assert [time for _, _, time in found.values()] == [_at(utc(2025, 11, 1)), _at(utc(2025, 11, 2))]


@virtual
async def test_a_closed_month_is_old_and_does_not_say_how_old(tmp_path: Path) -> None:
    memory = {"00010001": (number("e", 4, 2, 12),), "00010000": (number("e", 4, 2, 13),)}
    bench = Bench(
        [meter(memory)], made(tmp_path, ("month", 'di = "00010001"'), ("now", 'di = "00010000"')), "000000000161"
    )
    found = await bench.read()
    assert found["month"] == (1200, 0, DeviceTime(row=0, utc_ms=None, flags=HISTORICAL))
    assert found["now"] == (1300, 0, None)


class Freezing(dlt645.Dlt645Meter):
    """Freezes right behind the ``freezes``-th answers, counted from 1."""

    def __init__(self, freezes: Sequence[int]) -> None:
        super().__init__("000000000161", {}, wall=LATE)
        self.day = 1
        self._reads = count(1)
        self._freezes = freezes
        self._freeze()

    def _freeze(self) -> None:
        self.memory = {
            "05060101": (number("e", 4, 2, self.day),),
            "05060001": (number("time", 5, 0, 2511000000 + 10_000 * self.day),),
        }

    def _read(self, control: int, identifier: bytes, now_ns: int) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        answer = super()._read(control, identifier, now_ns)
        if next(self._reads) in self._freezes:
            self.day += 1
            self._freeze()
        return answer


@pytest.mark.parametrize("at", [(), (1,), (2,), (3,), (4,), (5,), (1, 3), (2, 4), (1, 3, 5, 7)])
@virtual
async def test_what_was_frozen_never_gets_the_time_of_another_freeze(tmp_path: Path, at: tuple[int, ...]) -> None:
    bench = Bench([Freezing(at)], made(tmp_path, ("frozen", 'di = "05060101"')), "000000000161")
    for _ in range(4):
        value, status, time = (await bench.read())["frozen"]
        assert isinstance(value, int)
        assert status == 0
        assert time in (_at(utc(2025, 11, value // 100)), DeviceTime(row=0, utc_ms=None, flags=HISTORICAL))
    assert time == _at(utc(2025, 11, 1 + len(at)))


@virtual
async def test_a_meter_that_does_not_tell_when_it_froze_is_asked_once() -> None:
    station = meter({"05060101": (number("e", 4, 2, 5),)})
    profile = shipped("dlt645-2007-single-phase", "energy.active.import")
    point = replace(profile.points[0], place=NamedLocation(words=(("di", "05060101"),)))
    bench = Bench([station], replace(profile, points=(point,)), "000000000161")
    for _ in range(3):
        assert (await bench.read())["energy.active.import"][2] == DeviceTime(row=0, utc_ms=None, flags=HISTORICAL)
    assert station.heard == 3 + 2  # the refusal is asked about once more, then never


@pytest.mark.parametrize(("edition", "later"), [("2007-single-phase", True), ("1997", False)])
@virtual
async def test_the_difference_of_the_clocks_is_a_point(edition: str, later: bool) -> None:
    station = dlt645.Dlt645Meter("000000000161", {}, later=later, wall=LATE)
    bench = Bench([station], shipped(f"dlt645-{edition}", "clock.offset"), "000000000161")
    value, status, time = (await bench.read())["clock.offset"]
    assert (value, status) in ((-90, 0), (-91, 0))  # the meter shows whole seconds
    assert time is not None
    assert time.flags is DeviceTimeFlag.NONE
    assert bench.clock.utc_ns() // 10**6 - 92_000 < (time.utc_ms or 0) < bench.clock.utc_ns() // 10**6 - 90_000


@virtual
async def test_date_and_time_of_two_days_are_never_put_together() -> None:
    """Whenever midnight falls, between the two questions too."""
    for before_ms in range(0, 2_000, 50):
        shown = datetime(2025, 11, 24, 23, 59, 59, tzinfo=UTC) + timedelta(milliseconds=1000 - before_ms)
        station = dlt645.Dlt645Meter("000000000161", {}, wall=showing(shown, here().time_ns()))
        bench = Bench([station], shipped("dlt645-2007-single-phase", "clock.offset"), "000000000161", zone=UTC)
        behind_s = (bench.clock.utc_ns() / 1e9) - shown.timestamp()
        value, _, _ = (await bench.read())["clock.offset"]
        assert isinstance(value, int)
        assert abs(value + behind_s) <= 1.5, before_ms


@virtual
async def test_a_meter_without_a_clock_has_no_difference_and_is_not_refusing() -> None:
    station = dlt645.Dlt645Meter("000000000161", {}, later=False)
    bench = Bench([station], shipped("dlt645-1997", "clock.offset"), "000000000161")
    assert (await bench.read())["clock.offset"] == (None, Quality.BAD_NOT_SUPPORTED, None)


@virtual
async def test_a_difference_to_an_unsure_clock_is_unsure_and_to_an_unset_one_none() -> None:
    bench = Bench([meter({})], shipped("dlt645-2007-single-phase", "clock.offset"), "000000000161")
    for error_ms, status in ((1000, 0), (1001, Quality.UNCERTAIN_SENSOR_NOT_ACCURATE), (None, Quality.BAD_NO_DATA)):
        bench.clock.error_ms = error_ms
        value, found, _ = (await bench.read())["clock.offset"]
        assert found == status
        assert (value is None) is (error_ms is None)


@virtual
async def test_the_hour_that_comes_twice_is_no_time(tmp_path: Path) -> None:
    twice, once = ((number("demand", 3, 4, 1), number("time", 5, 0, stamp)) for stamp in (2510260230, 2510260330))
    profile = made(tmp_path, ("demand.twice", 'di = "01010000"'), ("demand.once", 'di = "01020000"'))
    bench = Bench(
        [meter({"01010000": twice, "01020000": once})], profile, "000000000161", zone=ZoneInfo("Europe/Berlin")
    )
    found = await bench.read()
    assert found["demand.twice"][2] == DeviceTime(row=0, utc_ms=None, flags=HISTORICAL | UNSET)
    assert found["demand.once"][2] == _at(utc(2025, 10, 26, 2, 30, UTC))


@virtual
async def test_a_water_meter_says_when_it_answered_and_how_late_its_clock_is() -> None:
    station = cjt188.Cjt188Meter("78331505104145", 0x10, cjt188.water("a"), wall=LATE)
    bench = Bench([station], shipped("cjt188-water"), "78331505104145")
    found = await bench.read()
    value, status, time = found["clock.offset"]
    assert (value, status) in ((-90, 0), (-91, 0))
    assert time is not None
    assert found["volume"][2] == replace(time, row=0)
    assert found["volume.settlement"][2] is None  # it has no value yet
    assert bench.identity == "address=78331505104145; type=0x10"


@virtual
async def test_a_gas_meter_s_settlement_is_old() -> None:
    station = cjt188.Cjt188Meter("78331505104145", 0x30, cjt188.gas("a"), clock=b"\xff" * 7)
    found = await Bench([station], shipped("cjt188-gas"), "78331505104145").read()
    assert _flags(found["volume.settlement"][2]) == HISTORICAL
    assert _flags(found["volume"][2]) == UNSET
    assert found["clock.offset"] == (None, Quality.BAD_NO_DATA, None)


@virtual
async def test_a_heat_meter_tells_its_clock_and_its_due_date() -> None:
    station = mbus.MbusMeter(5, mbus.identity("06855817", "KAM", 8, 4), mbus.heat("a"), wall=LATE)
    bench = Bench([station], shipped("mbus-heat"), "5")
    found = await bench.read()
    value, status, time = found["clock.offset"]
    assert status == 0
    assert isinstance(value, int)
    assert -90 - 60 <= value <= -90  # type F shows minutes
    assert time is not None
    assert found["energy"][2] == replace(time, row=0)
    assert _flags(time) is DeviceTimeFlag.NONE
    assert found["energy.due_date"][2] == DeviceTime(row=1, utc_ms=None, flags=HISTORICAL)
    assert bench.identity == "serial=06855817; manufacturer=KAM; medium=0x04; version=8"


@virtual
async def test_a_readout_tells_its_clock_its_demands_and_who_it_is() -> None:
    texts = "0.0.0(12345678)\r\n0.2.0(V2.1)\r\n0.1.2*04(2511010000)\r\n1.6.1(07.25*kW)(2511201845)\r\n"
    station = iec62056_21.IecMeter(iec62056_21.electricity("a"), texts=texts + "1.8.0*04(1.5*kWh)\r\n", wall=LATE)
    profile = shipped("iec62056-readout", "clock.offset", "energy.import", "power")
    energy, power = (one for one in profile.points if one.name != "clock.offset")
    demand = replace(power, name="demand", unit="kW", place=NamedLocation(words=(("obis", "1.6.1"),)))
    old = replace(energy, name="old", place=NamedLocation(words=(("obis", "1.8.0*04"),)))
    profile = replace(profile, points=(*profile.points, demand, old))
    head = LineSettings(baud=300, parity=Parity.EVEN, data_bits=7)
    bench = Bench([station], profile, "ANY", settings=head)
    found = await bench.read()
    value, status, _ = found["clock.offset"]
    assert status == 0
    assert isinstance(value, int)
    assert -92 <= value <= -88  # between identification and readout the meter is changing its speed
    assert found["demand"][2] == replace(_at(utc(2025, 11, 20, 18, 45)), row=3)
    assert found["old"][2] == replace(_at(utc(2025, 11, 1)), row=4)
    assert found["power"][2] is None
    assert bench.identity == "serial=12345678; manufacturer=TID; model=SIM-1; firmware=V2.1"


def _at(utc_ms: int) -> DeviceTime:
    return DeviceTime(row=0, utc_ms=utc_ms, flags=HISTORICAL)


def _flags(time: DeviceTime | None) -> DeviceTimeFlag:
    assert time is not None
    return time.flags
