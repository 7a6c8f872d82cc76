"""What there is to tell: periods that run, reports that wait, what the bureau set; kept on disk as it grows.

Lives in the loop; what waits for the disk is handed to another thread. A report may be sent only when it is on disk:
else a kill between the two would tell one period under two numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Final, TypeAlias

from agent.errors import StorageError
from agent.outputs.hj212_journal import Journal
from agent.outputs.hj212_kept import (
    MOST_WAITING,
    Kept,
    done_line,
    lost_line,
    record_line,
    settings_line,
    state_line,
)
from agent.outputs.hj212_packets import Numbers
from agent.outputs.hj212_periods import FinishedPeriod, Periods, is_over, summed, whole_of
from agent.outputs.hj212_record import Record
from agent.outputs.hj212_settings import BureauSettings, Hj212Output, Report
from drivers.clock import Clock

MOST_PACKETS: Final = 32
"""Request numbers set aside for one report."""
MOST_LINES: Final = 20_000
"""Lines that wait for a disk that refuses; where there are more, the file is written anew instead."""
OffLoop: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
_STAMP: Final = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What the bureau wants to be in force, and who waits for it to be on disk."""

    settings: BureauSettings
    done: asyncio.Future[bool]


class Book:
    """All that is to be told to one bureau.

    Args:
        site: what the site file says.
        journal: the file.
        zone: local time.
        clock: where time comes from.

    Attributes:
        kept: reports that may be sent, and all that is or was to be on disk.
        fault: why the disk refuses, None while it does not.
        settings: what is in force.
    """

    def __init__(self, site: Hj212Output, journal: Journal, zone: tzinfo, clock: Clock) -> None:
        self._site = site
        self._journal = journal
        self._clock = clock
        self.kept = Kept()
        self._lines: list[list[object]] = []
        self._fresh: list[Record] = []
        self._orders: list[_Order] = []
        self._parts: dict[Report, dict[str, None]] = {Report.HOUR: {}, Report.DAY: {}}
        self._numbers = Numbers()
        self._state_is_due = False
        self._anew = False  # lines were dropped that the file lacks: ``kept`` says it all
        self.fault: StorageError | None = None
        self.settings = site.usual
        self.periods = Periods(site.factors, zone, site.usual.minute_s)

    def load(self) -> None:
        """Read what was kept; waits for the disk. A disk that refuses is a ``fault``, and the telling goes on."""
        try:
            self.kept = self._journal.load()
        except StorageError as error:
            self.fault = error
        kept = self.kept
        if kept.settings is not None and kept.usual == self._site.usual:  # else the site file has changed since
            self.settings = kept.settings
        self.periods.minute_s = self.settings.minute_s
        self.periods.restore(kept.state)
        for record in kept.records.values():
            self._numbers.used(record.qn, MOST_PACKETS)
            self._open(record)
        for report, starts in self._parts.items():
            for start in [start for start in starts if (report, start) in kept.records]:
                del starts[start]

    @property
    def waiting(self) -> int:
        """Reports without acknowledgement."""
        return len(self.kept.waiting) + len(self._fresh)

    def local(self) -> datetime:
        """Give the time of day."""
        return self.periods.local(self._clock.utc_ns())

    def number(self, most: int = 1) -> str:
        """Give a request number, and keep the ``most`` - 1 behind it."""
        return self._numbers.next(self.local(), most)

    def take(self, at: int, value: Fraction | None, mark: str) -> None:
        """Take one reading of factor ``at`` in."""
        self._finish(self.periods.take(at, value, mark, self._clock.utc_ns()))

    def turn(self) -> None:
        """Close what is over by now."""
        now_ns = self._clock.utc_ns()
        self._finish(self.periods.turn(now_ns))
        self.periods.begin(now_ns)
        self._sum_up(Report.HOUR, Report.MINUTE)
        self._sum_up(Report.DAY, Report.HOUR)

    def told(self, record: Record) -> None:
        """Note that a report was acknowledged."""
        self.kept.waiting.pop(record.key, None)
        self._lines.append(done_line(record.key))

    def order(self, settings: BureauSettings) -> asyncio.Future[bool]:
        """Let the bureau's word be brought to disk by ``keep``; from then on it is in force, over restarts too.

        Gives True once it is, False if the disk refused it: then nothing has changed.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._orders.append(_Order(settings=settings, done=done))
        return done

    def note_state(self) -> None:
        """Let the period that runs be kept, so that a restart goes on with it."""
        self._state_is_due = True

    @property
    def has_news(self) -> bool:
        """Whether something is not on disk yet."""
        return bool(self._lines or self._fresh or self._orders or self._state_is_due or self._anew)

    async def keep(self, off_loop: OffLoop) -> None:
        """Bring the news to disk, then let what was made be sent. A disk that refuses holds nothing up but itself."""
        fresh, self._fresh = self._fresh, []
        orders, self._orders = self._orders, []
        lines, self._lines = [*self._lines, *(record_line(record) for record in fresh)], []
        state, self._state_is_due = self._state() if self._state_is_due else [], False
        ordered = [settings_line(order.settings, self._site.usual) for order in orders]
        await self._write(off_loop, lambda: self._journal.append(lines + ordered + state), lines)
        self._settle(orders)
        self._admit(fresh)
        if len(self._lines) > MOST_LINES and self._journal.is_known:
            self._lines, self._anew = [], True
        if self.fault is None and (self._anew or self._journal.is_long):
            await self._shorten(off_loop)

    def keep_now(self) -> None:
        """Bring the news to disk at the end; waits for it."""
        lines = [*self._lines, *(record_line(record) for record in self._fresh), *self._state()]
        try:
            self._journal.append(lines)
            if self._anew:
                self._admit(self._fresh)
                self._journal.rewrite(self.kept)
        except StorageError as error:
            self.fault = error

    def _state(self) -> list[list[object]]:
        self.kept.state = self.periods.state()
        return [state_line(self.kept.state)]

    def _settle(self, orders: Sequence[_Order]) -> None:
        """Put in force what is on disk. What was refused may be there all the same: the next lines say what holds."""
        done = self.fault is None
        if orders and done:
            self.settings = orders[-1].settings
            self.periods.minute_s = self.settings.minute_s
            self.kept.settings, self.kept.usual = self.settings, self._site.usual
        elif orders:
            self._lines.append(settings_line(self.settings, self._site.usual))
        for order in orders:
            if not order.done.done():
                order.done.set_result(done)

    def _admit(self, fresh: Sequence[Record]) -> None:
        for record in fresh:
            self.kept.records[record.key] = record
            self.kept.waiting[record.key] = None
            if record.report not in self._site.reports:
                self.told(record)
        surplus = max(0, len(self.kept.waiting) - MOST_WAITING)
        for key in list(self.kept.waiting)[:surplus]:
            del self.kept.waiting[key]
            self._lines.append(done_line(key))
        if surplus:
            self.kept.lost += surplus
            self._lines.append(lost_line(self.kept.lost))

    async def _shorten(self, off_loop: OffLoop) -> None:
        before = self.local() - timedelta(days=self._site.keep_days)
        self.kept.drop(f"{before:{_STAMP}}")
        kept = replace(self.kept, records=dict(self.kept.records), waiting=dict(self.kept.waiting))
        lines, self._lines = self._lines, []  # what they say is in ``kept`` already
        try:
            await self._write(off_loop, lambda: self._journal.rewrite(kept), lines)
        finally:
            self._anew = self._anew and self.fault is not None

    async def _write(self, off_loop: OffLoop, work: Callable[[], None], lines: list[list[object]]) -> None:
        """Do ``work`` on the file to its end, also when cancelled: the next to write must find nobody at it.

        ``lines`` are to be written again if the disk refuses.
        """
        writing = asyncio.ensure_future(off_loop(work))  # noqa: TID251 - awaited below, whatever happens
        cancelled: asyncio.CancelledError | None = None
        while not writing.done():
            try:
                await asyncio.wait([writing])
            except asyncio.CancelledError as error:
                cancelled = error
        self.fault = None
        try:
            writing.result()
        except StorageError as error:
            self.fault = error
            self._lines = lines + self._lines
        if cancelled is not None:
            raise cancelled

    def _finish(self, finished: FinishedPeriod | None) -> None:
        if finished is not None:
            qn = self.number(MOST_PACKETS)
            self._make(Record(report=Report.MINUTE, start=finished.start, qn=qn, values=finished.values))

    def _sum_up(self, whole: Report, part: Report) -> None:
        local = self.local()
        for start in [start for start in self._parts[whole] if is_over(start, whole, local)]:
            del self._parts[whole][start]
            parts = sorted(
                (
                    record
                    for record in self._all()
                    if record.report is part and whole_of(record.start, whole) == start
                ),
                key=lambda record: record.start,
            )
            self._make(summed(self._site.factors, whole, start, parts, lambda: self.number(MOST_PACKETS)))

    def _make(self, record: Record) -> None:
        """Take a new report in; of a period that was told already (the clock went back) there is no second one."""
        if record.key not in self.kept.records and all(record.key != one.key for one in self._fresh):
            self._fresh.append(record)
            self._open(record)

    def _open(self, record: Record) -> None:
        whole = {Report.MINUTE: Report.HOUR, Report.HOUR: Report.DAY}.get(record.report)
        if whole is not None:
            start = whole_of(record.start, whole)
            if (whole, start) not in self.kept.records:
                self._parts[whole][start] = None

    def _all(self) -> Sequence[Record]:
        return (*self.kept.records.values(), *self._fresh)
