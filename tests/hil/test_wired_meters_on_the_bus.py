"""M-Bus and IEC 62056-21 meters on the simulated line, by the shipped profiles: no reading is ever wrong."""

from __future__ import annotations

import asyncio
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from drivers.codec.mbus import EVERY
from drivers.codec.seven_bit import with_parity
from drivers.errors import DeviceFailedError, DriverError, FrameError, LinkDownError, NoReplyError, RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import Quality, is_bad
from drivers.registry import build_device, find_protocol
from drivers.wire_protocol import Secret
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.memory import LineStream
from hil.sim import iec62056_21, mbus
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line, Reply, Station

pytestmark = pytest.mark.bus

SEED = 20251124  # a sum of eight bits and an XOR of seven let some damage through, whatever the decoder does
ROUNDS = 12
HEAT = mbus.identity("06855817", "KAM", 8, 4)
WATER = mbus.identity("04990254", "EFE", 0, 6)
SIZES = FaultSizes(late_ns=(10_000_000, 900_000_000))
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


class Bench:
    """One device among stations on one line."""

    def __init__(
        self,
        stations: list[Station],
        model: str,
        address: str,
        *,
        settings: Characters,
        injector: Injector | None = None,
        echo: bool = False,
        line: LineSettings | None = None,
        password: Secret | None = None,
    ) -> None:
        self.log: list[Exchange] = []
        self.clock = VirtualClock(here())
        self.line = Line(stations, settings=settings, injector=injector, echo=echo, on_exchange=self.log.append)
        self.stream = LineStream(self.line)
        self.profile: Profile = load_profile(find_profile(model, builtin_roots()))
        pause = VirtualPause(self.clock)
        write = find_protocol(self.profile.protocol, model).address
        assert write is not None
        own = line or self.profile.line
        link = Link(self.stream, name="bench", clock=self.clock, pause=pause, line=own, echo=echo)
        self.link = RtuLink(link)
        self.device = build_device(
            self.profile.protocol, index=0, unit=0, address=write(address), profile=self.profile, link=self.link,
            clock=self.clock, settings=line, password=password,
        )  # fmt: skip
        self.values: dict[str, object] = {}
        self.bad: dict[str, int] = {}
        self.good = 0
        self.errors: list[DriverError] = []

    async def poll(self) -> None:
        for read in self.device.reads:
            begin = len(self.log)
            try:
                batch = await self.device.read(read)
            except DriverError as error:
                self.errors.append(error)
                continue
            told: dict[str, str] = {}
            for one in self.log[begin:]:
                told |= dict(one.held)
            for index, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                point = self.profile.points[index]
                if is_bad(status):
                    self.bad[point.name] = status
                    continue
                self.values[point.name] = value
                if point.name in told:
                    assert isinstance(value, int)
                    unit = Decimal(1).scaleb(point.exponent)
                    held = Decimal(told[point.name]).quantize(unit, ROUND_HALF_EVEN)
                    assert value * unit == held, (point.name, told[point.name], value)
                    self.good += 1


def heat_bench(injector: Injector | None = None, *, address: str = "5", echo: bool = False) -> Bench:
    stations: list[Station] = [
        mbus.MbusMeter(5, HEAT, mbus.heat("a")),
        mbus.MbusMeter(6, WATER, mbus.water("b")),
    ]
    return Bench(stations, "generic/mbus-heat", address, settings=mbus.LINE, injector=injector, echo=echo)


def water_bench(injector: Injector | None = None, *, address: str = "6") -> Bench:
    stations: list[Station] = [
        mbus.MbusMeter(5, HEAT, mbus.heat("a")),
        mbus.MbusMeter(6, WATER, mbus.water("b")),
    ]
    return Bench(stations, "generic/mbus-water", address, settings=mbus.LINE, injector=injector)


def iec_bench(meter: iec62056_21.IecMeter, injector: Injector | None = None, **kind: object) -> Bench:
    return Bench(
        [meter], "generic/iec62056-readout", "any", settings=iec62056_21.LINE, injector=injector, **kind  # type: ignore[arg-type]
    )  # fmt: skip


def iec_meter(**kind: object) -> iec62056_21.IecMeter:
    return iec62056_21.IecMeter(iec62056_21.electricity("a"), **kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["5", "06855817", "06855817.KAM.08.04", "F6855817.*.08.*"])
@virtual
async def test_a_heat_meter_is_read_whole_by_every_kind_of_address(address: str) -> None:
    bench = heat_bench(address=address)
    for _ in range(3):
        await bench.poll()
    assert not bench.errors
    assert bench.good == 3 * 8
    assert bench.line.counters.inside_silence == 0


