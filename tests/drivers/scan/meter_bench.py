"""A line with meters and a search of any protocols on it, under virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from drivers.profile import LineSettings
from drivers.registry import probers
from drivers.scan.line import ScanLine
from drivers.scan.plan import factory_places, make_plan
from drivers.scan.search import Search
from drivers.scan.sighting import Progress, Sighting
from drivers.scan.stage import Place as Expected
from drivers.scan.stage import Stage, Wanted
from drivers.scan.walk import step
from hil.characters import Characters
from hil.sim import cjt188, dlms, dlt645, iec62056_21, mbus, sml
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from hil.wire import Reply, Speaker, Station
from tests.drivers.scan.parity_wire import ParityLine, ParityStream, parity_line
from tests.drivers.scan.test_scan_search import profiles

PROBERS = {prober.protocol: prober for prober in probers()}
DLT645 = ("dlt645-2007", "dlt645-1997")
Place = tuple[str, int | str, int, str]
HEAD = Characters(baud=300, parity="E", data_bits=7)


def even(baud: int) -> Characters:
    return Characters(baud=baud, parity="E")


def electricity(address: str, baud: int = 2400, *, turnaround_ms: int = 40) -> dlt645.Dlt645Meter:
    memory = dlt645.three_phases(address)
    return dlt645.Dlt645Meter(address, memory, settings=even(baud), turnaround_ns=turnaround_ms * 1_000_000)


def water(address: str, baud: int = 2400) -> cjt188.Cjt188Meter:
    return cjt188.Cjt188Meter(address, 0x10, cjt188.water(address), settings=even(baud))


def heat(address: str, baud: int = 2400) -> cjt188.Cjt188Meter:
    return cjt188.Cjt188Meter(address, 0x20, cjt188.heat(address), settings=even(baud))


def wired(primary: int, number: str, baud: int = 2400, *, seed: str = "", medium: int = 4) -> mbus.MbusMeter:
    identity = mbus.identity(number, "KAM", 8, medium)
    return mbus.MbusMeter(primary, identity, mbus.heat(seed or number), settings=even(baud))


def head(*, settings: Characters = HEAD) -> iec62056_21.IecMeter:
    return iec62056_21.IecMeter(iec62056_21.electricity("head"), settings=settings)


def dlms_meter() -> dlms.DlmsMeter:
    return dlms.DlmsMeter(dlms.electricity("x"))


def pulled() -> sml.SmlMeter:
    return sml.SmlMeter(sml.electricity("x"), every_s=None)


@dataclass
class Mumbling:
    """Somebody who takes everything for a question and answers with what is none."""

    settings: Characters
    said: int = 0

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - the shape of a station
        self.said += 1
        return Reply(data=bytes.fromhex("06801E80608033C1"), delay_ns=5_000_000)

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - the shape of a station
        return None


@dataclass
class Bench:
    """What a search of a line came to.

    Attributes:
        found_at_s: when each device was found.
    """

    line: ParityLine
    search: Search
    announced_s: float
    ended_s: float = 0.0
    found_at_s: dict[Place, float] = field(default_factory=dict)

    @property
    def progress(self) -> Progress:
        return self.search.progress

    @property
    def added_s(self) -> float:
        """What was announced when somebody was found."""
        return self.search.forecast.added_s

    @property
    def places(self) -> set[Place]:
        """Who was found, as far as whole answers came."""
        return {place(one) for one in self.progress.sightings if one.whole}


def place(one: Sighting) -> Place:
    line = one.line
    return one.protocol, one.address, line.baud, f"{line.data_bits}{line.parity.value}{line.stop_bits}"


@cache
def _factory() -> tuple[Expected, ...]:
    return factory_places(profiles())


def plan_of(protocols: Sequence[str] = (), *, deep: bool = False, bauds: Sequence[int] = ()) -> tuple[Stage, ...]:
    """Make the plan of ``tidegate scan`` for some protocols, all by default."""
    wanted = Wanted(factory=_factory(), deep=deep, bauds=bauds)
    return make_plan([PROBERS[name] for name in protocols or PROBERS], wanted)


def scanned(
    stations: Sequence[Station],
    protocols: Sequence[str] = (),
    *,
    until: int = 10**9,
    most: int = 10**9,
    echo: bool = False,
    plan: Sequence[Stage] = (),
    progress: Progress | None = None,
    portion: int = 1,
    speakers: Sequence[Speaker] = (),
) -> Bench:
    """Search until so many are found and confirmed, at most so many questions; bytes come in portions."""

    async def work() -> Bench:
        clock, line = VirtualClock(here()), parity_line(stations, echo=echo)
        line.step = portion
        line.speakers += speakers
        scan = ScanLine(ParityStream(line), clock=clock, pause=VirtualPause(clock), line=LineSettings())
        search = Search(plan or plan_of(protocols), progress=progress)
        bench = Bench(line, search, search.remaining_s())
        for _ in range(most):
            if search.is_done or (search.is_between and len(bench.places) >= until):
                break
            new = await step(search, scan, PROBERS)
            if new is not None:
                bench.found_at_s[place(new)] = here().time()
        bench.ended_s = here().time()
        return bench

    return run(work())
