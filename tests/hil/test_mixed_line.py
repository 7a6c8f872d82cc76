"""One pair that carries Modbus at 9600 8N1 and meters at 2400 8E1: silence, changes of the port, nobody starves.

The real poll loop, schedule, link and protocols under virtual time; the verdict comes from the log of the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from agent.config import Bus, SiteDevice
from agent.polling.bus import BusPoller
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import Wakeup
from agent.schedule import Schedule
from drivers.batch import Batch
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.registry import build_device
from drivers.sources import Device
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim import cjt188, dlt645
from hil.sim.images import image_of
from hil.sim.modbus import RtuDevice
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Exchange, Line, Station
from tests.agent.kept_sink import KeptSink

pytestmark = pytest.mark.bus

S = 1_000_000_000
FAST, SLOW = Characters(), Characters(baud=2400, parity="E")
MODBUS, METER = LineSettings(), LineSettings(baud=2400, parity=Parity.EVEN)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One device of the line."""

    station: Station
    model: str
    every_s: float
    unit: int = 0
    address: str = ""

    @property
    def settings(self) -> LineSettings:
        return METER if self.address else MODBUS


def modbus(unit: int, every_s: float) -> Member:
    station = RtuDevice(unit, image_of("generic/block-25", str(unit)), turnaround_ns=5_000_000)
    return Member(station=station, model="generic/block-25", every_s=every_s, unit=unit)


def electricity(number: int, every_s: float) -> Member:
    address = f"{number:012d}"
    station = dlt645.Dlt645Meter(address, dlt645.single_phase(address))
    return Member(station=station, model="generic/dlt645-2007-single-phase", every_s=every_s, address=address)


def water(number: int, every_s: float) -> Member:
    address = f"{number:014d}"
    station = cjt188.Cjt188Meter(address, 0x10, cjt188.water(address))
    return Member(station=station, model="generic/cjt188-water", every_s=every_s, address=address)


def at_site(member: Member) -> Profile:
    """Give its profile with the period of the site."""
    profile = load_profile(find_profile(member.model, builtin_roots()))
    points = tuple(replace(point, period_s=member.every_s) for point in profile.points)
    return replace(profile, points=points)