@virtual
async def test_a_power_below_zero_stays_below_zero() -> None:
    bench = heat_bench()
    lowest = 0
    for _ in range(40):
        await asyncio.sleep(20)
        await bench.poll()
        power = bench.values["power"]
        assert isinstance(power, int)
        lowest = min(lowest, power)
    assert lowest < -50


@pytest.mark.parametrize("address", ["6", "04990254"])
@virtual
async def test_a_meter_with_two_telegrams_is_read_to_its_end_and_anew_each_time(address: str) -> None:
    bench = water_bench(address=address)
    volumes = []
    for _ in range(4):
        await asyncio.sleep(60)
        await bench.poll()
        volumes.append(bench.values["volume"])
    assert not bench.errors
    assert bench.good == 4 * 3
    assert len(set(volumes)) > 1
    assert bench.bad == dict.fromkeys(("due_date", "errors", "clock.offset"), Quality.BAD_NO_DATA)


@virtual
async def test_the_reading_after_a_lost_reply_is_not_the_old_one_again() -> None:
    bench = water_bench()
    await bench.poll()
    meter = bench.line.stations[1]
    assert isinstance(meter, mbus.MbusMeter)
    meter.alive = False
    await bench.poll()
    assert bench.errors
    meter.alive = True
    resets = meter.resets
    before = bench.good
    await bench.poll()
    assert bench.good == before + 3
    assert meter.resets == resets + 1


class HardOfHearing(mbus.MbusMeter):
    """A meter that noise keeps from hearing some requests: those with these control bytes."""

    missed: tuple[int, ...] = ()

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        parts = mbus.taken_apart(frame)
        return None if parts is not None and parts[0] in self.missed else super().hear(frame, now_ns)


@pytest.mark.parametrize(
    ("identity", "telegrams", "model", "told"),
    [(HEAT, mbus.heat("a"), "generic/mbus-heat", 8), (WATER, mbus.water("b"), "generic/mbus-water", 3)],
    ids=["one telegram", "two"],
)
@virtual
async def test_the_reading_after_a_reset_that_the_meter_missed_is_not_the_old_one_again(
    identity: bytes, telegrams: list[list[mbus.Cell]], model: str, told: int
) -> None:
    meter = HardOfHearing(5, identity, telegrams)
    bench = Bench([meter], model, identity[3::-1].hex(), settings=mbus.LINE)
    await bench.poll()
    meter.missed = (0x5B,)  # its frame count bit stays at 1
    await bench.poll()
    assert [type(error) for error in bench.errors] == [NoReplyError]
    meter.missed = (0x40,)  # and after a reset we begin with 1
    await asyncio.sleep(60)
    before = bench.good
    await bench.poll()
    assert bench.good == before + told


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading_of_an_mbus_meter(fault: Fault) -> None:
    for bench in (
        heat_bench(Injector(SEED, rates={fault: 0.3}, sizes=SIZES)),
        heat_bench(Injector(SEED, rates={fault: 0.3}, sizes=SIZES), address="06855817"),
        water_bench(Injector(SEED, rates={fault: 0.3}, sizes=SIZES)),
    ):
        for _ in range(ROUNDS):
            await bench.poll()
        assert bench.line.injector.happened[fault] > 0
        assert bench.good > 0
        assert bench.line.counters.inside_silence == 0


@virtual
async def test_a_level_converter_that_echoes_costs_no_reading() -> None:
    bench = heat_bench(Injector(SEED, rates={Fault.GLITCH: 0.9}), echo=True)
    for _ in range(ROUNDS):
        await bench.poll()
    assert not bench.errors


@pytest.mark.parametrize(("code", "kind"), [(8, DeviceFailedError), (1, RefusedError)])
@virtual
async def test_an_application_error_is_no_reading(code: int, kind: type[DriverError]) -> None:
    bench = heat_bench()
    meter = bench.line.stations[0]
    assert isinstance(meter, mbus.MbusMeter)
    meter.error = code
    await bench.poll()
    assert [type(error) for error in bench.errors] == [kind]
    await bench.device.probe()


