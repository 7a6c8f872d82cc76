"""The status screen: what each trouble looks like, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from agent.block.record import ClockQuality, ClockSample
from agent.cli.status_view import Screen, duration
from agent.delivery.mqtt_state import LinkState, Phase, Trouble
from agent.delivery.uplink_status import UplinkStatus
from agent.health import AgentStatus, BusPhase, BusStatus, CounterBreak, DeviceStatus
from agent.language import Language, use
from agent.polling.claims import Life
from agent.storing.stored import Exchanged, Pressure, StorageStatus

NOW_MS = 10 * 86_400_000
CONNECTED = LinkState(phase=Phase.CONNECTED)
UPLINK: dict[str, Any] = {
    "name": "city",
    "kid": bytes(8),
    "url": "mqtt://b",
    "link": CONNECTED,
    "receipted": (0, 391),
}


def clock(quality: ClockQuality = ClockQuality.NTP) -> ClockSample:
    return ClockSample(boot=bytes(8), mono_ms=NOW_MS, utc_ms=1_790_000_000_000, quality=quality, max_error_ms=12)


def screen(**changes: Any) -> Screen:
    fields: dict[str, Any] = {
        "site": "haimen-07", "version": "0.1.0", "gateway": bytes(8), "key": bytes(8), "state_dir": "/x",
        "started_mono_ms": NOW_MS - 100_000, "clock": clock(),
        "storage": StorageStatus(sealed_blocks=412, sealed_readings=2114, pending_blocks=21, last=(0, 412)),
        "buses": (BusStatus(name="a", port="/dev/x", phase=BusPhase.UP, since_mono_ms=0, devices=4, answering=4),),
        "uplinks": (UplinkStatus(**UPLINK),),
    }  # fmt: skip
    return Screen(AgentStatus(**(fields | changes)))


def test_all_is_well() -> None:
    shown = screen()
    assert shown.findings() == ()
    assert shown.lines() == [
        "haimen-07   running 1 min 40 s   0.1.0   all is well",
        "bus     a   4 of 4 devices answer   load 0 %   failed 0.0 %",
        "outbox  21 blocks without receipt, 412 sealed, 2114 readings, 0.0 MB here",
        "uplink  city   connected   receipts to 0/391",
        "trust   gateway 0000000000000000   key 0000000000000000   sealed to block 0/412",
        "clock   NTP, error at most 12 ms",
        "flash   0 MB a day at this rate",
    ]


def test_all_is_well_in_chinese() -> None:
    use(Language.ZH)
    lines = screen().lines()
    assert lines[0] == "haimen-07   已运行 1 min 40 s   0.1.0   一切正常"
    assert lines[3] == "上行    city   已连接   回执到 0/391"


def test_programs_get_every_field() -> None:
    result: Any = screen().result()
    assert result["running"] is True
    assert result["outbox"]["pending_blocks"] == 21
    assert result["uplinks"][0]["link"]["phase"] == "connected"
    assert "storage" not in result


def test_a_silent_device_is_named_with_how_long() -> None:
    silent = DeviceStatus(
        name="gas-1", bus="a", unit=3, profile="x/y", life=Life.DEAD, silent_since_mono_ms=NOW_MS - 840_000,
        error_code="no-reply", error="a: unit 3 did not answer within 200 ms.",
    )  # fmt: skip
    shown = screen(devices=(silent,))
    assert "        gas-1 silent 14 min 0 s" in shown.lines()
    (finding,) = shown.findings()
    assert (finding.tag, finding.where) == ("TG-3104", "a/gas-1")
    assert finding.sentence() == "No answer: a: unit 3 did not answer within 200 ms."
    assert shown.lines()[0].endswith("things that need you: 1")


def test_a_bus_that_is_down_is_named_with_how_long() -> None:
    down = BusStatus(
        name="a",
        port="/dev/x",
        phase=BusPhase.DOWN,
        since_mono_ms=NOW_MS - 7_200_000,
        fault_code="port-busy",
        fault="x",
    )
    shown = screen(buses=(down,))
    assert "bus     a   down for 2 h 0 min" in shown.lines()
    assert [finding.tag for finding in shown.findings()] == ["TG-1202"]


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_of_the_uplink_is_a_sentence(trouble: Trouble) -> None:
    facts = (("host", "broker.example"), ("reason", "because"))
    shown = screen(uplinks=(UplinkStatus(**{**UPLINK, "trouble": trouble, "facts": facts, "since_mono_ns": 0}),))
    (finding,) = shown.findings()
    for language in Language:
        assert finding.sentence(language)
        assert finding.act(language)
        assert finding.sentence(Language.EN) != finding.sentence(Language.ZH)
    line = next(line for line in shown.lines() if line.startswith("uplink"))
    assert line == f"uplink  city   for 10 d 0 h: {finding.sentence()}"


def test_storage_tells_its_fault_and_its_pressure() -> None:
    storage = StorageStatus(
        fault_code="disk-full",
        fault="/x: the disk is full",
        pressure=Pressure.NO_SEAL,
        dropped_blocks=7,
        pending_blocks=9,
    )
    shown = screen(storage=storage)
    assert [finding.code for finding in shown.findings()] == ["disk-full", "outbox-filling", "blocks-dropped"]
    assert [finding.sentence() for finding in shown.findings()][1:] == [
        "The outbox fills up: telemetry is not sealed. Pending: 9 blocks.",
        "Blocks were given up because the outbox was full: 7.",
    ]


@pytest.mark.parametrize("quality", [ClockQuality.NONE, ClockQuality.SAVED, ClockQuality.HARDWARE])
def test_a_clock_that_is_not_synchronised_is_only_a_warning(quality: ClockQuality) -> None:
    (finding,) = screen(clock=clock(quality)).findings()
    assert finding.warning
    assert finding.code == "clock-unsure"


def test_without_uplink_the_blocks_are_kept_here() -> None:
    lines = screen(uplinks=()).lines()
    assert "uplink  none: the blocks are kept here" in lines
    assert "outbox  412 blocks sealed, 2114 readings, 0.0 MB here" in lines


def test_a_code_that_this_version_does_not_know_is_still_told() -> None:
    bus = BusStatus(name="a", port="/x", phase=BusPhase.DOWN, since_mono_ms=0, fault_code="brand-new", fault="Odd.")
    assert screen(buses=(bus,)).findings()[0].sentence() == "It could not be done: Odd."


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min 0 s"),
        (3_661_000, "1 h 1 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_lengths_of_time_have_their_two_largest_units(ms: float, text: str) -> None:
    assert duration(int(ms)) == text


def test_an_exchanged_device_needs_somebody_for_a_week() -> None:
    one = Exchanged(device="m", before="serial=1", now="serial=2", mono_ms=NOW_MS - 6 * 86_400_000)
    old = Exchanged(device="n", before="serial=3", now="serial=4", mono_ms=NOW_MS - 8 * 86_400_000)
    shown = screen(storage=StorageStatus(exchanged=(old, one)))
    (finding,) = shown.findings()
    assert (finding.code, finding.warning, finding.tag) == ("device-exchanged", False, "TG-3151")
    assert finding.sentence() == "m is another one than before. Before: serial=1. Now: serial=2."
    assert "things that need you: 1" in shown.lines()[0]


def test_counters_that_did_not_go_on_are_told_for_a_day_each_once() -> None:
    def broke(point: str, kind: str, hours: int) -> CounterBreak:
        return CounterBreak(point=point, kind=kind, last="99.9", first="0.1", mono_ms=NOW_MS - hours * 3_600_000)

    breaks = (
        broke("a", "reset", 30),
        broke("b", "backwards", 3),
        broke("b", "roll-over", 2),
        broke("c", "returned", 1),
    )
    shown = screen(devices=(DeviceStatus(name="m", bus="a", unit=1, profile="p", life=Life.ALIVE, breaks=breaks),))
    assert [(one.tag, one.warning, one.params["point"]) for one in shown.findings()] == [
        ("TG-3152", True, "b"),
        ("TG-3152", True, "c"),
    ]
    assert shown.findings()[0].sentence() == (
        "m: the counter b went from 99.9 to 0.1: it came to the end of its register and began again."
    )
    assert "all is well" in shown.lines()[0]
