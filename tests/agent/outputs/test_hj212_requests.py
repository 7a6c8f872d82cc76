"""What the bureau asks and orders, and what it is answered."""

from __future__ import annotations

from datetime import datetime

import pytest

from agent.outputs.hj212_packets import Identity
from agent.outputs.hj212_requests import Past, Reaction, react
from agent.outputs.hj212_settings import BureauSettings, Report
from drivers.codec.hj212 import Edition
from drivers.codec.hj212_segment import Segment, compose, parse
from tests.agent.outputs.bureau_site import MN

NOON = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - local time
OURS = Identity(system="32", password="123456", mn=MN, edition=Edition.V2017)
USUAL = BureauSettings()
HEAD = f"QN=20160801085857223;ST=32;CN={{}};PW=123456;MN={MN};Flag=5;CP=&&{{}}&&"


def request(command: str, area: str = "", **instead: str) -> Segment:
    text = HEAD.format(command, area)
    for name, value in instead.items():
        before = next(part for part in text.split(";") if part.startswith(f"{name}="))
        text = text.replace(before, f"{name}={value}")
    said = parse(text.encode())
    assert said is not None
    return said


def asked(command: str, area: str = "", **instead: str) -> Reaction:
    return react(request(command, area, **instead), OURS, USUAL, NOON)


def words(reaction: Reaction) -> list[tuple[str, str]]:
    told = (*reaction.say, *reaction.done)
    return [(packet.head("CN"), compose(packet).decode().partition("&&")[2][:-2]) for packet in told]


def test_time_outs_are_set_as_in_table_c1() -> None:
    found = asked("1000", "OverTime=7;ReCount=4")
    assert compose(found.say[0]).decode() == (
        f"QN=20160801085857223;ST=91;CN=9011;PW=123456;MN={MN};Flag=4;CP=&&QnRtn=1&&"
    )
    assert words(found) == [("9011", "QnRtn=1"), ("9012", "ExeRtn=1")]
    assert found.settings is not None
    assert (found.settings.overtime_s, found.settings.recount) == (7.0, 4)


def test_the_time_is_told_and_not_set() -> None:
    assert words(asked("1011")) == [("9011", "QnRtn=1"), ("1011", "SystemTime=20260101120000"), ("9012", "ExeRtn=1")]
    assert words(asked("1011", "PolId=w01018")) == [("9011", "QnRtn=1"), ("9012", "ExeRtn=100")]
    assert asked("1012", "SystemTime=20200101000000") == Reaction(say=asked("1012").say)
    assert words(asked("1012", "SystemTime=20200101000000")) == [("9011", "QnRtn=2")]


@pytest.mark.parametrize(
    ("ask", "told", "order", "area", "wrong"),
    [
        ("1061", "RtdInterval=30", "1062", "RtdInterval=60", ("29", "3601", "x", "")),
        ("1063", "MinInterval=10", "1064", "MinInterval=5", ("7", "0", "60", "")),
    ],
)
def test_intervals_are_told_and_set(ask: str, told: str, order: str, area: str, wrong: tuple[str, ...]) -> None:
    assert words(asked(ask)) == [("9011", "QnRtn=1"), (ask, told), ("9012", "ExeRtn=1")]
    found = asked(order, area)
    assert words(found) == [("9011", "QnRtn=1"), ("9012", "ExeRtn=1")]
    assert found.settings is not None
    assert (found.settings.realtime_s, found.settings.minute_s) in ((60.0, 600), (30.0, 300))
    for value in wrong:
        refused = asked(order, f"{area.partition('=')[0]}={value}")
        assert words(refused)[-1] == ("9012", "ExeRtn=3")
        assert refused.settings is None


def test_real_time_packets_are_switched_on_and_off() -> None:
    off = asked("2012")
    assert words(off) == [("9013", "")]
    assert off.settings is not None
    assert not off.settings.realtime_on
    on = react(request("2011"), OURS, off.settings, NOON)
    assert words(on) == [("9011", "QnRtn=1"), ("9012", "ExeRtn=1")]
    assert on.settings is not None
    assert on.settings.realtime_on


@pytest.mark.parametrize(
    ("command", "report"), [("2051", Report.MINUTE), ("2061", Report.HOUR), ("2031", Report.DAY)]
)
def test_the_past_is_looked_up(command: str, report: Report) -> None:
    found = asked(command, "BeginTime=20260101080000;EndTime=20260101090000")
    assert words(found) == [("9011", "QnRtn=1")], "the end is told behind the data"
    assert found.past == Past(report=report, first="20260101080000", last="20260101090000")
    for area in ("", "BeginTime=x;EndTime=y", "BeginTime=20260101090000;EndTime=20260101080000"):
        assert words(asked(command, area)) == [("9011", "QnRtn=1"), ("9012", "ExeRtn=3")]


@pytest.mark.parametrize(
    ("instead", "returned"),
    [({"PW": "000000"}, 3), ({"MN": "X"}, 4), ({"ST": "22"}, 5), ({"Flag": "x"}, 6), ({"QN": "2016"}, 7)],
)
def test_who_is_not_our_bureau_changes_nothing(instead: dict[str, str], returned: int) -> None:
    for command, area in (("1000", "OverTime=7;ReCount=4"), ("2011", ""), ("2051", "BeginTime=1;EndTime=2")):
        found = asked(command, area, **instead)
        assert words(found) == [("9011", f"QnRtn={returned}")]
        assert (found.settings, found.past) == (None, None)
    assert asked("2012", **instead) == Reaction()


@pytest.mark.parametrize(("command", "returned"), [("1072", 2), ("1014", 2), ("3012", 2), ("3020", 2), ("7777", 8)])
def test_what_we_do_not_do_is_refused(command: str, returned: int) -> None:
    assert words(asked(command)) == [("9011", f"QnRtn={returned}")]


def test_an_order_is_called_done_or_failed_behind_it_and_a_notice_only_done() -> None:
    order, notice = asked("1000", "OverTime=7;ReCount=4"), asked("2012")
    assert [packet.head("CN") for packet in order.say] == ["9011"]
    assert [compose(packet).decode().partition("&&")[2] for packet in (*order.done, *order.failed)] == [
        "ExeRtn=1&&",
        "ExeRtn=2&&",
    ]
    assert (notice.say, [packet.head("CN") for packet in notice.done], notice.failed) == ((), ["9013"], ())


@pytest.mark.parametrize("name", ["QN", "PW", "MN"])
def test_a_field_that_an_answer_cannot_carry_back_gets_none(name: str) -> None:
    assert asked("1061", **{name: "9" * 65}) == Reaction()


@pytest.mark.parametrize("command", ["9011", "9012", "9014", "", "abcd"])
def test_what_is_no_request_gets_no_answer(command: str) -> None:
    assert asked(command) == Reaction()


def test_the_edition_of_2025_shows_in_the_answers() -> None:
    new = Identity(system="32", password="123456", mn=MN, edition=Edition.V2025)
    found = react(request("1061"), new, USUAL, NOON)
    assert [packet.head("Flag") for packet in found.say] == ["8", "8", "8"]
