"""One cell of the matrix in virtual time: real schedule, poll loop, link and device on a wire with one fault.

``play`` gives what was violated, as sentences, so that a mutant can be shown to be caught.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from agent.block.record import Event
from agent.config import Bus, SiteDevice
from agent.health import BusPhase
from agent.polling.bus import BusPoller
from agent.polling.claims import Life
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import Wakeup
from agent.schedule import SILENT_LIMIT
from drivers.batch import Batch
from drivers.link_counters import LinkCounters
from drivers.profile import Fingerprint, Profile
from drivers.quality import is_bad
from drivers.registry import AnyLink, build_device
from drivers.sources import Device
from hil import virtualtime
from hil.virtualtime import VirtualClock, here
from tests.agent.kept_sink import KeptSink
from tests.hil.fault_matrix.meters import METERS
from tests.hil.fault_matrix.polled_profile import CEILING_S
from tests.hil.fault_matrix.speaking import SPEAKING
from tests.hil.fault_matrix.wires import MODBUS, Wire

S = 1_000_000_000
MAKERS: Mapping[str, type[Wire]] = {**MODBUS, **METERS}
WIRES: Mapping[str, type[Wire]] = {**MAKERS, **SPEAKING}
PROBE_PAUSE_S = 6.0  # a probe that costs the whole ceiling, a twentieth of the bus, and the patience after the pause
REOPEN_PAUSE_S = 4.0
MANY_DEAD_PAUSE_S = 30.0
HANG_S = 600


@dataclass
class Port:
    """The port of the bus: opens links on the wire and keeps them, for their counters."""

    wire: Wire
    clock: VirtualClock
    profile: Profile
    links: list[AnyLink] = field(default_factory=list)
    devices: Sequence[Device] = ()

    async def open(self) -> None:
        link = self.wire.open(self.clock)
        self.links.append(link)
        if not self.devices:
            self.devices = self._build(link)
        for device in self.devices:
            device.use(link)  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        await self.links[-1].aclose()

    def _build(self, link: AnyLink) -> Sequence[Device]:
        return [
            build_device(
                self.profile.protocol,
                index=unit - 1,
                unit=unit,
                address=self.wire.address(unit),
                profile=self.profile,
                link=link,
                clock=self.clock,
                framing=self.wire.framing,
            )
            for unit in self.wire.members
        ]


class World:
    """One bus that is polled, its wire, and what came of it.

    Attributes:
        rand: the one source of chance.
        victim: the unit that suffers.
        count: how many exchanges it suffers; 1 is shorter than the dead threshold.
        over_ns: virtual time at which the fault was over, set by the act.
    """

    def __init__(
        self, make: Callable[[random.Random], Wire], seed: int, fingerprint: Fingerprint | None = None
    ) -> None:
        self.rand = random.Random(seed)
        self.clock = VirtualClock(here())
        self.wire = make(self.rand)
        self.victim = self.rand.choice(self.wire.members)
        self.count = 1 if seed % 2 else self.rand.randint(2, 5 if self.wire.ceiling_s == CEILING_S else 3)
        self.batches: list[Batch] = []
        self.events: list[Event] = []
        self.died: set[int] = set()
        self.down = False
        profile = self.wire.profile(fingerprint)
        self.port = Port(self.wire, self.clock, profile)
        self.port.devices = self.port._build(_no_link())
        wanted = [
            Wanted(
                index=unit - 1,
                site=SiteDevice(
                    name=f"d{unit}", bus="b", unit=unit, address=self.wire.address(unit), profile=profile
                ),
            )
            for unit in self.wire.members
        ]
        sink = KeptSink(batches=self.batches, events=self.events, points=len(self.port.profile.points))
        self.poller = BusPoller(
            Bus(name="b", port=self.wire.port),
            wanted,
            self.port,
            recorder=Recorder(sink, self.clock),
            clock=self.clock,
            wakeup=Wakeup(self.clock),
            start_ns=self.clock.mono_ns(),
        )
        self.over_ns = 0

    async def until(self, condition: Callable[[], bool], patience_s: float) -> bool:
        """Wait for a condition; False if it does not come."""
        end_s = here().time() + patience_s
        while not condition():
            if here().time() >= end_s:
                return False
            await asyncio.sleep(0.05)
            self.look()
        return True

    async def wait(self, seconds: float) -> None:
        """Let time pass and watch who dies."""
        await self.until(lambda: False, seconds)

    def look(self) -> None:
        """Note which devices are dead and whether the port is gone."""
        for index, status in self.poller.devices():
            if status.life is Life.DEAD:
                self.died.add(index + 1)
        self.down |= self.poller.status().phase is BusPhase.DOWN

    def totals(self) -> Counter[str]:
        """Counters of all links and error codes of all devices so far."""
        found: Counter[str] = Counter()
        for link in self.port.links:
            found.update({name: getattr(link.counters, name) for name in LinkCounters.__dataclass_fields__})
        for _, status in self.poller.devices():
            found.update(dict(status.errors))
        return found

    def failures(self) -> Counter[str]:
        """Error codes of all devices so far."""
        found: Counter[str] = Counter()
        for _, status in self.poller.devices():
            found.update(dict(status.errors))
        return found

    def good_since(self, from_ns: int) -> dict[tuple[int, int], int]:
        """Give, by unit and first point of the read, when the first good batch after ``from_ns`` was taken."""
        first: dict[tuple[int, int], int] = {}
        for batch in self.batches:
            at = batch.mono_ns - self.clock.mono_offset_ns
            if at >= from_ns and batch.points and not any(is_bad(status) for status in batch.statuses):
                first.setdefault((batch.device + 1, batch.points[0]), at)
        return first

    def wrong_values(self, stale_s: float = 0.0) -> list[str]:
        """Compare each value with what the simulator held when it heard that very request."""
        wrong = []
        for batch in self.batches:
            at = batch.mono_ns - self.clock.mono_offset_ns
            held = self._told(batch.device + 1, at, stale_s)
            for index, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                point = self.port.profile.points[index]
                truth = [one.get(point.name) for one in held]
                if not is_bad(status) and value not in [_mantissa(one, point.exponent) for one in truth]:
                    wrong.append(
                        f"unit {batch.device + 1} {point.name} = {value!r} at {at / S:.3f} s, but it held {truth}"
                    )
        return wrong

    def _told(self, unit: int, at_ns: int, stale_s: float) -> list[dict[str, str]]:
        """What the unit told to its last request before ``at_ns``, and to the same one before if that may be so."""
        asked = [one for one in self.wire.log if self.wire.unit_of(one) == unit and one.start_ns < at_ns]
        parts = asked[-self.wire.spans.get(unit, 1) :]  # exchanges that one reading takes
        last = {name: value for one in parts for name, value in one.held}
        return [last] + [
            dict(one.held)
            for one in asked
            if one.request == asked[-1].request and at_ns - one.start_ns <= stale_s * S
        ]


def _mantissa(told: str | None, exponent: int) -> Decimal | None:
    return None if told is None else Decimal(told).scaleb(-exponent)


class _NoLink:
    name = "line"
    counters = LinkCounters()


def _no_link() -> AnyLink:
    return _NoLink()  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault.

    Attributes:
        act: puts it on the wire of a world and returns when it is over.
        counted: link counters or error codes of which at least one has to rise.
        one_is_not_death: it happens to single exchanges, and one of them must not make the device count as dead.
        also: by the framing, what may rise instead of ``counted``.
        free: it is survived without a failed poll.
        costs: framings in which it may cost one all the same.
        framings: where it can happen.
        stale_s: how old a value may be, by the framing, where it cannot tell an old answer from a new one.
        late: the fault is of the framing's larger size.
        make: makes the wire of a framing in another way than the usual one.
        costly: each failure holds the bus so long that the dead unit's twentieth of it, not its pause, says when it
            is asked again.
    """

    name: str
    act: Callable[[World], Awaitable[None]]
    counted: tuple[str, ...] = ()
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    free: bool = False
    costs: tuple[str, ...] = ()
    one_is_not_death: bool = False
    framings: tuple[str, ...] = tuple(MAKERS)
    stale_s: Mapping[str, float] = field(default_factory=dict)
    late: bool = False
    make: Callable[..., Wire] | None = None
    costly: bool = False


