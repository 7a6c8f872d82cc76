"""Which period a reading falls into, when it ends, and what survives a restart in the middle."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from agent.outputs.hj212_periods import FinishedPeriod, Periods, is_over, whole_of
from agent.outputs.hj212_settings import Report
from tests.agent.outputs.bureau_site import BASE_NS, RULES

SHANGHAI = ZoneInfo("Asia/Shanghai")
SECOND = 1_000_000_000


def periods(minute_s: int = 600) -> Periods:
    return Periods(RULES, SHANGHAI, minute_s)


def at(seconds: float) -> int:
    return BASE_NS + round(seconds * SECOND)


def test_a_period_is_known_by_the_local_time_at_which_it_began() -> None:
    book = periods()
    for second in range(0, 600, 5):
        assert book.take(2, Fraction(7), "N", at(second)) is None
    finished = book.take(2, Fraction(8), "N", at(600))
    assert finished is not None
    assert finished.start == "20260101080000"
    assert finished.values[2].high == 7, "the first reading of the next period is none of this one"
    assert book.ends_ns(at(601.25)) == at(1200)


def test_water_that_passed_and_what_it_carried_is_summed() -> None:
    book = periods()
    for second in range(0, 600, 5):
        book.take(1, Fraction(40), "N", at(second))
        book.take(0, Fraction(10), "N", at(second))
    finished = book.turn(at(600))
    assert finished is not None
    flow, cod, _ = finished.values
    assert flow.total == Decimal("5.95000"), "119 slices of 5 s at 10 L/s: the first reading has none before it"
    assert cod.total == Decimal("0.2380")
    assert cod.mean == Decimal("40.0000")


def test_what_was_not_measured_is_not_summed() -> None:
    book = periods()
    book.take(0, Fraction(10), "N", at(0))
    book.take(0, Fraction(10), "N", at(300))
    book.take(0, None, "B", at(310))
    book.take(0, Fraction(10), "N", at(320))
    finished = book.turn(at(600))
    assert finished is not None
    assert finished.values[0].total == Decimal("0.10000"), "10 s: 300 s is a gap, 10 s were abnormal"


def test_a_period_in_which_nothing_came_is_told() -> None:
    book = periods()
    book.begin(at(0.1))
    finished = book.turn(at(600))
    assert finished is not None
    assert [value.mark for value in finished.values] == ["B", "B", "B"]
    assert all(value.mean is None for value in finished.values)


def test_the_end_of_a_period_that_saw_nothing_is_not_told() -> None:
    book = periods()
    book.begin(at(590))
    assert book.turn(at(600)) is None
    book.begin(at(600))
    assert book.turn(at(1200)) is not None


def test_a_restart_goes_on_in_the_middle_of_a_period() -> None:
    whole, first = periods(), periods()
    second = periods()
    finished: list[FinishedPeriod | None] = []
    for book, stretch in ((whole, range(0, 600, 5)), (first, range(0, 300, 5))):
        for moment in stretch:
            book.take(2, Fraction(700 + moment, 100), "N" if moment % 50 else "T", at(moment))
    second.restore(first.state())
    for moment in range(300, 600, 5):
        second.take(2, Fraction(700 + moment, 100), "N" if moment % 50 else "T", at(moment))
    finished = [book.turn(at(600)) for book in (whole, second)]
    assert finished[0] is not None
    assert finished[0] == finished[1]


def test_a_state_that_is_none_changes_nothing() -> None:
    good = periods()
    good.take(2, Fraction(7), "N", at(0))
    other = Periods(RULES[:2], SHANGHAI, 600)
    for state in (
        "",
        "[]",
        "{",
        good.state()[:-3],
        '["20260101080000",600,["w00000"],[[1,"1/0",null,null,null,"0",{}]]]',
        good.state().replace("600", "0"),
        good.state().replace("600", "7"),
        good.state().replace("600", '"x"'),
    ):
        other.restore(state)
    other.restore(good.state())
    assert other.turn(at(600)) is None


def told(book: Periods, first_s: int, last_s: int) -> list[tuple[str, int]]:
    """Let a reading come every ten seconds; give start and count of each period that was told."""
    found = []
    for second in range(first_s, last_s, 10):
        finished = book.take(2, Fraction(second), "N", at(second))
        if finished is not None:
            assert finished.values[2].low is not None
            assert finished.values[2].high is not None
            span = finished.values[2].high - finished.values[2].low
            found.append((finished.start[8:12], int(span) // 10 + 1))
    return found


def test_another_length_counts_from_where_both_begin_a_period() -> None:
    book = periods(60)
    assert told(book, 0, 330) == [(f"080{minute}", 6) for minute in range(5)]
    book.minute_s = 600
    later = [(f"080{minute}", 6) for minute in range(5, 10)]
    assert told(book, 330, 1810) == [*later, ("0810", 60), ("0820", 60)], "none is cut, none begins where one did"
    assert book.ends_ns(at(1810)) == at(2400)
    book.minute_s = 60
    assert told(book, 1810, 2470) == [("0830", 60), ("0840", 6)]


def test_lengths_that_seldom_meet_meet() -> None:
    book = periods(240)
    told(book, 0, 250)
    book.minute_s = 360
    assert told(book, 250, 1090) == [("0804", 24), ("0808", 24), ("0812", 36)], "twelve minutes"


def test_a_restart_finishes_the_period_that_ran_at_its_own_length() -> None:
    before, after = periods(600), periods(60)
    before.take(2, Fraction(7), "N", at(10))
    after.restore(before.state())
    assert told(after, 20, 730)[:2] == [("0800", 59), ("0810", 6)]


def test_hours_and_days_are_over_when_the_next_has_begun() -> None:
    book = periods()
    assert whole_of("20260101085000", Report.HOUR) == "20260101080000"
    assert whole_of("20260101080000", Report.DAY) == "20260101000000"
    assert not is_over("20260101080000", Report.HOUR, book.local(at(3599)))
    assert is_over("20260101080000", Report.HOUR, book.local(at(3600)))
    assert not is_over("20260101000000", Report.DAY, book.local(at(16 * 3600 - 1)))
    assert is_over("20260101000000", Report.DAY, book.local(at(16 * 3600)))
