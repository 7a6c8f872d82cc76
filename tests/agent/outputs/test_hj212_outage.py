"""An outage of days and a disk that refuses: what is held is bounded, and what is given up is counted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.outputs import hj212_book
from agent.outputs.hj212_book import Book
from agent.outputs.hj212_journal import Journal
from agent.outputs.status import OutputTrouble
from agent.zones import zone_of
from hil.hj212_bureau import Bureau
from tests.agent.outputs.bureau_site import FastClock, readings, site
from tests.agent.outputs.running_output import quick, running, starts

pytestmark = pytest.mark.upstream


async def at_once(work: Callable[[], None]) -> None:
    work()


def book_in(folder: Path, clock: FastClock) -> Book:
    settings = site(folder, 1, usual=quick(600))
    return Book(settings, Journal(folder / "bureau.hj212"), zone_of(settings.timezone), clock)


async def let_pass(book: Book, clock: FastClock, periods: int) -> None:
    for _ in range(periods):
        clock.ahead_s += 600
        book.take(2, None, "B")
        book.turn()
        while book.has_news:
            await book.keep(at_once)
            if book.fault is not None:
                break


def refuse(_handle: int) -> None:
    raise OSError(28, os.strerror(28))


def refused(book: Book) -> bool:
    return book.fault is not None


async def test_of_more_than_may_wait_the_oldest_are_given_up_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hj212_book, "MOST_WAITING", 10)
    clock = FastClock(speed=0.0)
    book = book_in(tmp_path, clock)
    book.load()
    await let_pass(book, clock, 31)
    made = len(book.kept.records)
    assert made == 31 - 1 + 5, "the first has no period before it; five hours"
    assert (book.waiting, book.kept.lost) == (10, made - 10)
    again = book_in(tmp_path, clock)
    again.load()
    assert list(again.kept.waiting) == list(book.kept.waiting)
    assert (again.kept.lost, len(again.kept.records)) == (made - 10, made)
    assert list(again.kept.waiting) == list(again.kept.records)[-10:]


async def test_what_waits_for_a_disk_that_refuses_is_bounded_and_complete_once_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hj212_book, "MOST_LINES", 20)
    clock = FastClock(speed=0.0)
    book = book_in(tmp_path, clock)
    book.load()
    await let_pass(book, clock, 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        for _ in range(60):
            await let_pass(book, clock, 1)
            record = book.kept.first()
            assert record is not None
            book.told(record)
            assert len(book._lines) <= 20 + 3
        assert refused(book)
    await let_pass(book, clock, 1)
    assert not refused(book)
    again = book_in(tmp_path, clock)
    again.load()
    assert list(again.kept.records) == list(book.kept.records)
    assert list(again.kept.waiting) == list(book.kept.waiting)


async def test_the_last_words_after_a_long_refusal_are_all_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hj212_book, "MOST_LINES", 5)
    clock = FastClock(speed=0.0)
    book = book_in(tmp_path, clock)
    book.load()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        await let_pass(book, clock, 30)
    book.keep_now()
    again = book_in(tmp_path, clock)
    again.load()
    assert list(again.kept.records) == list(book.kept.records)
    assert again.kept.state


async def test_hours_go_on_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FastClock(speed=0.0)
    monkeypatch.setattr("agent.outputs.hj212._DISK_PAUSE_S", 0.02)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, clock, polls=False) as output:
            assert await bureau.until(lambda: bool(bureau.connections))
            monkeypatch.setattr(os, "fsync", refuse)
            for _ in range(2):
                output.take(readings(3600, 405))
                clock.ahead_s += 600
            output.take(readings(3600, 405))
            assert await bureau.until(lambda: output.status().trouble is OutputTrouble.STORE)
            clock.ahead_s += 3600
            assert await bureau.until(lambda: bool(starts(bureau, "2061")))
            monkeypatch.undo()