class Mixed:
    """The line and who polls it; its port needs ``switch_s`` after a change of speed or parity."""

    def __init__(self, members: Sequence[Member], switch_s: float) -> None:
        self.members = members
        self.log: list[Exchange] = []
        self.batches: list[Batch] = []
        self.clock = VirtualClock(here())
        self.line = Line([one.station for one in members], on_exchange=self.log.append)
        stream = LineStream(self.line, parity_of=lambda settings: settings.parity.value)
        pause = VirtualPause(self.clock)
        self.link = RtuLink(Link(stream, name="mixed", clock=self.clock, pause=pause, line=MODBUS, switch_s=switch_s))
        profiles = [at_site(one) for one in members]
        wanted = [
            Wanted(
                index=index,
                site=SiteDevice(
                    name=f"d{index}", bus="b", unit=one.unit, address=one.address, profile=profile,
                    line=one.settings,
                ),
            )
            for index, (one, profile) in enumerate(zip(members, profiles, strict=True))
        ]  # fmt: skip
        self.devices: Sequence[Device] = [
            build_device(
                one.site.profile.protocol, index=one.index, unit=one.site.unit, address=one.site.address,
                profile=one.site.profile, link=self.link, clock=self.clock, settings=one.site.line,
            )
            for one in wanted
        ]  # fmt: skip
        sink = KeptSink(batches=self.batches, points=1000)
        self.poller = BusPoller(
            Bus(name="b", port="/dev/ttyX", line=MODBUS), wanted, self, recorder=Recorder(sink, self.clock),
            clock=self.clock, wakeup=Wakeup(self.clock), start_ns=self.clock.mono_ns(),
        )  # fmt: skip

    async def open(self) -> None:
        """It is open already."""

    async def aclose(self) -> None:
        await self.link.aclose()

    async def run(self, seconds: float) -> Measured:
        """Poll for so long and measure all but the first rounds."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.poller.run())
            await asyncio.sleep(SETTLING_S)
            begin, batches = len(self.log), len(self.batches)
            await asyncio.sleep(seconds)
            log, taken = self.log[begin:], self.batches[batches:]
            self.poller.stop()
        return Measured(self, log, taken, seconds)


SETTLING_S = 15


class Measured:
    """What the log of the wire says.

    Attributes:
        load: part of the time that exchanges held the wire, silences apart.
        changes_s: changes of speed or parity a second.
        served: by device, polls done over polls wanted.
        gap: by device, the longest time between two polls of one read, in its periods.
    """

    def __init__(self, mixed: Mixed, log: Sequence[Exchange], taken: Sequence[Batch], seconds: float) -> None:
        self.log = log
        busy_ns = sum((one.reply_end_ns or one.end_ns) - one.start_ns for one in log)
        self.load = busy_ns / (log[-1].end_ns - log[0].start_ns)
        pairs = list(pairwise(log))
        self.changes_s = sum(one.settings != other.settings for one, other in pairs) / seconds
        self.short = [
            (one, other)
            for one, other in pairs
            if (other.gap_ns or 0) < max(one.settings.silence_ns, other.settings.silence_ns)
        ]
        times: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for batch in taken:
            times.setdefault((batch.device, tuple(batch.points)), []).append(batch.mono_ns)
        self.served: dict[int, float] = {}
        self.gap: dict[int, float] = {}
        for index, (member, device) in enumerate(zip(mixed.members, mixed.devices, strict=True)):
            reads = [times.get((index, read.points), []) for read in device.reads]
            self.served[index] = sum(map(len, reads)) * member.every_s / (len(reads) * seconds)
            gaps = [(b - a) / S for one in reads for a, b in pairwise(one)]
            self.gap[index] = max(gaps, default=float("inf")) / member.every_s
        self.by_protocol = {
            meter: [self.served[i] for i, one in enumerate(mixed.members) if bool(one.address) is meter]
            for meter in (False, True)
        }


METERS = {
    "electricity": lambda: [electricity(number, 10) for number in (161, 7761)],
    "water": lambda: [water(number, 4) for number in (78331505104145, 78331505104146)],
}


@pytest.mark.parametrize("switch_s", [0.0, 0.02])
@pytest.mark.parametrize("meters", METERS)
@virtual
async def test_below_its_limit_a_line_of_two_protocols_misses_nothing_and_keeps_both_silences(
    meters: str, switch_s: float
) -> None:
    mixed = Mixed([*(modbus(unit, 1) for unit in (1, 2, 3)), *METERS[meters]()], switch_s)
    found = await mixed.run(120)
    print(f"load {found.load:.2f}, {found.changes_s:.2f} changes/s, served {found.served}, gap {found.gap}")
    assert 0.3 < found.load < 0.8
    assert found.short == []
    assert mixed.line.counters.inside_silence == mixed.line.counters.collisions == 0
    assert min(found.served.values()) > 0.99
    assert max(found.gap.values()) < 1.9
    polls_s = sum(one.settings == SLOW for one in found.log) / 120
    assert found.changes_s <= 2 * polls_s  # there and back for each exchange with a meter, less where two follow
    assert {one.settings for one in found.log} == {FAST, SLOW}


@pytest.mark.parametrize("meters", METERS)
@virtual
async def test_above_its_limit_neither_protocol_starves(meters: str) -> None:
    mixed = Mixed([*(modbus(unit, 0.25) for unit in (1, 2, 3)), *METERS[meters]()], 0.02)
    found = await mixed.run(120)
    print(f"load {found.load:.2f}, {found.changes_s:.2f} changes/s, served {found.served}, gap {found.gap}")
    assert found.short == []
    assert mixed.line.counters.inside_silence == mixed.line.counters.collisions == 0
    assert min(found.served.values()) > 0.5
    assert max(found.gap.values()) < 4.5  # in its periods
    polls_s = sum(one.settings == SLOW for one in found.log) / 120
    assert found.changes_s <= 2 * polls_s


def alternating(every_s: float) -> list[Member]:
    """Devices of both protocols in turn, as a site file may name them."""
    pairs = ((modbus(unit, every_s), water(78331505104144 + unit, every_s)) for unit in (1, 2, 3, 4))
    return [one for pair in pairs for one in pair]


@pytest.mark.parametrize("every_s", [1.8, 2.0])  # in turn: more than the line bears, and just about as much
@virtual
async def test_exchanges_go_in_groups_where_the_line_is_nearly_full(
    every_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = await Mixed(alternating(every_s), 0.02).run(120)
    monkeypatch.setattr("agent.poll.Schedule", partial(unaware, Schedule))
    plain = await Mixed(alternating(every_s), 0.02).run(120)
    for one in (grouped, plain):
        print(f"load {one.load:.2f}, {one.changes_s:.2f} changes/s, served {one.served}, gap {one.gap}")
    assert grouped.short == plain.short == []
    assert grouped.changes_s < plain.changes_s
    assert min(grouped.served.values()) > 0.98 > min(plain.served.values())
    assert max(grouped.gap.values()) < max(plain.gap.values())


def unaware(real: type[Schedule], *words: Any, settings: object, **named: Any) -> Schedule:  # noqa: ARG001
    return real(*words, **named)
