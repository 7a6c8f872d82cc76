"""Finding devices that speak by themselves: heard without a word, told by what they send; DLMS and SML asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.cli.scan_identify import identify
from drivers.registry import probers, scanned_protocols, unasked_prober
from drivers.scan.conclude import Conclusion, conclude
from drivers.scan.line import ScanLine
from drivers.scan.plan import make_plan
from drivers.scan.probe import Ask, Verdict
from drivers.scan.propose import Certainty, Proposal
from drivers.scan.record import from_json, to_json
from drivers.scan.stage import Place as Expected
from drivers.scan.stage import Rank, Wanted
from drivers.scan.unasked import UNASKED
from hil.characters import Characters
from hil.memory import LineStream
from hil.sim import han, hj212, sml
from hil.sim.recorded import RecordedPush
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from hil.wire import Line, Speaker, Station
from tests.drivers.scan.meter_bench import (
    PROBERS,
    Bench,
    Place,
    dlms_meter,
    electricity,
    plan_of,
    pulled,
    scanned,
    water,
)
from tests.drivers.scan.test_scan_search import at, profiles

SERVER_ID = "0A0149534B00047A5544"
ANYBODY = Ask(address="", request=b"")
MN = "010000A8900016F000169DC0"


def optical(every_s: float = 2.0, first_s: float = 0.5) -> sml.SmlMeter:
    return sml.SmlMeter(sml.electricity("x"), every_s=every_s, first_s=first_s)


def customer_port(way: han.Way, first_s: float = 0.5) -> han.HanMeter:
    lists = {han.Way.AIDON: han.aidon, han.Way.KAMSTRUP: han.kamstrup, han.Way.KAIFA: han.kaifa}[way]("x")
    settings = han.EIGHT_NONE if way is han.Way.KAMSTRUP else han.EIGHT_EVEN
    return han.HanMeter(way, lists, settings=settings, first_s=first_s)


def recorded(profile_id: str, every_s: float = 2.0) -> RecordedPush:
    profile = next(one for one in profiles() if one.id == profile_id)
    line = profile.line
    settings = Characters(baud=line.baud, parity=line.parity.value, data_bits=line.data_bits)
    return RecordedPush(profile.examples[0].reply, settings, began_ns=700_000_000, every_s=every_s)


def station(every_s: float) -> RecordedPush:
    items = ("w00000-Rtd=2.2,w00000-Flag=N", "w01018-Rtd=31.5,w01018-Flag=N")
    ((_, packet),) = hj212.Station(mn=MN).packets(hj212.Upload(command="2011", stamp="20260101080000", items=items))
    return RecordedPush(packet, Characters(baud=9600), began_ns=20_000_000_000, every_s=every_s)


FOUND: tuple[tuple[Callable[[], Speaker], Place, str, str], ...] = (
    (optical, ("sml", "ANY", 9600, "8N1"), "SML 1 ISK 00 75126084", "generic/sml"),
    (lambda: optical(4.0, 3.9), ("sml", "ANY", 9600, "8N1"), "SML 1 ISK 00 75126084", "generic/sml"),
    (lambda: customer_port(han.Way.AIDON), ("dlms-push", "ANY", 2400, "8E1"), "DLMS push 0883", "aidon/han"),
    (lambda: customer_port(han.Way.KAMSTRUP), ("dlms-push", "ANY", 2400, "8N1"), "DLMS push 21", "kamstrup/han"),
    (lambda: customer_port(han.Way.KAIFA), ("dlms-push", "ANY", 2400, "8E1"), "DLMS push 0201", "kaifa/ma304"),
    (
        lambda: recorded("iskra/am550", 10.0),
        ("iec62056-21-push", "ANY", 115200, "8N1"),
        "IEC 62056-21 /ISK5",
        "iskra/am550",
    ),
    (
        lambda: recorded("easymeter/q3d"),
        ("iec62056-21-push", "ANY", 9600, "7E1"),
        "IEC 62056-21 /ESY5Q3D",
        "easymeter/q3d",
    ),
    (lambda: station(30.0), ("hj212", MN, 9600, "8N1"), f"HJ 212 {MN}", "generic/hj212-water"),
)


def proposals(bench: Bench) -> tuple[Proposal, ...]:
    """Propose for the one that was found; nothing more may be asked or waited for."""
    (one,) = bench.progress.sightings

    async def work() -> tuple[Proposal, ...]:
        clock = VirtualClock(here())
        line = ScanLine(LineStream(Line([])), clock=clock, pause=VirtualPause(clock), line=one.line)
        found = await identify(line, "here", one, profiles(), clock)
        assert here().time() == 0
        return found

    return run(work())


@pytest.mark.parametrize(("speaker", "place", "who", "profile"), FOUND, ids=[f"{p} {n}" for _, p, _, n in FOUND])
def test_one_that_speaks_by_itself_is_heard_in_the_announced_time_and_proposed_by_what_it_said(
    speaker: Callable[[], Speaker], place: Place, who: str, profile: str
) -> None:
    bench = scanned([], (UNASKED,), speakers=[speaker()], until=1)
    assert bench.places == {place}
    assert bench.found_at_s[place] < bench.announced_s + bench.added_s
    assert bench.progress.sightings[0].who.startswith(who)
    assert bench.line.counters.requests == 0
    assert bench.line.counters.collisions == 0
    found = proposals(bench)
    assert found[0].profile == profile
    assert found[0].shown


def test_a_meter_whose_first_line_names_its_model_is_recognised() -> None:
    found = proposals(scanned([], (UNASKED,), speakers=[recorded("easymeter/q3d")], until=1))
    assert (found[0].certainty, found[0].fingerprint) == (Certainty.RECOGNISED, True)


def test_a_list_of_several_kinds_is_heard_out_before_anybody_is_proposed() -> None:
    bench = scanned([], (UNASKED,), speakers=[customer_port(han.Way.AIDON)], until=1)
    (found, *_) = proposals(bench)
    assert found.plausible >= 10  # the list of 2.5 s has the power alone


def test_a_whole_plan_hears_one_who_is_silent_at_first_and_speaks_at_another_speed() -> None:
    speaker = customer_port(han.Way.KAMSTRUP, first_s=4.0)
    bench = scanned([], speakers=[speaker], until=1)
    assert bench.places == {("dlms-push", "ANY", 2400, "8N1")}
    assert bench.found_at_s["dlms-push", "ANY", 2400, "8N1"] < bench.announced_s / 3


def test_listening_keeps_nobody_waiting_who_answers_a_likely_question() -> None:
    stations: list[Station] = [
        at("generic/xy-md02", 1, 9600),
        electricity("000000000321", 9600),
        water("00001234567890"),
    ]
    bench = scanned(stations, until=3)
    assert bench.search.stage is not None
    assert bench.search.stage.rank <= Rank.LISTEN
    assert max(bench.found_at_s.values()) < 15


def test_noise_and_what_others_say_is_nobody() -> None:
    prober = unasked_prober()
    assert prober is not None
    assert prober.hear(ANYBODY, b"").verdict is Verdict.SILENCE
    assert prober.hear(ANYBODY, bytes(5)).verdict is Verdict.GLITCH
    assert prober.hear(ANYBODY, bytes(range(1, 200))).verdict is Verdict.GARBAGE
    assert prober.hear(ANYBODY, bytes.fromhex("010300000001840A")).verdict is Verdict.STRANGER


def test_a_list_inside_the_registers_of_a_modbus_reply_is_nobody() -> None:
    from drivers.codec.modbus_rtu import encode  # noqa: PLC0415 - only here

    prober = unasked_prober()
    assert prober is not None
    meter = optical()
    telegram = sml.SmlMeter(sml.charging("x")).speak(500_000_000).data[:240]
    assert prober.hear(ANYBODY, meter.speak(500_000_000).data).verdict is Verdict.ANSWER
    padded = telegram + bytes(len(telegram) % 2)
    asked = encode(1, bytes((3, 0, 0, 0, len(padded) // 2)))
    reply = encode(1, bytes((3, len(padded))) + padded)
    assert prober.hear(ANYBODY, asked + reply).verdict is Verdict.STRANGER


def test_telegrams_that_are_all_damaged_are_somebody_and_no_device() -> None:
    meter = optical()
    good = meter.speak(500_000_000).data
    spoilt = RecordedPush(good[:40] + bytes((good[40] ^ 1,)) + good[41:], sml.LINE, began_ns=700_000_000)
    bench = scanned([], (UNASKED,), speakers=[spoilt])
    assert bench.places == set()
    assert [one.what for one in conclude(bench.progress)] == [Conclusion.OTHER_SPEED]


@pytest.mark.parametrize("address", ["ANY", SERVER_ID])
def test_a_meter_of_the_site_is_heard_first_and_under_the_address_that_it_has_there(address: str) -> None:
    known = (Expected(protocol="sml", address=address, line=plan_of((UNASKED,))[0].line),)
    plan = make_plan(probers(("sml",)), Wanted(known=known))
    assert plan[0].rank is Rank.KNOWN
    bench = scanned([], plan=plan, speakers=[optical()])
    assert bench.places == {("sml", address, 9600, "8N1")}
    assert bench.found_at_s["sml", address, 9600, "8N1"] < 6


def test_on_a_line_that_others_wait_for_no_window_is_longer_than_they_bear() -> None:
    stages = list(PROBERS[UNASKED].stages(Wanted(most_listen_s=4.0, deep=True)))
    assert max(ask.window_s or 0 for stage in stages for ask in stage.asks) == 4.0


def test_a_hushed_search_asks_nothing() -> None:
    bench = scanned([electricity("000014359743")], most=0)
    assert bench.search.agenda.hush()
    assert all(stage.listens for stage in bench.search.agenda._stages)
    assert bench.search.remaining_s() < 60


def test_a_search_with_ears_goes_on_where_it_ended() -> None:
    progress = scanned([], (UNASKED,), speakers=[customer_port(han.Way.AIDON)], most=4).progress
    bench = scanned(
        [], (UNASKED,), speakers=[customer_port(han.Way.AIDON)], progress=from_json(to_json(progress)), until=1
    )
    assert bench.places == {("dlms-push", "ANY", 2400, "8E1")}


@pytest.mark.parametrize("echo", [False, True], ids=["", "echo"])
def test_a_dlms_meter_is_found_and_every_connection_is_ended(*, echo: bool) -> None:
    meter = dlms_meter()
    bench = scanned([meter], ("dlms",), echo=echo)
    assert bench.places == {("dlms", "1.17@16", 9600, "8N1")}
    assert meter.connections == meter.ends == 2
    assert bench.line.counters.inside_silence == bench.line.counters.collisions == 0


def test_a_meter_with_no_connection_to_give_is_there_all_the_same() -> None:
    meter = dlms_meter()
    meter.busy = True
    bench = scanned([meter], ("dlms",))
    assert bench.places == {("dlms", "1.17@16", 9600, "8N1")}
    assert meter.connections == meter.ends == 0


def test_a_meter_that_sends_its_list_when_asked_is_found_and_one_that_sends_by_itself_is_not_taken_for_it() -> None:
    assert scanned([pulled()], ("sml-pull",)).places == {("sml-pull", "ANY", 9600, "8N1")}
    assert scanned([], ("sml-pull",), speakers=[optical(0.7)]).places == set()


def test_every_protocol_that_can_be_polled_is_scanned_for() -> None:
    assert {"sml", "sml-pull", "dlms", "dlms-push", "hj212", "iec62056-21-push"} <= set(scanned_protocols())
