"""An environment bureau that is told by HJ 212: what is measured now; minutes, hours and days until it has them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from agent.config import SiteDevice
from agent.delivery.mqtt_state import Facts, Phase
from agent.errors import KeyUnavailableError
from agent.outputs.hj212_book import Book, OffLoop
from agent.outputs.hj212_cipher import AreaCipher, load_cipher
from agent.outputs.hj212_hearing import Hearing, Question
from agent.outputs.hj212_journal import Journal
from agent.outputs.hj212_packets import Identity, of_heartbeat, of_now, of_record
from agent.outputs.hj212_record import Record
from agent.outputs.hj212_rows import Row, rows_of
from agent.outputs.hj212_settings import Hj212Output, Report
from agent.outputs.hj212_talk import BureauSilentError, Talk, TalkCounts
from agent.outputs.status import OutputStatus, OutputTrouble
from agent.secret_file import read_secret
from agent.zones import zone_of
from drivers.batch import Batch, DeviceTimeFlag
from drivers.clock import Clock
from drivers.codec.hj212_marks import mark_of
from drivers.codec.hj212_segment import Segment
from drivers.errors import LinkDownError
from drivers.sources import ByteStream
from drivers.transport.tcp import open_tcp

STATE_EVERY_NS: Final = 60_000_000_000
"""What a kill may take from the means of the period that runs."""
LONGEST_PAUSE_S: Final = 60.0
_FIRST_PAUSE_S: Final = 1.0
_LOOK_S: Final = 30.0  # UTC may jump: the end of a period is looked for this often at least
_DISK_PAUSE_S: Final = 5.0
_OLD_NS: Final = 180_000_000_000
_NS: Final = 1_000_000_000
_log = logging.getLogger(__name__)
Connect: TypeAlias = Callable[[str, int], Awaitable[ByteStream]]


class Bureau:
    """One bureau; an ``Outlet``.

    Args:
        site: what the site file says.
        folder: where reports are kept.
        clock: where time comes from.
        rng: spreads pauses.
        connect: opens the connection.
        off_loop: runs what waits for the disk.
    """

    def __init__(
        self,
        site: Hj212Output,
        folder: Path,
        *,
        clock: Clock,
        rng: Random,
        connect: Connect = open_tcp,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self._site = site
        self._clock = clock
        self._rng = rng
        self._connect = connect
        self._off_loop = off_loop
        self._book = Book(site, Journal(folder / f"{site.name}.hj212"), zone_of(site.timezone), clock)
        self._rows: dict[int, tuple[Row, ...]] = {}
        self._counts = TalkCounts()
        self._news, self._work = asyncio.Event(), asyncio.Event()
        self._phase = Phase.STOPPED
        self._trouble: OutputTrouble | None = None
        self._facts: Facts = ()
        self._since_ns = clock.mono_ns()
        self._told_ns: int | None = None
        self._failures = 0
        self._realtime_ns: int | None = None  # when it was told last
        self._heartbeat_ns = 0

    def prepare(self) -> None:
        """Read what was kept before a restart; waits for the disk."""
        self._book.load()

    def register(self, devices: Sequence[SiteDevice]) -> None:
        """Say what ``Batch.device`` counts from now on."""
        self._rows = rows_of(self._site.factors, devices)

    def take(self, batch: Batch) -> None:
        """Take readings in; what the device says it took earlier is no part of the period that runs."""
        rows = self._rows.get(batch.device)
        if rows is None:
            return
        earlier = {time.row for time in batch.device_times if time.flags & DeviceTimeFlag.HISTORICAL}
        for row in rows:
            if row.point in batch.points:
                at = batch.points.index(row.point)
                if at in earlier:
                    continue
                self._book.take(row.factor, row.value(batch.values[at]), mark_of(batch.statuses[at]))
        if self._book.has_news:
            self._news.set()

    def status(self) -> OutputStatus:
        """Tell how it is."""
        trouble, facts = self._trouble, self._facts
        if trouble is None and self._book.fault is not None:
            trouble, facts = OutputTrouble.STORE, (("detail", str(self._book.fault)),)
        return OutputStatus(
            name=self._site.name,
            kind="hj212",
            where=f"{self._site.host}:{self._site.port}",
            phase=self._phase,
            trouble=trouble,
            facts=facts,
            since_mono_ms=self._since_ns // 1_000_000,
            waiting=self._book.waiting,
            lost=self._book.kept.lost,
            sent=self._counts.sent,
            told=self._counts.told,
            unanswered=self._counts.unanswered,
            strange=self._counts.strange,
            told_mono_ms=None if self._told_ns is None else self._told_ns // 1_000_000,
        )

    async def run(self) -> None:
        """Tell what was taken in, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep())
                group.create_task(self._connections())
        finally:
            self._phase = Phase.STOPPED
            self._book.keep_now()

    async def _keep(self) -> None:
        """Close periods when they are over and bring to disk what is new."""
        state_ns = self._clock.mono_ns() + STATE_EVERY_NS
        while True:
            self._book.turn()
            if self._clock.mono_ns() >= state_ns:
                state_ns += STATE_EVERY_NS
                self._book.note_state()
            if self._book.has_news:
                await self._book.keep(self._off_loop)
                self._work.set()
                if self._book.fault is not None:
                    await asyncio.sleep(_DISK_PAUSE_S)
                continue
            now_ns = self._clock.utc_ns()
            left_s = (self._book.periods.ends_ns(now_ns) - now_ns) / _NS
            await _until(self._news, min(_LOOK_S, left_s))

    async def _connections(self) -> None:
        while True:
            self._phase = Phase.CONNECTING
            try:
                await self._session()
            except* BureauSilentError as group:
                self._troubled(OutputTrouble.SILENT, self._where(detail=str(_first(group))))
            except* LinkDownError as group:
                self._troubled(OutputTrouble.UNREACHABLE, self._where(detail=str(_first(group))))
            except* KeyUnavailableError as group:
                self._troubled(OutputTrouble.SECRET, self._where(detail=str(_first(group))))
            self._phase = Phase.WAITING
            ceiling_s = min(LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures, 10))
            self._failures += 1
            await asyncio.sleep(self._rng.uniform(0, ceiling_s))

    async def _session(self) -> None:
        """Connect and tell until something goes wrong."""
        site = self._site
        password = await asyncio.to_thread(read_secret, site.password_file)
        cipher: AreaCipher | None = None
        if site.key_file is not None:
            cipher = await asyncio.to_thread(load_cipher, site.key_file)
        identity = Identity(system=site.system, password=password, mn=site.mn, edition=site.edition)
        stream = await self._connect(site.host, site.port)
        try:
            self._phase = Phase.CONNECTED
            hear: Callable[[Segment], None] = lambda said: hearing.hear(said)  # noqa: E731, PLW0108 - made below
            talk = Talk(stream, self._counts, lambda: self._book.settings, hear, cipher)
            hearing = Hearing(identity, self._book, talk.say, news=self._news, work=self._work)
            connected_ns = self._clock.utc_ns()
            connected = f"{self._book.periods.local(connected_ns):%Y%m%d%H%M%S}"
            async with asyncio.TaskGroup() as group:
                group.create_task(talk.listen())
                group.create_task(hearing.obey())
                group.create_task(self._speak(talk, hearing, identity, connected))
        finally:
            await stream.aclose()

    async def _speak(self, talk: Talk, hearing: Hearing, identity: Identity, connected: str) -> None:
        """Tell what is due: what is measured now, the past and reports that wait in turn, that we are there."""
        past_is_next = True
        while True:
            now_ns = self._clock.mono_ns()
            record, question = self._book.kept.first(), hearing.question
            if self._realtime_is_due(now_ns):
                self._realtime_ns = now_ns
                await talk.deliver(self._measured(identity))
            elif question is not None and not question.records:
                hearing.told_all()
                continue
            elif question is not None and (past_is_next or record is None):
                await self._tell_past(talk, question, identity)
                past_is_next = False
            elif record is not None:
                late = record.qn[:14] < connected
                await talk.deliver(of_record(identity, record, self._site.factors, late=late))
                self._book.told(record)
                self._news.set()
                past_is_next = True
            elif self._site.heartbeat_s and now_ns >= self._heartbeat_ns:
                await talk.deliver((of_heartbeat(identity, self._book.number()),))
            else:
                await _until(self._work, self._idle_s(now_ns))
                continue
            self._heartbeat_ns = self._clock.mono_ns() + round(self._site.heartbeat_s * _NS)
            self._well()

    async def _tell_past(self, talk: Talk, question: Question, identity: Identity) -> None:
        """Send one more report of the past that was asked for, under a number of its own."""
        record = question.records[0]
        fresh = Record(report=record.report, start=record.start, qn=self._book.number(32), values=record.values)
        await talk.deliver(of_record(identity, fresh, self._site.factors, late=False))
        question.records.popleft()

    def _measured(self, identity: Identity) -> tuple[Segment, ...]:
        now_ns = self._clock.utc_ns()
        old_ns = max(_OLD_NS, round(3 * self._book.settings.realtime_s * _NS))
        last = [None if one is None or now_ns - one.utc_ns > old_ns else one for one in self._book.periods.last]
        return of_now(identity, self._site.factors, last, self._book.local(), self._book.number(8))

    def _realtime_is_due(self, now_ns: int) -> bool:
        return (
            self._wants_realtime()
            and now_ns >= self._realtime_due_ns()
            and any(one is not None for one in self._book.periods.last)
        )

    def _realtime_due_ns(self) -> int:
        return 0 if self._realtime_ns is None else self._realtime_ns + round(self._book.settings.realtime_s * _NS)

    def _wants_realtime(self) -> bool:
        return self._book.settings.realtime_on and Report.REALTIME in self._site.reports

    def _idle_s(self, now_ns: int) -> float:
        due_ns = [now_ns + round(_LOOK_S * _NS)]
        if self._wants_realtime():
            due_ns.append(max(self._realtime_due_ns(), now_ns + _NS // 2))  # due already: no reading has come yet
        if self._site.heartbeat_s:
            due_ns.append(self._heartbeat_ns)
        return (min(due_ns) - now_ns) / _NS

    def _where(self, **facts: str) -> Facts:
        return (("output", self._site.name), ("where", f"{self._site.host}:{self._site.port}"), *facts.items())

    def _troubled(self, trouble: OutputTrouble, facts: Facts) -> None:
        if trouble is not self._trouble:
            self._trouble, self._since_ns = trouble, self._clock.mono_ns()
            _log.warning("%s %s", trouble.value, " ".join(f"{name}={value}" for name, value in facts))
        self._facts = facts

    def _well(self) -> None:
        self._failures = 0
        self._told_ns = self._clock.mono_ns()
        if self._trouble is not None:
            self._trouble, self._facts, self._since_ns = None, (), self._told_ns
            _log.warning("output-ok output=%s", self._site.name)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for ``event`` or for a while, and clear it."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
