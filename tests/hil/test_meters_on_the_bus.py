"""DL/T 645 and CJ/T 188 meters on the simulated bus, beside Modbus devices too: no reading is ever wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise

import pytest

from drivers.errors import DeviceFailedError, DriverError, LinkDownError, NoReplyError, RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, NamedLocation, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.dlt645 import PROTOCOLS
from drivers.quality import Quality, is_bad
from drivers.registry import build_device
from drivers.wire_protocol import LinkedDevice
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.memory import LineStream
from hil.sim import cjt188, dlt645
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.sim.wall import showing
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line, Station

pytestmark = pytest.mark.bus

ROUNDS = 12
WITHIN_CEILING = FaultSizes(late_ns=(10_000_000, 900_000_000))
"""Later than the link has learnt to wait, within the second that the profiles allow."""
E1 = LineSettings(baud=2400, parity=Parity.EVEN)
WALL = showing(datetime(2025, 11, 24, 16, tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One device: its simulation, its profile and where it is."""

    station: Station
    model: str
    address: str = ""
    unit: int = 0
    settings: LineSettings = E1


def single(address: str = "000000000161", **kind: object) -> Placed:
    meter = dlt645.Dlt645Meter(address, dlt645.single_phase(address), **{"wall": WALL} | kind)  # type: ignore[arg-type]
    return Placed(station=meter, model="generic/dlt645-2007-single-phase", address=address)


def three(address: str = "223002000066", **kind: object) -> Placed:
    meter = dlt645.Dlt645Meter(address, dlt645.three_phases(address), **{"wall": WALL} | kind)  # type: ignore[arg-type]
    return Placed(station=meter, model="generic/dlt645-2007-three-phase", address=address)


def old(address: str = "000014359743", **kind: object) -> Placed:
    meter = dlt645.Dlt645Meter(address, dlt645.old(address), later=False, **{"wall": WALL} | kind)  # type: ignore[arg-type]
    return Placed(station=meter, model="generic/dlt645-1997", address=address)


def water(address: str = "78331505104145", **kind: object) -> Placed:
    meter = cjt188.Cjt188Meter(address, 0x10, cjt188.water(address), **kind)  # type: ignore[arg-type]
    return Placed(station=meter, model="generic/cjt188-water", address=address)


def gas(address: str = "00112024051234") -> Placed:
    meter = cjt188.Cjt188Meter(address, 0x30, cjt188.gas(address))
    return Placed(station=meter, model="generic/cjt188-gas", address=address)


def heat(address: str = "11110018439066", type_: int = 0x27) -> Placed:
    meter = cjt188.Cjt188Meter(address, type_, cjt188.heat(address))
    return Placed(station=meter, model="generic/cjt188-heat", address=address)


def modbus(unit: int, model: str, baud: int, parity: str) -> Placed:
    characters = Characters(baud=baud, parity=parity)
    device = RtuDevice(unit, IMAGES[model](f"{unit}"), settings=characters, turnaround_ns=4_000_000)
    line = LineSettings(baud=baud, parity=Parity(parity))
    return Placed(station=device, model=model, unit=unit, settings=line)


class Bench:
    """Devices on one line, polled as fast as the line goes."""

    def __init__(self, placed: list[Placed], injector: Injector | None = None, *, echo: bool = False) -> None:
        clock = VirtualClock(here())
        self.log: list[Exchange] = []
        self.line = Line(
            [one.station for one in placed],
            settings=dlt645.LINE,
            injector=injector or Injector(0),
            echo=echo,
            on_exchange=self.log.append,
        )
        self.stream = LineStream(self.line, parity_of=lambda settings: settings.parity.value)
        self.link = RtuLink(
            Link(self.stream, name="bench", clock=clock, pause=VirtualPause(clock), line=E1, echo=echo, switch_s=0.02)
        )
        self.placed = placed
        self.profiles = [profile_of(one.model) for one in placed]
        self.devices: list[LinkedDevice] = [
            build_device(
                profile.protocol, index=index, unit=one.unit, address=one.address, profile=profile, link=self.link,
                clock=clock, settings=one.settings,
            )
            for index, (one, profile) in enumerate(zip(placed, self.profiles, strict=True))
        ]  # fmt: skip
        self.good = 0
        self.bad: dict[str, int] = {}
        self.errors: list[DriverError] = []

    async def poll(self, index: int) -> None:
        for read in self.devices[index].reads:
            begin = len(self.log)
            try:
                batch = await self.devices[index].read(read)
            except DriverError as error:
                self.errors.append(error)
                continue
            told: dict[str, str] = {}
            for one in self.log[begin:]:
                told |= dict(one.held)
            points = [self.profiles[index].points[point] for point in batch.points]
            for point, value, status in zip(points, batch.values, batch.statuses, strict=True):
                if is_bad(status):
                    self.bad[point.name] = status
                elif point.name in told:
                    assert isinstance(value, int)
                    unit = Decimal(1).scaleb(point.exponent)
                    held = _in_unit(point.unit, self.profiles[index], point.name, Decimal(told[point.name]))
                    assert value * unit == held.quantize(unit, ROUND_HALF_EVEN), (point.name, told, self.log[-1])
                    self.good += 1

    async def poll_all(self) -> None:
        for index in range(len(self.devices)):
            await self.poll(index)