def play(framing: str, cell: Cell, seed: int) -> list[str]:
    """Play one cell with one seed; give what was violated, nothing if all is well."""
    wire = WIRES[framing]
    sizes = wire.late_sizes if cell.late else wire.sizes

    def make(rand: random.Random) -> Wire:
        return wire(rand, sizes) if cell.make is None else cell.make(wire, rand, sizes)

    try:
        found = virtualtime.run(_play(cell, make, seed, framing))
    except TimeoutError:
        return [f"hang: the bus did not stop within {HANG_S} s"]
    except RuntimeError as error:
        if "stands still" not in str(error):
            raise
        return ["hang: everything waits and no timer is set"]
    return found


async def _play(cell: Cell, make: Callable[[random.Random], Wire], seed: int, framing: str) -> list[str]:
    world = World(make, seed)
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        group.create_task(world.poller.run())
        await world.wait(world.rand.uniform(1.5, 10) * world.wire.period_s)
        before, failed = world.totals(), world.failures()
        began_ns = here().time_ns()
        await cell.act(world)
        world.over_ns = max(world.over_ns, here().time_ns())
        await world.wait(0.3)
        violated = await _recovered(world, cell)
        await world.wait(2 * world.wire.period_s)
        world.poller.stop()
    if cell.one_is_not_death and world.count == 1 and world.died:
        violated.append(f"one fault made {sorted(world.died)} count as dead")
    violated += world.wrong_values(max(cell.stale_s.get(framing, 0.0), world.wire.stale_s))
    violated += _counted(world, cell, framing, before, failed)
    if world.wire.inside_silence:
        violated.append(f"{world.wire.inside_silence} requests inside t3.5")
    if not world.wire.log or world.wire.log[-1].start_ns < began_ns:
        violated.append("no request after the fault")
    return violated


