"""DL/T 645 addresses of several meters, or of one on a bad line: told early, and nobody behind them is skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.scan.conclude import Conclusion, conclude
from drivers.scan.record import from_json, to_json
from drivers.scan.sighting import Progress
from hil.faults import Fault
from hil.sim import dlt645
from hil.wire import Reply, Station
from tests.drivers.scan.meter_bench import DLT645, Bench, electricity, even, scanned, water

ADDRESS = "000014359743"
NEIGHBOUR = (
    "000022339743"  # the same last digits: it answers to every pattern that the doubled one answers to, but one
)


def twin(turnaround_ms: int) -> dlt645.Dlt645Meter:
    return dlt645.Dlt645Meter(
        ADDRESS,
        dlt645.single_phase("twin"),
        settings=even(2400),
        wakes=2,
        turnaround_ns=turnaround_ms * 1_000_000,
    )


def damaged() -> dlt645.Dlt645Meter:
    return dlt645.Dlt645Meter(ADDRESS, dlt645.three_phases("x"), settings=even(2400), rates={Fault.FLIP: 1.0})


def crowds(bench: Bench) -> list[str]:
    found = [one for one in conclude(bench.progress) if one.what is Conclusion.SEVERAL and one.sighting is not None]
    return [str(one.sighting.address) for one in found if one.sighting is not None]


def until_crowded(stations: list[Station], most: int) -> Bench:
    return scanned(stations, ("dlt645-2007",), most=most)


@pytest.mark.parametrize("stations", [[electricity(ADDRESS), twin(130)], [damaged()]], ids=["doubled", "damaged"])
def test_an_address_that_stands_whole_in_spoilt_answers_is_told_after_a_few_questions(
    stations: list[Station],
) -> None:
    assert crowds(until_crowded(stations, 8)) == [ADDRESS]


class SpoiltOnce(dlt645.Dlt645Meter):
    """Its second answer has a wrong sum, the first one to its own address."""

    answers = 0

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        reply = super().hear(frame_, now_ns)
        if reply is None:
            return None
        self.answers += 1
        return replace(reply, data=reply.data[:-2] + b"\0\x16") if self.answers == 2 else reply


def test_one_whose_own_answer_is_spoilt_once_is_asked_again_and_is_no_crowd() -> None:
    bench = scanned([SpoiltOnce(ADDRESS, dlt645.three_phases("x"), settings=even(2400))], DLT645)
    assert crowds(bench) == []
    assert {address for _, address, *_ in bench.places} == {ADDRESS}
    assert bench.progress.probes < 20


def test_what_lies_behind_a_doubled_address_waits_for_the_rest_of_the_plan_and_is_not_skipped() -> None:
    stations: list[Station] = [electricity(ADDRESS), twin(130), electricity(NEIGHBOUR), water("00001234567890", 9600)]
    bench = scanned(stations, ("dlt645-2007", "cjt188"))
    places = {place[:2]: at_s for place, at_s in bench.found_at_s.items()}
    assert crowds(bench) == [ADDRESS]
    assert {address for _, address, *_ in bench.places} == {NEIGHBOUR, "00001234567890"}
    assert places["cjt188", "00001234567890"] < places["dlt645-2007", NEIGHBOUR]
    assert bench.ended_s <= bench.announced_s + bench.added_s
    assert not bench.progress.later


def test_each_pattern_behind_a_doubled_address_is_asked_once() -> None:
    bench = scanned([electricity(ADDRESS), twin(130)], ("dlt645-2007",))
    patterns = 6 * 100  # two digits at a time
    assert patterns < bench.progress.probes < patterns + 40


def test_an_address_that_only_narrowing_shows_is_told_once_for_both_editions() -> None:
    bench = scanned([electricity(ADDRESS), twin(40)], DLT645)
    assert crowds(bench) == [ADDRESS]


def test_what_waits_is_kept_in_the_record() -> None:
    stations: list[Station] = [electricity(ADDRESS), twin(130), electricity(NEIGHBOUR)]
    whole = scanned(stations, ("dlt645-2007",))
    progress = Progress()
    while (part := scanned(stations, ("dlt645-2007",), most=150, progress=progress)).search.is_done is False:
        progress = from_json(to_json(part.progress))
    assert part.places == whole.places
    assert part.progress.probes <= whole.progress.probes + 3