def profile_of(model: str) -> Profile:
    return load_profile(find_profile(model, builtin_roots()))


def _in_unit(unit: str | None, profile: Profile, name: str, held: Decimal) -> Decimal:
    """The simulated heat meter shows its energies in MW.h, the profile promises kW.h."""
    return (
        held * 1000 if profile.id == "generic/cjt188-heat" and unit == "kW.h" and name.startswith("energy") else held
    )


LINE_OF_ALL: list[Callable[[], Placed]] = [single, three, old, water, gas, heat]


@pytest.mark.parametrize("make", LINE_OF_ALL, ids=lambda make: make.__name__)
@virtual
async def test_a_meter_is_read_whole_and_right_by_its_profile(make: Callable[[], Placed]) -> None:
    bench = Bench([make()])
    await bench.poll_all()
    assert not bench.errors
    told = {name for one in bench.log for name, _ in one.held}
    numbers = [point for point in bench.profiles[0].points if point.unit is not None]
    assert bench.good == len([point for point in numbers if point.name in told])
    expected_bad = {"current.l3", "volume.settlement"} & {point.name for point in numbers}
    assert set(bench.bad) == expected_bad - told
    assert all(status == Quality.BAD_NO_DATA for status in bench.bad.values())
    assert bench.line.counters.inside_silence == 0


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE], ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault, seed: int) -> None:
    bench = Bench([make() for make in LINE_OF_ALL], Injector(seed, rates={fault: 0.3}, sizes=WITHIN_CEILING))
    for _ in range(ROUNDS):
        await bench.poll_all()
    assert bench.line.injector.happened[fault] > 5
    assert bench.good > 50
    assert bench.line.counters.inside_silence == 0


@virtual
async def test_glitches_and_echo_cost_no_reading(seed: int) -> None:
    bench = Bench([make() for make in LINE_OF_ALL], Injector(seed, rates={Fault.GLITCH: 0.9}), echo=True)
    for _ in range(ROUNDS):
        await bench.poll_all()
    assert not bench.errors


@virtual
async def test_modbus_and_meters_of_three_speeds_and_two_parities_share_one_pair() -> None:
    placed = [
        modbus(1, "eastron/sdm120", 9600, "N"),
        single(),
        modbus(2, "generic/xy-md02", 4800, "E"),
        old(settings=Characters(baud=1200, parity="E")),
        water(),
        modbus(3, "peacefair/pzem-004t", 9600, "N"),
    ]
    placed[3] = replace(placed[3], settings=LineSettings(baud=1200, parity=Parity.EVEN))
    bench = Bench(placed)
    for _ in range(3):
        await bench.poll_all()
    assert not bench.errors
    assert bench.good >= 3 * (8 + 2 + 6 + 1)
    assert bench.line.counters.inside_silence == 0
    assert bench.line.counters.collisions == 0
    damaged = [one.station.damaged for one in placed if isinstance(one.station, dlt645.Dlt645Meter)]
    assert all(damaged)  # they heard the others' exchanges, at other speeds, and took none for their own
    assert all(one.station.heard for one in placed if isinstance(one.station, RtuDevice))


@virtual
async def test_devices_that_ask_at_once_take_their_turns_on_the_shared_pair() -> None:
    bench = Bench(
        [modbus(1, "eastron/sdm120", 9600, "N"), single(), water(), modbus(2, "generic/xy-md02", 4800, "E")]
    )

    async def alone(index: int) -> None:
        device = bench.devices[index]
        for read in device.reads:
            batch = await device.read(read)
            assert all(not is_bad(s) or bench.profiles[index].points[p].name == "volume.settlement"
                       for p, s in zip(batch.points, batch.statuses, strict=True))  # fmt: skip

    await asyncio.gather(*(alone(index) for index in range(4)))
    assert bench.line.counters.inside_silence == 0
    assert bench.line.counters.collisions == 0


@virtual
async def test_a_reply_of_several_frames_is_fetched_to_its_end() -> None:
    bench = Bench([three(most_data=6)])
    await bench.poll_all()
    assert not bench.errors
    assert bench.good >= 24
    assert len(bench.log) > len(bench.devices[0].reads) + 5


@virtual
async def test_a_reply_of_several_frames_of_the_earlier_edition_too() -> None:
    bench = Bench([old(most_data=3)])
    await bench.poll_all()
    assert not bench.errors
    assert bench.good == 6


@virtual
async def test_a_block_that_a_meter_does_not_have_is_read_value_by_value_from_then_on() -> None:
    placed = three()
    assert isinstance(placed.station, dlt645.Dlt645Meter)
    placed.station.memory = {di: cells for di, cells in placed.station.memory.items() if "FF" not in di}
    bench = Bench([placed])
    for _ in range(2):
        await bench.poll_all()
    refusals = [error for error in bench.errors if isinstance(error, RefusedError)]
    assert len(refusals) == len(bench.errors) == 6
    assert all(error.replanned for error in refusals)
    assert max(count for _, count in Counter(one.request for one in bench.log[:14]).items()) == 2  # asked once more
    bench.errors.clear()
    bench.good = 0
    await bench.poll_all()
    assert not bench.errors
    assert bench.good == 24