async def _recovered(world: World, cell: Cell) -> list[str]:
    """Wait until all is normal again, at most as long as it may take."""
    members, devices = world.wire.members, world.port.devices
    wanted = {(unit, read.points[0]) for unit, one in zip(members, devices, strict=True) for read in one.reads}
    while gone := sorted(wanted - world.good_since(world.over_ns).keys()):
        may_s = _may_take_s(world, cell)
        if here().time_ns() > world.over_ns + may_s * S:
            return [f"not back to normal {may_s:.1f} s after the fault: {gone}; dead: {sorted(world.died)}"]
        await world.wait(0.05)
    return []


def _may_take_s(world: World, cell: Cell) -> float:
    """Give how long it may take until all is normal: one poll, or one pause and a poll if somebody counts as dead."""
    slow = cell.costly or world.wire.ceiling_s > CEILING_S
    may_s = world.wire.period_s + 2 * world.wire.ceiling_s + world.wire.reading_s + 0.2
    falls_back = world.wire.reading_s > 0 and world.count > SILENT_LIMIT  # to 300 Bd, where what broke off lasts
    if world.died or falls_back:
        may_s += MANY_DEAD_PAUSE_S if slow else PROBE_PAUSE_S
    if world.down:
        may_s += REOPEN_PAUSE_S
    return may_s


def _counted(world: World, cell: Cell, framing: str, before: Counter[str], failed: Counter[str]) -> list[str]:
    rise = world.totals() - before
    violated = []
    wanted = (*cell.counted, *cell.also.get(framing, ()))
    if cell.counted and not any(rise[name] for name in wanted):
        violated.append(f"not counted: none of {wanted} rose, only {dict(rise)}")
    if cell.free and framing not in cell.costs and (lost := world.failures() - failed):
        violated.append(f"polls failed: {dict(lost)}")
    return violated
