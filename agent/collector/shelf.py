"""One gateway inside one transaction: what the verifier asks for and where its verdicts are filed.

Chained blocks and their rows are gathered and written together (``flush``), since most of the time goes into rows;
everything rare is written at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from agent.block.chain import Place
from agent.block.dictionary import Tables
from agent.block.events import Gap
from agent.block.form import Form
from agent.block.readings import later_anchor
from agent.block.record import Block
from agent.block.verify import Outcome, Verdict
from agent.collector.head_row import HeadRow
from agent.collector.rows import BlockTime, ReadingRow, event_rows, fit, reading_rows, sparse_rows, time_of
from agent.collector.store import Database
from agent.collector.waiting import Waiting

CHUNK_ROWS: Final = 200
_ALARMS: Final = frozenset({Verdict.UNREADABLE, Verdict.FORK})
_ALARMING: Final = frozenset({"epoch-closed", "genesis-prev", "session-key-reused", "session-key-is-identity"})
_BLOCK: Final = f"INSERT INTO block VALUES ({', '.join('?' * 19)})"  # noqa: S608  constants
_READING: Final = "INSERT INTO reading VALUES (?, ?, ?, ?, ?)"
_CHUNK: Final = f"INSERT INTO reading VALUES {', '.join(['(?, ?, ?, ?, ?)'] * CHUNK_ROWS)}"  # noqa: S608  constants

_SET_LATER: Final = (
    "UPDATE block SET utc_ms = ?1 + max(-?6, min(?6, mono_ms - ?2)), error_ms = ?3, lag_ms = mono_ms - ?2, later = 1,"
    " after_ms = NULL WHERE gateway = ?4 AND utc_ms IS NULL AND before_ms IS NULL AND boot = ?5"
)
_FARTHEST_MS: Final = 1 << 62
"""A sum over 63 bits would be a REAL, which the column refuses: one gateway that signs nonsense must not stop all."""

_DEVICE: Final = (
    "INSERT INTO device (gateway, position, device, name, profile, profile_hash, identity)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
_POINT: Final = (
    "INSERT INTO point (gateway, position, device, quantity, unit, exponent, kind, class)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)


@dataclass(slots=True)
class Pages:
    """Rows gathered in one transaction, of all its gateways.

    Attributes:
        next_id: id of the next block.
    """

    db: Database
    next_id: int
    blocks: list[tuple[object, ...]]
    readings: list[Iterator[ReadingRow]]

    @staticmethod
    def begin(db: Database) -> Pages:
        """Start a transaction's pages; the lock is held, so nobody else gives out the same ids."""
        row = db.one("SELECT max(id) FROM block")
        last_id = 0 if row is None or row[0] is None else int(row[0])
        return Pages(db=db, next_id=last_id + 1, blocks=[], readings=[])

    def flush(self) -> None:
        """Write what was gathered. Many rows a statement: a quarter less work than one by one."""
        if self.blocks:
            self.db.run_many(_BLOCK, self.blocks)
            self.blocks = []
        if not self.readings:
            return
        rows = list(chain.from_iterable(self.readings))
        self.readings = []
        whole = len(rows) - len(rows) % CHUNK_ROWS
        for start in range(0, whole, CHUNK_ROWS):
            self.db.run(_CHUNK, list(chain.from_iterable(rows[start : start + CHUNK_ROWS])))
        self.db.run_many(_READING, rows[whole:])


