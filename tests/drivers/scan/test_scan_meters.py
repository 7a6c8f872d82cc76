"""Searching lines of meters under virtual time: each protocol found, silent, echoing, damaged, several at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.scan.conclude import Conclusion, conclude
from drivers.scan.record import from_json, to_json
from drivers.scan.sighting import Progress
from drivers.scan.stage import Rank
from hil.characters import Characters
from hil.faults import Fault
from hil.sim import cjt188, dlt645, iec62056_21, mbus
from hil.wire import Station
from tests.drivers.scan.meter_bench import (
    DLT645,
    HEAD,
    PROBERS,
    Bench,
    Mumbling,
    Place,
    electricity,
    even,
    head,
    heat,
    plan_of,
    scanned,
    water,
    wired,
)
from tests.drivers.scan.test_scan_search import at

FOUND: tuple[tuple[Callable[[], Station], tuple[str, ...], Place], ...] = (
    (lambda: electricity("000014359743"), DLT645, ("dlt645-2007", "000014359743", 2400, "8E1")),
    (lambda: electricity("000014359743", 9600), DLT645, ("dlt645-2007", "000014359743", 9600, "8E1")),
    (lambda: electricity("000014359743", 1200), DLT645, ("dlt645-2007", "000014359743", 1200, "8E1")),
    (lambda: water("00001234567890"), ("cjt188",), ("cjt188", "00001234567890", 2400, "8E1")),
    (lambda: heat("00001234567890", 9600), ("cjt188",), ("cjt188", "00001234567890", 9600, "8E1")),
    (lambda: wired(5, "12345678"), ("mbus",), ("mbus", "5", 2400, "8E1")),
    (lambda: wired(0, "12345678"), ("mbus",), ("mbus", "12345678", 2400, "8E1")),
    (lambda: wired(250, "12345678", 300), ("mbus",), ("mbus", "250", 300, "8E1")),
    (head, ("iec62056-21",), ("iec62056-21", "ANY", 300, "7E1")),
    (
        lambda: head(settings=Characters(baud=9600, parity="E", data_bits=7)),
        ("iec62056-21",),
        ("iec62056-21", "ANY", 9600, "7E1"),
    ),
)


def told(bench: Bench) -> list[Conclusion]:
    return [one.what for one in conclude(bench.progress)]


@pytest.mark.parametrize(("station", "protocols", "place"), FOUND, ids=[str(place) for *_, place in FOUND])
@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
def test_a_meter_is_found_within_the_announced_time_by_a_question_to_everybody(
    station: Callable[[], Station], protocols: tuple[str, ...], place: Place, *, echo: bool
) -> None:
    bench = scanned([station()], protocols, until=1, echo=echo)
    assert bench.places == {place}
    assert bench.found_at_s[place] < bench.announced_s + bench.added_s
    assert bench.progress.probes < 30
    assert told(bench) == ([Conclusion.ECHO] if echo else [])
    assert bench.line.counters.inside_silence == 0


@pytest.mark.parametrize(("station", "protocols", "place"), FOUND, ids=[str(place) for *_, place in FOUND])
def test_an_answer_that_a_port_hands_over_in_portions_is_one_answer(
    station: Callable[[], Station], protocols: tuple[str, ...], place: Place
) -> None:
    bench = scanned([station()], protocols, portion=16)
    assert bench.places == {place}
    assert told(bench) == []
    assert bench.line.counters.inside_silence == bench.line.counters.collisions == 0


@pytest.mark.parametrize("protocol", [name for name in PROBERS if name != "modbus"])
def test_a_silent_line_takes_the_announced_time_and_is_told(protocol: str) -> None:
    bench = scanned([], (protocol,))
    assert bench.places == set()
    assert bench.ended_s == pytest.approx(bench.announced_s, abs=0.1)
    assert told(bench) == [Conclusion.NOBODY]


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [*((name, even(2400)) for name in ("dlt645-2007", "dlt645-1997", "cjt188", "mbus")), ("iec62056-21", HEAD)],
)
def test_somebody_who_answers_anything_is_no_crowd_of_meters(protocol: str, settings: Characters) -> None:
    mumbling = Mumbling(settings)
    bench = scanned([mumbling], (protocol,))
    assert bench.places == set()
    assert told(bench) == [Conclusion.OTHER_SPEED]
    assert mumbling.said <= 2 * sum(len(stage.asks) for stage in bench.search.plan) + 8


@pytest.mark.parametrize("turnaround_ms", [40, 300])
def test_two_dlt645_meters_that_answer_at_once_are_told_apart(turnaround_ms: int) -> None:
    pair = [electricity("000014359743"), electricity("000014359755", turnaround_ms=turnaround_ms)]
    bench = scanned(pair, DLT645, until=2)
    assert {address for _, address, *_ in bench.places} == {"000014359743", "000014359755"}
    assert bench.progress.probes < 130
    assert told(bench) == []


def test_two_dlt645_meters_with_the_same_last_digits_are_told_apart() -> None:
    bench = scanned([electricity("000014359743"), electricity("000024359743")], ("dlt645-2007",), until=2)
    assert {address for _, address, *_ in bench.places} == {"000014359743", "000024359743"}


def test_two_dlt645_meters_of_one_address_are_told() -> None:
    twin = dlt645.Dlt645Meter("000014359743", dlt645.single_phase("twin"), settings=even(2400), wakes=2)
    bench = scanned([electricity("000014359743"), twin], ("dlt645-2007",))
    (one,) = conclude(bench.progress)
    assert one.what is Conclusion.SEVERAL
    assert one.sighting is not None
    assert one.sighting.address == "000014359743"


def test_a_meter_of_1997_that_hides_its_address_is_found_by_the_wildcard() -> None:
    meter = dlt645.Dlt645Meter(
        "000014359743", dlt645.old("x"), later=False, settings=even(1200), answers_as_asked=True
    )
    assert scanned([meter], DLT645).places == {("dlt645-1997", "A" * 12, 1200, "8E1")}


def test_cjt188_meters_of_two_types_are_told_apart_and_of_one_type_are_told() -> None:
    bench = scanned([water("00001234567890"), heat("00001234567891")], ("cjt188",))
    assert {address for _, address, *_ in bench.places} == {"00001234567890", "00001234567891"}
    assert told(bench) == []
    assert told(scanned([water("00001234567890"), water("00001234567885")], ("cjt188",))) == [Conclusion.SEVERAL]


def test_mbus_meters_that_share_a_primary_address_are_found_by_their_secondary_ones() -> None:
    meters = [wired(1, "12345678"), wired(1, "12345679"), wired(2, "87654321", medium=7)]
    bench = scanned(meters, ("mbus",), until=3)
    assert {address for _, address, *_ in bench.places} == {"12345678", "12345679", "87654321"}
    assert {one.family for one in bench.progress.sightings} == {"heat", "water"}
    assert bench.progress.probes < 130
    assert not any(meter.selected for meter in meters)
    whole = scanned(meters, ("mbus",))
    assert [one.sighting.address for one in conclude(whole.progress) if one.sighting] == ["1"]
    assert whole.places == bench.places  # a sweep of primary addresses finds the same meters, not more


def test_any_number_of_meters_is_told_apart_whatever_they_have_in_common() -> None:
    numbers = ("00000001", "00000002", "12345678", "12345679", "90000000")
    wires = scanned([wired(0, number) for number in numbers], ("mbus",), until=5)
    assert {address for _, address, *_ in wires.places} == set(numbers)
    addresses = {"000000000161", "000000007761", "223002000066"}
    pair = scanned([electricity(address) for address in sorted(addresses)], ("dlt645-2007",), until=3)
    assert {address for _, address, *_ in pair.places} == addresses


def test_mbus_meters_of_one_secondary_address_are_told() -> None:
    bench = scanned([wired(1, "12345678"), wired(1, "12345678", seed="other")], ("mbus",))
    assert Conclusion.SEVERAL in told(bench)
    assert bench.places == set()


@pytest.mark.parametrize(
    ("meter", "protocols"),
    [
        (dlt645.Dlt645Meter("000014359743", dlt645.old("x"), settings=even(2400), rates={Fault.FLIP: 1.0}), DLT645),
        (cjt188.Cjt188Meter("00001234567890", 0x10, cjt188.water("x"), rates={Fault.FLIP: 1.0}), ("cjt188",)),
        (
            mbus.MbusMeter(1, mbus.identity("12345678", "KAM", 8, 4), mbus.heat("x"), rates={Fault.FLIP: 1.0}),
            ("mbus",),
        ),
    ],
)
def test_answers_that_are_always_damaged_are_told_and_never_a_device(
    meter: Station, protocols: tuple[str, ...]
) -> None:
    bench = scanned([meter], protocols)
    assert bench.places == set()
    assert Conclusion.SEVERAL in told(bench)


def test_every_session_with_a_head_is_ended() -> None:
    meter = head()
    bench = scanned([meter], ("iec62056-21",))
    assert meter.breaks == meter.sessions >= 2
    assert meter.readouts == []
    assert bench.line.counters.collisions == 0


def test_a_head_is_never_left_waiting() -> None:
    bench = scanned([head()], ("iec62056-21",), most=1)
    owed = bench.search.owed
    assert owed is not None
    assert owed.ask.request == iec62056_21.BREAK


def test_a_line_of_all_protocols_gives_up_everybody_before_the_long_sweeps() -> None:
    stations: list[Station] = [
        at("eastron/sdm120", 7, 9600),
        electricity("000014359743"),
        electricity("000000000321", 9600),  # as a DTSU666 leaves its factory
        water("00001234567890"),
        wired(5, "12345678"),
        head(),
    ]
    bench = scanned(stations, until=6)
    assert bench.places == {
        ("modbus", 7, 9600, "8N1"),
        ("dlt645-2007", "000014359743", 2400, "8E1"),
        ("dlt645-2007", "000000000321", 9600, "8E1"),
        ("cjt188", "00001234567890", 2400, "8E1"),
        ("mbus", "5", 2400, "8E1"),
        ("iec62056-21", "ANY", 300, "7E1"),
    }
    assert max(bench.found_at_s.values()) < 60
    assert bench.search.stage is not None
    assert bench.search.stage.rank <= Rank.LOW
    assert bench.line.counters.inside_silence == bench.line.counters.collisions == 0


def test_a_search_of_several_at_once_goes_on_where_it_ended() -> None:
    pair = [electricity("000014359743"), electricity("000014359755")]
    whole = scanned(pair, DLT645, until=2)
    progress = Progress()
    while len([one for one in progress.sightings if one.whole]) < 2:
        scanned(pair, DLT645, until=2, most=7, progress=progress)
        progress = from_json(to_json(progress))
    assert progress.probes <= whole.progress.probes + 7
    assert {(one.protocol, one.address) for one in progress.sightings} == {
        (protocol, address) for protocol, address, *_ in whole.places
    }


def test_the_deep_pass_waits_for_those_whom_haste_has_missed() -> None:
    quick, slow = electricity("000014359743"), electricity("000014359755", turnaround_ms=450)
    third = electricity("000014359766")
    plan = plan_of(DLT645, deep=True, bauds=(2400,))
    hasty = scanned([quick, slow, third], plan=plan_of(("dlt645-2007",), bauds=(2400,)))
    assert len(hasty.places) >= 2
    assert len(scanned([quick, slow, third], plan=plan, until=3).places) == 3
