"""Messages that wait beside the chain: detached, parked, evidence; bounded as the block format says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.block.chain import Place
from agent.block.events import Gap, declared_gaps
from agent.block.form import EVENTS, Form, read_form
from agent.collector.head_row import Counts
from agent.collector.store import Database

DETACHED_MESSAGES: Final = 10_000
DETACHED_BYTES: Final = 32 * 1024 * 1024
PARKED_MESSAGES: Final = 256
PARKED_BYTES: Final = 8 * 1024 * 1024


class Waiting:
    """What waits of one gateway, inside one transaction; ``counts`` is kept right along the way."""

    def __init__(self, db: Database, row: int, counts: Counts) -> None:
        self._db = db
        self._row = row
        self._counts = counts

    def detached_head(self, place: Place) -> bytes | None:
        """Give the head of the detached message of a place."""
        if not self._counts.detached:
            return None
        sql = "SELECT head FROM detached WHERE gateway = ? AND epoch = ? AND number = ?"
        row = self._db.one(sql, (self._row, *place))
        return None if row is None else bytes(row[0])

    def lowest_place(self, after: Place | None) -> Place | None:
        """Give the lowest place of a detached message above ``after``."""
        if not self._counts.detached:
            return None
        row = self._db.one(
            "SELECT epoch, number FROM detached WHERE gateway = ? AND (epoch, number) > (?, ?)"
            " ORDER BY epoch, number LIMIT 1",
            (self._row, *(after or (-1, -1))),
        )
        return None if row is None else (row[0], row[1])

    def lowest_detached(self, after: Place | None) -> bytes | None:
        """Give the detached message of the lowest place above ``after``."""
        if not self._counts.detached:
            return None
        row = self._db.one(
            "SELECT message FROM detached WHERE gateway = ? AND (epoch, number) > (?, ?)"
            " ORDER BY epoch, number LIMIT 1",
            (self._row, *(after or (-1, -1))),
        )
        return None if row is None else bytes(row[0])

    def detached_gaps(self) -> Sequence[Gap]:
        """Give the events 4 of all detached messages."""
        if not self._counts.detached:
            return ()
        rows = self._db.all("SELECT message FROM detached WHERE gateway = ? AND gaps > 0", (self._row,))
        return [gap for (message,) in rows for gap in declared_gaps(read_form(message).payload.get(EVENTS))]

    def detach(self, form: Form, gaps: int) -> None:
        """Keep a message until its predecessors are there; beyond the bounds the highest goes."""
        self._db.run(
            "INSERT OR REPLACE INTO detached VALUES (?, ?, ?, ?, ?, ?)",
            (self._row, *form.place, form.head, gaps, form.message),
        )
        self._counts.detached += 1
        self._counts.detached_bytes += len(form.message)
        while self._counts.detached > DETACHED_MESSAGES or self._counts.detached_bytes > DETACHED_BYTES:
            (size,) = self._db.all(
                "DELETE FROM detached WHERE rowid = (SELECT rowid FROM detached WHERE gateway = ?"
                " ORDER BY epoch DESC, number DESC LIMIT 1) RETURNING length(message)",
                (self._row,),
            )[0]
            self._counts.detached -= 1
            self._counts.detached_bytes -= size
            self._counts.dropped += 1

    def attach(self, form: Form) -> None:
        """Take a message away from those that wait, if it is there."""
        if not self._counts.detached:
            return
        gone = self._db.run(
            "DELETE FROM detached WHERE gateway = ? AND epoch = ? AND number = ? AND head = ?",
            (self._row, *form.place, form.head),
        )
        if gone:
            self._counts.detached -= 1
            self._counts.detached_bytes -= len(form.message)

    def park(self, form: Form) -> None:
        """Keep a message until its signer is known; beyond the bounds the newest goes."""
        counts = self._counts
        if counts.parked >= PARKED_MESSAGES or counts.parked_bytes + len(form.message) > PARKED_BYTES:
            counts.dropped += 1
            return
        added = self._db.run(
            "INSERT OR IGNORE INTO parked (gateway, epoch, head, message) VALUES (?, ?, ?, ?)",
            (self._row, form.epoch, form.head, form.message),
        )
        if added:
            counts.parked += 1
            counts.parked_bytes += len(form.message)

    def parked_epochs(self) -> tuple[int, ...]:
        """Give the epochs for which messages wait without a delegation."""
        if not self._counts.parked:
            return ()
        rows = self._db.all("SELECT DISTINCT epoch FROM parked WHERE gateway = ? ORDER BY epoch", (self._row,))
        return tuple(epoch for (epoch,) in rows)

    def unpark(self, epoch: int | None) -> Sequence[bytes]:
        """Take out the parked messages of an epoch, or all, in the order in which they came."""
        if not self._counts.parked:
            return ()
        rows = self._db.all(
            "DELETE FROM parked WHERE gateway = ? AND (? IS NULL OR epoch = ?) RETURNING id, message",
            (self._row, epoch, epoch),
        )
        self._counts.parked -= len(rows)
        self._counts.parked_bytes -= sum(len(message) for _, message in rows)
        return [message for _, message in sorted(rows)]

    def keep_evidence(self, form: Form, reason: str, now_ms: int) -> None:
        """Keep the other side of a fork whole."""
        counts = self._counts
        if counts.evidence >= DETACHED_MESSAGES or counts.evidence_bytes + len(form.message) > DETACHED_BYTES:
            counts.dropped += 1
            return
        added = self._db.run(
            "INSERT OR IGNORE INTO evidence (gateway, epoch, number, head, reason, received_ms, message)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._row, *form.place, form.head, reason, now_ms, form.message),
        )
        if added:
            counts.evidence += 1
            counts.evidence_bytes += len(form.message)