class SqlShelf:
    """``intake.Shelf`` over the database, for one transaction."""

    def __init__(self, db: Database, head: HeadRow, pages: Pages, now_ms: int) -> None:
        self.head_row = head
        self._db = db
        self._pages = pages
        self._now_ms = now_ms
        self._counts = head.counts
        self._waiting = Waiting(db, head.id, head.counts)
        self._last: Place | None = head.cached.state.place
        self._heads: dict[Place, bytes] = {}

    def head(self, place: Place) -> bytes | None:
        """See ``Known``."""
        if self._last is None or place > self._last:
            return None
        fresh = self._heads.get(place)
        if fresh is not None:
            return fresh
        sql = "SELECT head FROM block WHERE gateway = ? AND epoch = ? AND number = ?"
        row = self._db.one(sql, (self.head_row.id, *place))
        return None if row is None else bytes(row[0])

    def place_of(self, head: bytes) -> Place | None:
        """See ``Known``."""
        fresh = next((place for place, known in self._heads.items() if known == head), None)
        if fresh is not None:
            return fresh
        row = self._db.one("SELECT epoch, number FROM block WHERE gateway = ? AND head = ?", (self.head_row.id, head))
        return None if row is None else (row[0], row[1])

    def detached_head(self, place: Place) -> bytes | None:
        """See ``Known``."""
        return self._waiting.detached_head(place)

    def session(self, epoch: int) -> bytes | None:
        """See ``Known``."""
        sessions = self.head_row.cached.sessions
        if epoch not in sessions:
            sql = "SELECT spki FROM session WHERE gateway = ? AND epoch = ?"
            row = self._db.one(sql, (self.head_row.id, epoch))
            if row is None:
                return None
            sessions[epoch] = bytes(row[0])
        return sessions[epoch]

    def epoch_of(self, session_spki: bytes) -> int | None:
        """See ``Known``."""
        sql = "SELECT epoch FROM session WHERE gateway = ? AND spki = ?"
        row = self._db.one(sql, (self.head_row.id, session_spki))
        return None if row is None else int(row[0])

    def lowest_detached(self, after: Place | None) -> bytes | None:
        """See ``Shelf``."""
        return self._waiting.lowest_detached(after)

    def detached_gaps(self) -> Sequence[Gap]:
        """See ``Shelf``."""
        return self._waiting.detached_gaps()

    def unpark(self, epoch: int | None) -> Sequence[bytes]:
        """See ``Shelf``."""
        return self._waiting.unpark(epoch)

    def keep(self, outcome: Outcome) -> None:
        """See ``Shelf``."""
        self.head_row.cached.state = outcome.state
        form = outcome.form
        if form is None:
            self._counts.refused += 1
            return
        self._waiting.attach(form)
        if outcome.session is not None and self.session(form.epoch) is None:
            self._db.run("INSERT INTO session VALUES (?, ?, ?)", (self.head_row.id, form.epoch, outcome.session))
        match outcome.verdict:
            case Verdict.CHAINED | Verdict.UNREADABLE:
                self._chain(outcome, form)
            case Verdict.DUPLICATE:
                self._counts.duplicates += 1
            case Verdict.DETACHED:
                self._waiting.detach(form, len(outcome.gaps))
            case Verdict.PARKED:
                self._waiting.park(form)
            case Verdict.FORK:
                self._waiting.keep_evidence(form, outcome.reason, self._now_ms)
            case Verdict.REFUSED:
                self._counts.refused += 1
        if outcome.verdict in _ALARMS or outcome.reason in _ALARMING:
            self._alarm(outcome, form)

    def add_to_dictionary(self, tables: Tables, adds: Sequence[bytes]) -> None:
        """Append ``adds``, after which the dictionary is ``tables``."""
        cached, row = self.head_row.cached, self.head_row.id
        before = tables.adds - len(adds)
        self._db.run_many(
            "INSERT INTO dictionary_add VALUES (?, ?, ?)",
            [(row, before + ordinal, body) for ordinal, body in enumerate(adds, start=1)],
        )
        for entry in tables.devices[len(cached.devices) :]:
            named = (entry.id, entry.name, entry.profile, entry.profile_hash, entry.identity)
            cached.devices.append(self._db.all(_DEVICE, (row, len(cached.devices), *named))[0][0])
        for point in tables.points[len(cached.points) :]:
            at = (row, len(cached.points), cached.devices[point.device])
            meaning = (point.quantity, point.unit, point.exponent, point.kind, point.klass)
            cached.points.append(self._db.all(_POINT, (*at, *meaning))[0][0])

    def close(self) -> tuple[HeadRow, Place | None, tuple[int, ...]]:
        """Give the row as it has to be written back, the lowest place that waits, and the epochs that are parked."""
        place = self.head_row.cached.state.place
        return self.head_row, self._waiting.lowest_place(place), self._waiting.parked_epochs()

    def _chain(self, outcome: Outcome, form: Form) -> None:
        block_id = self._pages.next_id
        self._pages.next_id += 1
        self._last = form.place
        self._heads[form.place] = form.head
        self._counts.blocks += 1
        if outcome.adds:
            self.add_to_dictionary(outcome.state.tables, outcome.adds)
        if outcome.loss is not None:
            loss = outcome.loss
            values = (self.head_row.id, *loss.first, *loss.until, *loss.readings, loss.reason)
            self._db.run("INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        block = outcome.block
        if block is None:
            self._counts.unreadable += 1
            self._add_block(block_id, form, None, BlockTime(), outcome.reason)
            return
        time = self._tell_time(block)
        self._add_block(block_id, form, block, time, None)
        columns = block.columns
        if columns is not None:
            self._counts.readings += len(columns.points)
            points = self.head_row.cached.points
            self._pages.readings.append(reading_rows(block_id, columns, block.clock.mono_ms, points))
            if columns.raws or columns.device_times:
                raws, times = sparse_rows(block_id, columns)
                self._db.run_many("INSERT INTO reading_raw VALUES (?, ?)", raws)
                self._db.run_many("INSERT INTO reading_device_time VALUES (?, ?, ?, ?)", times)
        if block.events:
            self._db.run_many("INSERT INTO event VALUES (?, ?, ?, ?, ?)", event_rows(block_id, block.events))
        if outcome.findings:
            self._db.run_many(
                "INSERT INTO finding (block, code, value_ms, from_ms, to_ms) VALUES (?, ?, ?, ?, ?)",
                [(block_id, f.code.value, fit(f.value_ms), f.from_utc_ms, f.to_utc_ms) for f in outcome.findings],
            )

    def _add_block(
        self, block_id: int, form: Form, block: Block | None, time: BlockTime, unreadable: str | None
    ) -> None:
        rows = 0 if block is None or block.columns is None else len(block.columns.points)
        clock = None if block is None else block.clock
        self._pages.blocks.append(
            (
                block_id,
                self.head_row.id,
                form.epoch,
                form.number,
                form.head,
                form.first_reading,
                rows,
                None if clock is None else clock.boot,
                None if clock is None else clock.mono_ms,
                time.utc_ms,
                time.error_ms,
                time.lag_ms,
                0,
                0 if clock is None else int(clock.quality),
                self.head_row.sure_ms if time.utc_ms is None else None,
                None,
                self._now_ms,
                unreadable,
                form.message,
            )
        )

    def _tell_time(self, block: Block) -> BlockTime:
        """Find out what UTC the block has, and give it to earlier ones of its boot that had none ('set later')."""
        row = self.head_row
        time = time_of(block)
        if time.utc_ms is None:
            row.untimed += 1
            return time
        anchor = later_anchor(block)
        if row.untimed and anchor is not None:
            self._pages.flush()
            self._db.run(
                _SET_LATER, (anchor.utc_ms, anchor.mono_ms, anchor.error_ms, row.id, anchor.boot, _FARTHEST_MS)
            )
            self._db.run(
                "UPDATE block SET before_ms = ? WHERE gateway = ? AND utc_ms IS NULL AND before_ms IS NULL",
                (fit(time.utc_ms + time.error_ms), row.id),
            )
            row.untimed = 0
        row.sure_ms = fit(time.utc_ms - time.error_ms)
        return time

    def _alarm(self, outcome: Outcome, form: Form) -> None:
        self._db.run(
            "INSERT INTO alarm (gateway, code, epoch, number, first_ms, last_ms, detail) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET last_ms = excluded.last_ms, times = times + 1",
            (self.head_row.id, outcome.reason, *form.place, self._now_ms, self._now_ms, outcome.detail),
        )
