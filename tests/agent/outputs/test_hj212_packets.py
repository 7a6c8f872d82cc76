"""What goes out: header, data area, splitting, request numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from agent.outputs.hj212_packets import LONGEST_AREA, Identity, Numbers, of_heartbeat, of_now, of_record
from agent.outputs.hj212_periods import Seen
from agent.outputs.hj212_record import FactorValue, Record, from_words, to_words
from agent.outputs.hj212_settings import FactorRule, Report
from drivers.codec.hj212 import Edition
from drivers.codec.hj212_segment import compose, joined
from tests.agent.outputs.bureau_site import MN, RULES

NOON = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - local time
OURS = Identity(system="32", password="123456", mn=MN, edition=Edition.V2017)
NEW = Identity(system="32", password="123456", mn=MN, edition=Edition.V2025)
COD = FactorValue(
    code="w01018",
    total=Decimal("0.2384"),
    low=Decimal("39.9500"),
    mean=Decimal("40.0500"),
    high=Decimal("41.0000"),
    mark="N",
)


def record(values: tuple[FactorValue, ...], report: Report = Report.MINUTE) -> Record:
    return Record(report=report, start="20260101115000", qn="20260101120000001", values=values)


def test_a_period_is_told_as_in_table_c16() -> None:
    (packet,) = of_record(OURS, record((COD,)), RULES, late=False)
    assert compose(packet) == (
        b"QN=20260101120000001;ST=32;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
        b"CP=&&DataTime=20260101115000;w01018-Cou=0.2,w01018-Min=40.0,w01018-Avg=40.0,w01018-Max=41.0,w01018-Flag=N&&"
    )


def test_what_was_not_measured_is_not_made_up() -> None:
    empty = FactorValue(code="w01018", total=None, low=None, mean=None, high=None, mark="B")
    (packet,) = of_record(OURS, record((empty,)), RULES, late=False)
    assert compose(packet).endswith(b"CP=&&DataTime=20260101115000;w01018-Flag=B&&")


def test_what_is_measured_now_is_told_with_its_mark() -> None:
    last = [
        Seen(value=Fraction(1005, 100), mark="N", utc_ns=0),
        Seen(value=Fraction(501), mark="T", utc_ns=0),
        None,
    ]
    (packet,) = of_now(OURS, RULES, last, NOON, "20260101120000000")
    assert packet.items == (
        (("DataTime", "20260101120000"),),
        (("w00000-Rtd", "10.05"), ("w00000-Flag", "N")),
        (("w01018-Rtd", "501.0"), ("w01018-Flag", "T")),
        (("w01001-Flag", "B"),),
    )


@pytest.mark.parametrize(("identity", "flag", "late"), [(OURS, "5", ""), (NEW, "9", "1")])
def test_the_edition_shows_in_the_flag_and_in_what_is_late(identity: Identity, flag: str, late: str) -> None:
    (packet,) = of_record(identity, record((COD,)), RULES, late=True)
    assert (packet.head("Flag"), packet.head("RF")) == (flag, late)
    (packet,) = of_record(identity, record((COD,)), RULES, late=False)
    assert packet.head("RF") == ""


def test_a_heartbeat_says_nothing_but_who() -> None:
    assert compose(of_heartbeat(NEW, "20260101120000000")) == (
        b"QN=20260101120000000;ST=91;CN=9015;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&"
    )


def test_many_factors_are_split_as_the_standard_allows() -> None:
    codes = [f"w2{number:04d}" for number in range(60)]
    rules = tuple(FactorRule(code=code, device="d", point="p", unit="", decimals=3) for code in codes)
    values = tuple(
        FactorValue(code=code, total=Decimal(1), low=Decimal(1), mean=Decimal(1), high=Decimal(1), mark="N")
        for code in codes
    )
    packets = of_record(OURS, record(values), rules, late=False)
    assert len(packets) > 2
    for packet in packets:
        wire = compose(packet)
        assert len(wire) <= 1024
        assert len(wire[wire.index(b"CP=") :]) <= LONGEST_AREA + 7
        assert packet.head("Flag") == "7"
    assert len({packet.head("QN") for packet in packets}) == len(packets)
    (whole,) = joined(packets)
    assert len(whole.items) == 61


def test_no_request_number_is_given_twice() -> None:
    numbers = Numbers()
    given = [numbers.next(NOON, most) for most in (1, 1, 8, 1)]
    given.append(numbers.next(NOON - timedelta(hours=1)))
    assert given == [f"202601011200000{end:02d}" for end in (0, 1, 2, 10, 11)]
    after = Numbers()
    after.used(given[-1], 32)
    after.used("nonsense")
    assert after.next(NOON) > given[-1]
    assert Numbers().next(NOON + timedelta(microseconds=1999)) == "20260101120000001"


def test_the_password_is_in_no_text_of_ours() -> None:
    assert "123456" not in repr(OURS)
    assert "123456" not in str(OURS)


def test_a_record_is_kept_exactly() -> None:
    kept = record((COD, FactorValue(code="x", total=None, low=None, mean=None, high=None, mark="B")), Report.DAY)
    assert from_words(to_words(kept)) == kept
    for bad in (
        [],
        ["2051", "s", "q"],
        ["9999", "s", "q", []],
        ["2051", "s", "q", [["a", "1", "x", None, None, "N"]]],
    ):
        assert from_words(bad) is None
