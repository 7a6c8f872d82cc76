"""Finding IEC 62056-21 meters not asked for their readout: modes A and B after a sign-on, mode D at any time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.cli.scan_identify import identify
from drivers.profile import LineSettings
from drivers.scan.conclude import conclude
from drivers.scan.line import ScanLine
from drivers.scan.record import from_json, to_json
from drivers.scan.unasked import UNASKED
from hil.characters import Characters
from hil.sim import iec62056_21
from hil.sim.iec62056_21_modes import MODE_A, SwitchingMeter
from hil.sim.recorded import RecordedPush
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from tests.drivers.scan.meter_bench import Bench, scanned
from tests.drivers.scan.parity_wire import ParityStream, parity_line
from tests.drivers.scan.test_scan_search import profiles

IEC = ("iec62056-21",)
FOUND = ("iec62056-21", "ANY", 300, "7E1")
SPEEDS = {MODE_A: 300, "B": 1200, "C": 2400, "E": 9600, "F": 19200}


def meter(offered: str, pause_ms: int | None = None) -> SwitchingMeter:
    pause_ns = None if pause_ms is None else pause_ms * 1_000_000
    return SwitchingMeter(iec62056_21.electricity("x"), offered=offered, pause_ns=pause_ns)


def searched(one: SwitchingMeter, **kind: object) -> Bench:
    return scanned([one], IEC, speakers=[one], **kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("pause_ms", [None, 1400])
@pytest.mark.parametrize("offered", SPEEDS)
def test_a_meter_of_mode_a_or_b_is_found_and_its_readout_heard_to_the_end(offered: str, pause_ms: int | None) -> None:
    one = meter(offered, pause_ms)
    bench = searched(one)
    assert bench.places == {FOUND}
    assert bench.found_at_s[FOUND] < bench.announced_s
    assert conclude(bench.progress) == ()
    assert one.readouts == [SPEEDS[offered]] * one.sessions
    assert one.sessions == 2
    assert one.interrupted == one.breaks == 0
    assert bench.ended_s <= bench.announced_s + bench.added_s


@pytest.mark.parametrize("portion", [1, 16])
@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
@pytest.mark.parametrize("offered", [MODE_A, "C"])
def test_neither_echo_nor_portions_make_a_crowd_of_one_meter(offered: str, portion: int, *, echo: bool) -> None:
    one = meter(offered)
    bench = searched(one, echo=echo, portion=portion)
    assert bench.places == {FOUND}
    assert all(sighting.damaged == 0 for sighting in bench.progress.sightings)
    assert one.interrupted == 0


def test_a_search_that_is_stopped_before_a_readout_is_over_owes_that_it_is_heard() -> None:
    one = meter("C")
    bench = searched(one, most=1)
    owed = bench.search.owed
    assert owed is not None
    assert (owed.ask.request, owed.ask.reply_line) == (b"", replace(owed.line, baud=2400))
    again = from_json(to_json(bench.progress))
    assert again.open == bench.progress.open


@pytest.mark.parametrize("portion", [1, 16])
@pytest.mark.parametrize("offered", SPEEDS)
def test_a_profile_is_proposed_from_the_readout_that_follows_at_once(offered: str, portion: int) -> None:
    one = meter(offered)
    (found,) = searched(one).progress.sightings

    async def work() -> tuple[str, ...]:
        clock, line = VirtualClock(here()), parity_line([again := meter(offered)])
        line.speakers.append(again)
        line.step = portion
        settings = LineSettings()
        scan = ScanLine(ParityStream(line), clock=clock, pause=VirtualPause(clock), line=settings)
        choices = await identify(scan, "here", found, profiles(), clock)
        assert again.sessions == 1  # one session is enough for all profiles
        return tuple(choice.profile for choice in choices)

    assert "generic/iec62056-readout" in run(work())


@pytest.mark.parametrize("every_s", [4.0, 10.0])
def test_a_meter_of_mode_d_is_heard_at_the_speed_of_the_standard(every_s: float) -> None:
    profile = next(one for one in profiles() if one.id == "easymeter/q3d")
    sends = Characters(baud=2400, parity="E", data_bits=7)
    speaker = RecordedPush(profile.examples[0].reply, sends, began_ns=700_000_000, every_s=every_s)
    for protocols in ((UNASKED,), ("iec62056-21", UNASKED)):
        bench = scanned([], protocols, speakers=[speaker], until=1)
        assert bench.places == {("iec62056-21-push", "ANY", 2400, "7E1")}
        assert bench.line.counters.collisions == 0