@virtual
async def test_another_meter_than_the_selected_one_is_no_reading() -> None:
    bench = heat_bench(address="06855817")
    meter = bench.line.stations[0]
    assert isinstance(meter, mbus.MbusMeter)
    await bench.poll()
    meter.identity = mbus.identity("06855817", "KAM", 8, 4)[:4] + WATER[4:]
    await bench.poll()
    assert not bench.errors  # the id alone was given
    exact = heat_bench(address="06855817.KAM.08.04")
    other = exact.line.stations[0]
    assert isinstance(other, mbus.MbusMeter)
    other._is_meant = bool  # type: ignore[assignment, method-assign]
    other.identity = WATER
    await exact.poll()
    assert [type(error) for error in exact.errors] == [FrameError]


@pytest.mark.parametrize("offered", ["0", "3", "5", "6"])
@virtual
async def test_a_readout_comes_at_the_speed_that_the_meter_offers(offered: str) -> None:
    meter = iec_meter(offered=offered)
    bench = iec_bench(meter)
    for _ in range(2):
        await bench.poll()
    assert not bench.errors
    assert bench.good == 2 * 10
    baud = {"0": 300, "3": 2400, "5": 9600, "6": 19200}[offered]
    assert meter.readouts == [baud] * len(meter.readouts)
    assert len(meter.readouts) == 2 * len(bench.device.reads)
    assert bench.values["meter.number"] == "12345678"
    assert bench.values["error"] == "00000000"
    assert bench.line.counters.inside_silence == 0


@virtual
async def test_the_option_goes_out_after_the_reaction_time() -> None:
    bench = iec_bench(iec_meter())
    await bench.poll()
    sign_on, option = bench.log[0], bench.log[1]
    assert sign_on.reply_end_ns is not None
    wait_ns = option.start_ns - sign_on.reply_end_ns
    assert 200_000_000 <= wait_ns <= 1_500_000_000


@virtual
async def test_a_head_too_slow_for_the_offered_speed_is_read_at_300() -> None:
    meter = iec_meter()
    meter.deaf_at = frozenset((9600,))
    bench = iec_bench(meter)
    for _ in range(4):
        await bench.poll()
    assert 300 in meter.readouts
    assert bench.good > 0


@virtual
async def test_a_port_of_eight_bits_makes_parity_in_software() -> None:
    meter = iec_meter()
    bench = iec_bench(meter, line=LineSettings(baud=300, parity=Parity.NONE, data_bits=8))
    eight = Characters(baud=300, parity="N", data_bits=8)
    bench.line.settings = eight
    bench.stream._settings = eight
    await bench.poll()
    assert not bench.errors
    assert bench.good == 10
    assert bench.log[0].request == with_parity(b"/?!\r\n")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading_of_a_readout(fault: Fault) -> None:
    bench = iec_bench(iec_meter(), Injector(SEED, rates={fault: 0.25}, sizes=SIZES))
    for _ in range(ROUNDS):
        await bench.poll()
    if fault not in (Fault.OTHER_UNIT, Fault.TWO_AT_ONCE):  # nobody else is on an optical head
        assert bench.line.injector.happened[fault] > 0
    assert bench.good > 0


@virtual
async def test_an_optical_head_that_echoes_costs_no_reading() -> None:
    bench = iec_bench(iec_meter(), echo=True)
    for _ in range(3):
        await bench.poll()
    assert not bench.errors


@virtual
async def test_a_meter_that_is_not_named_does_not_answer() -> None:
    bench = Bench([iec_meter()], "generic/iec62056-readout", "99", settings=iec62056_21.LINE)
    await bench.poll()
    assert {type(error) for error in bench.errors} == {NoReplyError}
    named = Bench([iec_meter()], "generic/iec62056-readout", "12345678", settings=iec62056_21.LINE)
    await named.poll()
    assert not named.errors
    await named.stream.aclose()
    with pytest.raises(LinkDownError):
        await named.device.probe()


def test_addresses_have_one_form() -> None:
    from drivers.protocols.iec62056_21_place import read_address as read_iec  # noqa: PLC0415
    from drivers.protocols.mbus_place import read_address as read_mbus  # noqa: PLC0415

    assert [read_mbus(text) for text in ("1", "007", "250", str(EVERY), "12345678", "1234567f.kam.08.04")] == [
        "1", "7", "250", "254", "12345678", "1234567F.KAM.08.04",
    ]  # fmt: skip
    for text in ("", "251", "253", "255", "1234567", "12345678.KA.08.04", "x"):
        with pytest.raises(ValueError, match="address"):
            read_mbus(text)
    assert [read_iec(text) for text in ("any", "00012345", "12 345", "0")] == ["ANY", "12345", "12345", "0"]
    with pytest.raises(ValueError, match="digits or letters"):
        read_iec("!")