@virtual
async def test_after_a_question_that_was_given_up_another_one_comes_first() -> None:
    sizes = FaultSizes(late_ns=(2_500_000_000, 2_500_000_000))
    bench = Bench([single()], Injector(0, script={0: Fault.LATE}, sizes=sizes))
    device = bench.devices[0]
    energy, other = device.reads[:2]
    for _ in range(3):  # the late answer falls into a question that comes first, and is none to it
        with pytest.raises(NoReplyError):
            await device.read(energy)
    batch = await device.read(energy)
    asked = [one.request for one in bench.log]
    assert asked[0] == asked[-1]
    assert asked[0] not in asked[1:-1]
    told = dict(bench.log[-1].held)
    point = bench.profiles[0].points[batch.points[0]]
    assert Decimal(str(batch.values[0])).scaleb(point.exponent) == Decimal(told[point.name])
    assert (await device.read(other)).points == other.points
    assert len(bench.log) == len(asked) + 1  # whoever has answered is asked straight away


@virtual
async def test_a_refusal_that_was_meant_for_another_request_costs_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench([three()])
    meter = bench.placed[0].station
    assert isinstance(meter, dlt645.Dlt645Meter)
    serve, answers = meter._serve, iter([True])
    monkeypatch.setattr(
        meter,
        "_serve",
        lambda control, data, t: (control | 0xC0, b"\x02", ()) if next(answers, False) else serve(control, data, t),
    )
    reads = tuple(bench.devices[0].reads)
    await bench.poll_all()
    assert not bench.errors
    assert tuple(bench.devices[0].reads) == reads


@virtual
async def test_a_refusal_for_another_reason_is_the_meters_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench([single()])
    meter = bench.placed[0].station
    assert isinstance(meter, dlt645.Dlt645Meter)
    monkeypatch.setattr(meter, "_serve", lambda control, _data, _t: (control | 0xC0, b"\x01", ()))
    await bench.poll_all()
    assert {type(error) for error in bench.errors} == {DeviceFailedError}
    await bench.devices[0].probe()  # a refusal is life


@virtual
async def test_a_dead_meter_is_silent_and_a_closed_line_is_down() -> None:
    bench = Bench([single(), water()])
    for one in bench.placed:
        one.station.alive = False  # type: ignore[attr-defined]
    await bench.poll_all()
    assert {type(error) for error in bench.errors} == {NoReplyError}
    await bench.stream.aclose()
    with pytest.raises(LinkDownError):
        await bench.devices[0].probe()


@virtual
async def test_a_heat_meter_answers_as_another_type_and_another_order() -> None:
    placed = heat(type_=0x25)
    assert isinstance(placed.station, cjt188.Cjt188Meter)
    placed.station.low_first = True
    bench = Bench([placed])
    await bench.poll_all()
    assert not bench.errors
    assert bench.good == 8


@virtual
async def test_a_meter_that_counts_its_own_serial_numbers_is_read_when_the_profile_says_so() -> None:
    bench = Bench([water(own_serial=True)])
    await bench.poll_all()
    assert [type(error) for error in bench.errors] == [NoReplyError]
    said = profile_of("generic/cjt188-water")
    points = tuple(
        replace(point, place=NamedLocation(words=(*point.place.words, ("serial", "any"))))
        for point in said.points
        if isinstance(point.place, NamedLocation)
    )
    device = build_device(
        "cjt188", index=0, unit=0, address="78331505104145", profile=replace(said, points=points), link=bench.link,
        clock=VirtualClock(here()),
    )  # fmt: skip
    (read,) = device.reads
    batch = await device.read(read)
    assert sum(not is_bad(status) for status in batch.statuses) == len(points) - 1


@virtual
async def test_a_late_reply_is_told_from_that_to_the_next_question_by_its_serial_number(seed: int) -> None:
    late = FaultSizes(late_ns=(1_200_000_000, 1_900_000_000))
    bench = Bench([water()], Injector(seed, rates={Fault.LATE: 0.5}, sizes=late))
    for _ in range(60):
        await bench.poll_all()
    assert bench.line.injector.happened[Fault.LATE] > 2
    assert bench.good > 2
    assert all(one.request != other.request for one, other in pairwise(bench.log))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("161", "000000000161"),
        ("910004920760", "910004920760"),
        ("aaaaaaaaaaaa", "A" * 12),
        ("AAAAAAAA0161", "AAAAAAAA0161"),
    ],
)
def test_an_address_is_written_in_one_way(text: str, address: str) -> None:
    read = PROTOCOLS["dlt645-2007"].address
    assert read is not None
    assert read(text) == address


@pytest.mark.parametrize("text", ["", "12345678901234", "12x", "9" * 12, "AAA", "AAAAAAAAA161", "0161AAAA"])
def test_what_is_no_address_is_refused(text: str) -> None:
    read = PROTOCOLS["dlt645-2007"].address
    assert read is not None
    with pytest.raises(ValueError):
        read(text)
