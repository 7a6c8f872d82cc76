"""Events that wait while the disk refuses."""

from __future__ import annotations

from pathlib import Path

from agent.block.record import Event, EventKind
from agent.storing.noted import EVENTS_DROPPED, MOST_EVENTS, Noted
from tests.agent.storage_site import Bench, batch, events_of, stop


def missed(minute: int, point: int) -> Event:
    fields = (point, point + 1, 60, minute * 60_000, minute * 60_000 + 59_000, "queue-full")
    return Event(kind=EventKind.MISSED_POLLS, mono_ms=minute * 60_000 + 59_500, fields=fields)


def fault(minute: int) -> Event:
    return Event(kind=EventKind.BUS_FAULT, mono_ms=minute * 60_000, fields=("b", "link-down", "gone"))


def test_few_events_come_out_as_they_came() -> None:
    noted = Noted()
    assert not noted
    events = (missed(1, 0), fault(2), missed(3, 4))
    for event in events:
        noted.add(event)
    assert noted
    assert noted.take(0) == events
    assert not noted
    assert noted.take(0) == ()


def test_missed_polls_beyond_the_bound_are_told_together_and_none_is_left_out() -> None:
    noted = Noted()
    minutes = MOST_EVENTS * 3
    for minute in range(minutes):
        noted.add(missed(minute, minute % 7))
    events = noted.take(0)
    assert len(events) == MOST_EVENTS + 1
    assert sum(event.fields[2] for event in events) == 60 * minutes  # type: ignore[misc]
    assert events[-1].fields == (
        0,
        7,
        60 * 2 * MOST_EVENTS,
        MOST_EVENTS * 60_000,
        minutes * 60_000 - 1_000,
        "queue-full",
    )


def test_other_events_beyond_the_bound_are_counted() -> None:
    noted = Noted()
    for minute in range(MOST_EVENTS + 5):
        noted.add(fault(minute))
    *kept, last = noted.take(77)
    assert len(kept) == MOST_EVENTS
    assert last == Event(kind=EventKind.STORAGE_FAULT, mono_ms=77, fields=(EVENTS_DROPPED, "5 events"))


def test_what_waited_for_days_is_sealed_and_proven(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    desk = bench.desk()
    for minute in range(MOST_EVENTS + 500):
        desk.intake.note(missed(minute, 0), bench.clock.mono_ms)
    desk.intake.take(batch(bench.clock.mono_ms))
    bench.clock.mono_ms += 10_000
    desk.turn(flush=True)
    stop(desk)
    assert bench.verdict().proven
    found = [event for message in bench.messages() for event in events_of(message)]
    counts = [event.fields[2] for event in found if event.kind == EventKind.MISSED_POLLS]
    assert sum(counts) == 60 * (MOST_EVENTS + 500)  # type: ignore[arg-type]
