"""Searching a line under virtual time: what is found, how many probes and how many seconds of line it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from drivers.profile import LineSettings, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, list_profiles, load_profile
from drivers.scan.conclude import Conclusion, conclude
from drivers.scan.line import ScanLine
from drivers.scan.modbus import ModbusProbes
from drivers.scan.modbus_stages import BAUDS
from drivers.scan.plan import factory_places, make_plan
from drivers.scan.record import from_json, to_json
from drivers.scan.search import Search
from drivers.scan.sighting import Progress, Sighting
from drivers.scan.stage import Stage, Wanted
from drivers.scan.timing import reckoned_s
from drivers.scan.walk import step
from hil.characters import Characters
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.virtualtime import VirtualClock, VirtualPause, here, run, virtual
from hil.wire import Reply, Station
from tests.drivers.scan.parity_wire import ParityLine, ParityStream, accepts, characters, parity_line

MAKERS = {"modbus": ModbusProbes()}
MODBUS = MAKERS["modbus"]


@cache
def profiles() -> tuple[Profile, ...]:
    roots = builtin_roots()
    return tuple(load_profile(find_profile(name, roots)) for name in list_profiles(roots))


def at(model: str, unit: int, baud: int, parity: str = "N", *, turnaround_ms: int = 12) -> RtuDevice:
    return RtuDevice(
        unit,
        IMAGES[model](f"{model}:{unit}"),
        settings=Characters(baud=baud, parity=parity),
        turnaround_ns=turnaround_ms * 1_000_000,
    )


@dataclass
class Bench:
    """A line with devices and a search on it."""

    stations: Sequence[Station]
    plan: tuple[Stage, ...]
    progress: Progress = field(default_factory=Progress)
    echo: bool = False
    ended_s: float = 0.0
    found_at_s: dict[tuple[int, int, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(here())
        self.line: ParityLine = parity_line(self.stations, echo=self.echo)
        self.scan = ScanLine(
            ParityStream(self.line), clock=self.clock, pause=VirtualPause(self.clock), line=LineSettings()
        )
        self.search = Search(self.plan, progress=self.progress)
        self.announced_s = self.search.remaining_s()

    @property
    def places(self) -> set[tuple[int, int, str]]:
        return {place_of(sighting) for sighting in self.search.progress.sightings}

    async def run(self, until: int = 10**9, *, most: int = 10**9) -> None:
        """Search until so many devices are found and confirmed."""
        for _ in range(most):
            if self.search.is_between and len(self.places) >= until:
                return
            new = await step(self.search, self.scan, MAKERS)
            if new is not None:
                self.found_at_s[place_of(new)] = here().time()
            if self.search.stage is None and self.search.is_between:
                return


def place_of(sighting: Sighting) -> tuple[int, int, str]:
    assert isinstance(sighting.address, int)
    return sighting.address, sighting.line.baud, sighting.line.parity.value


def test_every_unit_has_a_request_that_two_parities_take_and_the_exact_one_fits_one_only() -> None:
    for unit in MODBUS.units:
        ask = MODBUS.blind(unit)
        sent = Characters(stop_bits=2)
        fits = {parity for parity in Parity if accepts(ask.request, sent, Characters(parity=parity.value))}
        assert fits == set(ask.parities)
        assert len(fits) == 2
        exact = MODBUS.exact(unit).request
        for parity in Parity:
            own = characters(LineSettings(parity=parity))
            assert {p for p in Parity if accepts(exact, own, Characters(parity=p.value))} == {parity}


FACTORY_FOUR = (
    ("generic/xy-md02", 1, 9600, "N"),
    ("senseair/s8", 254, 9600, "N"),
    ("renke/soil-4in1", 1, 4800, "N"),
    ("eastron/sdm120", 1, 2400, "N"),
)


def brute_force_s(place: tuple[int, int, str], patience_s: float = 0.25) -> float:
    """Seconds until ``place`` is reached by every speed, parity and address in turn with one fixed time-out."""
    spent = 0.0
    for baud in BAUDS:
        for parity in (Parity.NONE, Parity.EVEN, Parity.ODD):
            for unit in MODBUS.units:
                spent += reckoned_s(MODBUS.exact(unit), LineSettings(baud=baud, parity=parity), patience_s)
                if (unit, baud, parity.value) == place:
                    return spent
    raise AssertionError(place)


@virtual
async def test_four_devices_at_factory_settings_are_found_in_under_a_minute_of_line_time() -> None:
    bench = Bench([at(*one) for one in FACTORY_FOUR], make_plan([MODBUS], Wanted(factory=factory_places(profiles()))))
    await bench.run(until=4)
    assert bench.places == {one[1:] for one in FACTORY_FOUR}
    assert max(bench.found_at_s.values()) < 60
    assert bench.search.progress.probes < 60


@pytest.mark.parametrize("place", [(173, 2400, "E"), (201, 19200, "O"), (30, 38400, "E")])
def test_an_odd_one_is_found_within_the_announced_time_and_sooner_than_by_brute_force(
    place: tuple[int, int, str],
) -> None:
    bench = searched([at("eastron/sdm120", *place)], until=1)
    assert bench.places == {place}
    found_s = bench.found_at_s[place]
    assert found_s < bench.announced_s
    assert found_s < brute_force_s(place) / 2


def test_the_announced_time_is_what_an_empty_line_takes() -> None:
    bench = searched([])
    assert bench.places == set()
    assert bench.ended_s == pytest.approx(bench.announced_s, rel=0.02)
    assert [one.what for one in conclude(bench.progress)] == [Conclusion.NOBODY]


def test_a_speed_where_one_was_found_is_searched_first() -> None:
    bench = searched([at("eastron/sdm120", 9, 38400), at("eastron/sdm120", 201, 38400, "E")], until=2)
    second = max(bench.found_at_s.values())
    alone = searched([at("eastron/sdm120", 201, 38400, "E")], until=1).found_at_s[201, 38400, "E"]
    assert second < alone


def test_time_outs_are_learnt_and_never_shorter_than_the_slowest_answer() -> None:
    slow = searched([at("generic/xy-md02", 1, 9600, turnaround_ms=100)])
    quick = searched([at("generic/xy-md02", 1, 9600, turnaround_ms=5)])
    assert quick.ended_s < slow.ended_s
    assert slow.places == quick.places == {(1, 9600, "N")}


def test_one_that_answers_after_the_time_out_is_found_by_its_late_reply_or_by_the_deep_pass() -> None:
    bench = searched([at("generic/xy-md02", 77, 9600, turnaround_ms=180)], deep=True, until=1)
    assert bench.places == {(77, 9600, "N")}


def test_two_devices_of_one_address_are_told_from_one() -> None:
    pair = [at("generic/xy-md02", 5, 9600), at("renke/soil-4in1", 5, 9600), at("generic/xy-md02", 7, 9600)]
    bench = searched(pair, addresses=(5, 7), bauds=(9600,))
    crowded = [one for one in conclude(bench.progress) if one.what is Conclusion.CROWDED]
    assert [one.sighting.address for one in crowded if one.sighting] == [5]
    assert bench.places == {(5, 9600, "N"), (7, 9600, "N")}


def test_an_echo_is_told_and_hides_nobody() -> None:
    bench = searched([at("generic/xy-md02", 5, 9600, "E")], addresses=(4, 5, 6), echo=True)
    assert bench.places == {(5, 9600, "E")}
    assert Conclusion.ECHO in [one.what for one in conclude(bench.progress)]


def test_bytes_of_another_speed_are_told_from_silence() -> None:
    bench = searched([Mumbling()], addresses=(1, 2, 3), bauds=(9600,))
    assert bench.places == set()
    told = [one.what for one in conclude(bench.progress)]
    assert told == [Conclusion.OTHER_SPEED]


def test_a_search_goes_on_where_it_ended() -> None:
    stations = [at("eastron/sdm120", 173, 2400, "E")]
    whole = searched(stations, until=1)
    progress = Progress()
    probes = 0
    while not progress.sightings:
        part = searched(stations, until=1, most=200, progress=progress)
        probes += 200
        assert part.progress is progress
        progress = from_json(to_json(progress))
    assert progress.probes <= whole.progress.probes + 2
    assert {place_of(one) for one in progress.sightings} == {(173, 2400, "E")}


def test_no_probe_leaves_inside_the_silence() -> None:
    bench = searched([at("generic/xy-md02", 1, 9600), at("eastron/sdm120", 1, 2400)], most=300)
    assert bench.line.counters.requests >= 300
    assert bench.line.counters.inside_silence == 0
    assert bench.line.counters.collisions == 0


def searched(
    stations: Sequence[Station],
    *,
    until: int = 10**9,
    most: int = 10**9,
    echo: bool = False,
    deep: bool = False,
    addresses: Sequence[int] = (),
    bauds: Sequence[int] = (),
    progress: Progress | None = None,
) -> Bench:
    async def work() -> Bench:
        factory = () if addresses else factory_places(profiles())
        plan = make_plan([MODBUS], Wanted(factory=factory, units=addresses, bauds=bauds, deep=deep))
        bench = Bench(stations, plan, progress=progress or Progress(), echo=echo)
        await bench.run(until, most=most)
        bench.ended_s = here().time()
        return bench

    return run(work())


class Mumbling:
    """Somebody at 4800 Bd who takes everything for a question."""

    settings = Characters(baud=9600)

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - the shape of a station
        return Reply(data=bytes.fromhex("06801E80608033C1"), delay_ns=5_000_000)

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - the shape of a station
        return None


def test_what_no_blind_probe_shows_is_found_by_the_deep_pass() -> None:
    stations = [at("eastron/sdm120", 200, 19200, "O")]
    bauds = (9600, 19200)
    assert searched(stations, bauds=bauds).places == set()
    deep = searched(stations, bauds=bauds, deep=True, until=1)
    assert deep.places == {(200, 19200, "O")}
    assert deep.found_at_s[200, 19200, "O"] < deep.announced_s
