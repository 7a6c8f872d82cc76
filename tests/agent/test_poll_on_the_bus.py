"""Poll loop, link and protocol on the simulated bus, in virtual time: what a dead device costs its neighbours.

Ten devices of ten registers at 9600 Bd, each wanted once a second; the wire's own log is the judge.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from agent.block.record import Event, EventKind
from agent.config import Bus, SiteDevice
from agent.polling.bus import BusPoller
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import Wakeup
from drivers.batch import Batch
from drivers.errors import LinkDownError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import Label, Limits, LineSettings, ModbusLocation, Point, Profile, Table
from drivers.registry import build_device
from drivers.sources import Device
from hil.characters import Characters
from hil.faults import Fault
from hil.memory import LineStream
from hil.sim.modbus import RtuDevice
from hil.sim.motion import still
from hil.sim.registers import HOLDING, Held, Image
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line
from tests.agent.kept_sink import KeptSink

pytestmark = pytest.mark.bus

S = 1_000_000_000
REGISTERS = 10
PROFILE = Profile(
    id="test/ten",
    vendor="test",
    model="ten",
    label=Label(en="", zh=""),
    protocol="modbus",
    digest=bytes(16),
    source="",
    proof="",
    line=LineSettings(),
    unit=1,
    limits=Limits(),
    points=tuple(
        Point(
            name=f"p{n}",
            label=Label(en="", zh=""),
            place=ModbusLocation(table=Table.HOLDING_REGISTER, address=n),
            unit=None,
            scale=Decimal(1),
            exponent=0,
            period_s=1.0,
        )
        for n in range(REGISTERS)
    ),
)


def image() -> Image:
    held = tuple(
        Held(name=f"p{n}", table=HOLDING, address=n, type="u16", motion=still(100 + n)) for n in range(REGISTERS)
    )
    return Image(model="ten", held=held, spans=((HOLDING, 0, REGISTERS - 1),), source="made for this test")


class TimedLink(RtuLink):
    """Notes (unit, from, until) of every exchange, in virtual time."""

    def __init__(self, link: Link, held: list[tuple[int, int, int]]) -> None:
        super().__init__(link)
        self._held = held

    async def ask(self, unit: int, pdu: bytes, **options: Any) -> bytes:
        start_ns = here().time_ns()
        try:
            return await super().ask(unit, pdu, **options)
        finally:
            self._held.append((unit, start_ns, here().time_ns()))


@dataclass
class BusPort:
    """A port on the simulated line; ``pulled`` is an adapter that is not there."""

    line: Line
    clock: VirtualClock
    count: int
    pulled: bool = False
    held: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stream = LineStream(self.line)
        self.devices: Sequence[Device] = [
            build_device("modbus", index=n, unit=n + 1, profile=PROFILE, link=self._link(), clock=self.clock)
            for n in range(self.count)
        ]

    def _link(self) -> RtuLink:
        return TimedLink(
            Link(self._stream, name="line", clock=self.clock, pause=VirtualPause(self.clock), line=LineSettings()),
            self.held,
        )

    async def open(self) -> None:
        if self.pulled:
            raise LinkDownError("line: there is no such port")
        self._stream = LineStream(self.line)
        link = self._link()
        for device in self.devices:
            device.use(link)  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        await self._stream.aclose()


@dataclass
class Rig:
    """One bus that is polled, and the log of its wire."""

    stations: list[RtuDevice]
    log: list[Exchange] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = VirtualClock(here())
        line = Line(list(self.stations), settings=Characters(baud=9600), on_exchange=self.log.append)
        self.line = line
        self.port = BusPort(line, clock, len(self.stations))
        sink = KeptSink(batches=self.batches, events=self.events, points=REGISTERS)
        wanted = [
            Wanted(index=n, site=SiteDevice(name=f"d{n}", bus="b", unit=n + 1, profile=PROFILE))
            for n in range(len(self.stations))
        ]
        self.poller = BusPoller(
            Bus(name="b", port="/dev/ttyX"),
            wanted,
            self.port,
            recorder=Recorder(sink, clock),
            clock=clock,
            wakeup=Wakeup(clock),
            start_ns=clock.mono_ns(),
        )

    def polls(self, first_s: float, last_s: float) -> dict[int, list[int]]:
        """Times of the answered requests between two times, by unit."""
        found: dict[int, list[int]] = defaultdict(list)
        for one in self.log:
            if one.reply and first_s * S <= one.start_ns < last_s * S:
                found[one.request[0]].append(one.start_ns)
        return found

    def share(self, units: Sequence[int], first_s: float, last_s: float) -> float:
        """Share of the time between two times in which the bus was held by a request to one of ``units``."""
        held = self.port.held
        spent = sum(end - start for unit, start, end in held if unit in units and first_s * S <= start < last_s * S)
        return spent / ((last_s - first_s) * S)


def rig(count: int = 10, rates: Mapping[Fault, float] | None = None, seed: int = 0) -> Rig:
    return Rig([RtuDevice(n + 1, image(), rates=rates, seed=seed + n) for n in range(count)])


@pytest.mark.parametrize("dead", [(5,), (1,), (2, 6, 9)])
@virtual
async def test_the_living_keep_their_polls_while_others_are_dead(dead: tuple[int, ...]) -> None:
    bus = rig()
    living = [unit for unit in range(1, 11) if unit not in dead]
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(20)
        for unit in dead:
            bus.stations[unit - 1].alive = False
        await asyncio.sleep(90)
        for unit in dead:
            bus.stations[unit - 1].alive = True
        await asyncio.sleep(25)
        bus.poller.stop()
    polls = bus.polls(20, 110)
    rate = sum(len(polls[unit]) for unit in living) / 90
    gaps = [b - a for unit in living for a, b in itertools.pairwise(bus.polls(0, 135)[unit])]
    back = {unit: min(bus.polls(110, 135)[unit]) / S - 110 for unit in dead}
    share = bus.share(dead, 30, 110)
    print(f"rate {rate:.3f} longest gap {max(gaps) / S:.3f} s share {share:.4f} back {back}")
    assert rate >= len(living) * 8.95 / 9
    assert max(gaps) <= 1.5 * S
    assert share <= (0.03 if len(dead) == 1 else 0.05)
    assert max(back.values()) <= 5
    assert bus.line.counters.inside_silence == 0
    nulls = [batch.device + 1 for batch in bus.batches if None in batch.values]
    assert sorted(nulls) == sorted(dead), "each dead device is said once"
    told = [event for event in bus.events if event.kind == EventKind.MISSED_POLLS]
    missed = sum(int(event.fields[2]) for event in told)  # type: ignore[call-overload]
    assert len(dead) * 85 <= missed <= len(dead) * 96


@virtual
async def test_lateness_and_bus_time_in_the_status_are_those_of_the_wire() -> None:
    bus = rig()
    bus.stations[6].alive = False
    began_ns = here().time_ns()
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(30.02)
        told = dict(bus.poller.devices())
        log = list(bus.log)
        bus.poller.stop()
    for device, status in told.items():
        (read,) = status.reads
        held_ns = sum(end - start for unit, start, end in bus.port.held if unit == device + 1)
        assert status.busy_ms == pytest.approx(held_ns / 1e6, abs=230), "an exchange may be under way"
        if device == 6:
            continue
        starts = [one.start_ns for one in log if one.request[0] == device + 1]
        phase_ns = began_ns + device * S // 10
        late_ms = [(start - phase_ns) % S / 1e6 for start in starts if start - began_ns >= S]
        quiet_ms = 4.1  # t3.5, which follows the decision
        assert late_ms[-1] - quiet_ms <= read.late_ms <= late_ms[-1] + 0.1
        assert max(late_ms) - quiet_ms <= read.late_max_ms
        assert read.late_mean_ms <= read.late_max_ms
        assert read.polls == len(starts)
        assert read.points == tuple(f"p{n}" for n in range(REGISTERS))


@virtual
async def test_a_device_never_heard_costs_at_most_a_twentieth_of_the_bus() -> None:
    bus = rig()
    bus.stations[3].alive = False
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(100)
        bus.poller.stop()
    polls = bus.polls(10, 100)
    assert bus.share([4], 10, 100) <= 0.05
    assert sum(len(polls[unit]) for unit in range(1, 11) if unit != 4) / 90 >= 8.95
    assert bus.line.counters.inside_silence == 0


@virtual
async def test_a_device_that_became_slow_is_measured_and_not_lost() -> None:
    bus = rig(count=4)
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(30)
        bus.stations[1].turnaround_ns = 120_000_000
        await asyncio.sleep(60)
        bus.poller.stop()
    good = [
        batch for batch in bus.batches if batch.device == 1 and batch.mono_ns - S > 60 * S and not any(batch.statuses)
    ]
    assert len(good) >= 29


@virtual
async def test_a_noisy_line_never_gives_a_wrong_reading_and_kills_nobody(seed: int) -> None:
    bus = rig(rates={Fault.FLIP: 0.05, Fault.DROP: 0.03}, seed=seed)
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(120)
        bus.poller.stop()
    good = [batch for batch in bus.batches if not any(batch.statuses)]
    assert all(batch.values == tuple(range(100, 100 + REGISTERS)) for batch in good)
    assert len(good) >= 0.85 * 10 * 120


@virtual
async def test_an_adapter_that_is_pulled_and_put_back_heals_by_itself() -> None:
    bus = rig(count=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(10.3)
        bus.port.pulled = True
        await bus.port._stream.aclose()
        await asyncio.sleep(20)
        bus.port.pulled = False
        await asyncio.sleep(10)
        bus.poller.stop()
    assert sorted(batch.device for batch in bus.batches if None in batch.values) == [0, 1, 2]
    back = bus.polls(30.3, 41)
    assert all(min(back[unit]) <= 35.3 * S for unit in (1, 2, 3))
    codes = [event.fields[1] for event in bus.events if event.kind == EventKind.BUS_FAULT]
    assert codes == ["link-down", "back"]


@virtual
async def test_a_refused_block_is_cut_once_remembered_over_a_reopening_and_shown() -> None:
    """The device refuses every read across the hole between its registers 3 and 4 (exception 2)."""
    whole = image()
    halves = replace(whole, spans=((HOLDING, 0, 3), (HOLDING, 4, REGISTERS - 1)))
    bus = Rig([RtuDevice(1, halves)])
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.poller.run())
        await asyncio.sleep(5.3)
        before = len(bus.log)
        await bus.port._stream.aclose()
        await asyncio.sleep(5)
        ((_, status),) = bus.poller.devices()
        bus.poller.stop()
    asked = [(int.from_bytes(one.request[2:4], "big"), one.request[5]) for one in bus.log]
    refused = [one for one, told in zip(asked, bus.log, strict=True) if told.reply[1:2] == b"\x83"]
    assert 1 <= len(refused) == len(set(refused)) <= 4, "no block is asked for twice once it was refused"
    assert max(asked.index(one) for one in refused) < before
    known = {point for read in status.reads for point in read.points}
    assert known == {f"p{n}" for n in range(REGISTERS)}
    assert status.blocks_cut == len(refused)
    assert len(status.reads) == len(refused) + 1
    assert {read.points for read in status.reads} == {one.points for one in status.reads if one.polls}
    good = [batch for batch in bus.batches if not any(batch.statuses)]
    assert {index for batch in good for index in batch.points} == set(range(REGISTERS))
    assert all(batch.values == tuple(100 + index for index in batch.points) for batch in good)
    assert not any(None in batch.values for batch in bus.batches if batch.mono_ns < 5 * S), "a cut costs no value"
