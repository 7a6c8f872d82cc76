"""Searching lines of SDI-12 sensors: asleep on the line itself, behind an adapter, echoing, several at once."""

from __future__ import annotations

import pytest

from drivers.scan.conclude import Conclusion
from drivers.scan.record import from_json, to_json
from drivers.scan.sighting import Progress
from hil.characters import Characters
from hil.faults import Fault
from hil.sim.sdi12 import ADAPTER, LINE, Sdi12Sensor, soil
from hil.wire import Station
from tests.drivers.scan.meter_bench import Mumbling, electricity, plan_of, scanned
from tests.drivers.scan.test_scan_meters import told
from tests.drivers.scan.test_scan_search import at

SDI12 = ("sdi12",)
AT = {LINE: (1200, "7E1"), ADAPTER: (9600, "8N1")}


def sensor(address: str, settings: Characters = LINE, **kind: object) -> Sdi12Sensor:
    return Sdi12Sensor(address, soil(address), settings=settings, **kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", AT, ids=["line", "adapter"])
@pytest.mark.parametrize("address", ["0", "5", "z"])
@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
def test_a_sensor_is_found_within_the_announced_time_and_says_who_it_is(
    settings: Characters, address: str, *, echo: bool
) -> None:
    bench = scanned([sensor(address, settings)], SDI12, until=1, echo=echo)
    (place,) = bench.places
    assert place == ("sdi12", address, *AT[settings])
    assert bench.found_at_s[place] < bench.announced_s + bench.added_s
    assert bench.progress.sightings[0].who == f"SDI-12 {address}: TIDEGATESIM12 1000012345"
    assert told(bench) == ([Conclusion.ECHO] if echo else [])
    assert bench.line.counters.inside_silence == 0


def test_a_sensor_that_sleeps_is_woken_before_every_question() -> None:
    one = sensor("3")
    assert one.sleeps
    bench = scanned([one], SDI12)
    assert bench.places == {("sdi12", "3", 1200, "7E1")}
    assert one.heard >= 3


@pytest.mark.parametrize("settings", AT, ids=["line", "adapter"])
def test_an_answer_that_a_port_hands_over_in_portions_is_one_answer(settings: Characters) -> None:
    bench = scanned([sensor("3", settings)], SDI12, portion=16)
    assert bench.places == {("sdi12", "3", *AT[settings])}
    assert told(bench) == []
    assert bench.line.counters.inside_silence == bench.line.counters.collisions == 0


def test_a_silent_line_is_told_when_nothing_has_answered_in_the_announced_time() -> None:
    bench = scanned([], SDI12)
    assert bench.ended_s == pytest.approx(bench.announced_s, abs=0.6)
    assert told(bench) == [Conclusion.NOBODY]


@pytest.mark.parametrize("addresses", ["01", "05", "0123456789", "29"])
def test_sensors_that_answer_at_once_are_told_apart(addresses: str) -> None:
    bench = scanned([sensor(one) for one in addresses], SDI12)
    assert {address for _, address, *_ in bench.places} == set(addresses)
    assert told(bench) == []
    assert bench.line.counters.collisions == 0


def test_letters_are_asked_where_no_whole_answer_came() -> None:
    bench = scanned([sensor("A", turnaround_ns=9_000_000), sensor("z", turnaround_ns=12_000_000)], SDI12)
    assert {address for _, address, *_ in bench.places} <= {"A", "z"}
    assert bench.places


def test_two_sensors_of_one_address_are_told() -> None:
    twin = sensor("4", identity="13METER   TER21 389631800001")
    bench = scanned([sensor("4"), twin], SDI12)
    assert Conclusion.SEVERAL in told(bench)


@pytest.mark.parametrize("settings", AT, ids=["line", "adapter"])
def test_somebody_who_answers_anything_is_no_sensor(settings: Characters) -> None:
    mumbling = Mumbling(settings)
    bench = scanned([mumbling], SDI12)
    assert bench.places == set()
    assert told(bench) == [Conclusion.OTHER_SPEED]
    assert mumbling.said < 20


def test_answers_that_are_always_damaged_are_never_a_sensor() -> None:
    bench = scanned([sensor("0", rates={Fault.BABBLE: 1.0})], SDI12)
    assert bench.places == set()


def test_other_devices_of_the_line_are_found_too_and_none_answers_a_sensors_question() -> None:
    stations: list[Station] = [at("eastron/sdm120", 7, 9600), electricity("000014359743"), sensor("0")]
    bench = scanned(stations, until=3)
    assert bench.places == {
        ("modbus", 7, 9600, "8N1"),
        ("dlt645-2007", "000014359743", 2400, "8E1"),
        ("sdi12", "0", 1200, "7E1"),
    }
    assert max(bench.found_at_s.values()) < 60


def test_a_search_goes_on_where_it_ended() -> None:
    pair = [sensor("1"), sensor("8")]
    progress = Progress()
    for _ in range(40):
        scanned(pair, SDI12, most=1, progress=progress)
        progress = from_json(to_json(progress))
    assert {one.address for one in progress.sightings if one.whole} == {"1", "8"}


def test_the_deep_pass_asks_the_letters_too() -> None:
    bench = scanned([sensor("0"), sensor("1"), sensor("x")], plan=plan_of(SDI12, deep=True, bauds=(1200,)))
    assert {address for _, address, *_ in bench.places} == {"0", "1", "x"}
