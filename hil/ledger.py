"""What was committed against what arrived: read straight from both databases, through nobody's code but SQLite's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Both sides counted.

    Attributes:
        committed: readings that the gateway ever sealed and committed (its next reading number).
        arrived: different reading numbers that the platform holds.
        rows: rows that the platform holds; more than ``arrived`` means that some are stored twice.
        missing: reading numbers below ``committed`` that the platform does not hold.
    """

    committed: int
    arrived: int
    rows: int
    missing: int

    @property
    def exactly_once(self) -> bool:
        """Whether every committed reading arrived, once."""
        return self.missing == 0 and self.rows == self.arrived == self.committed

    @property
    def twice(self) -> int:
        """Rows beyond one for each reading."""
        return self.rows - self.arrived


def committed_readings(outbox_db: Path) -> int:
    """Count what the gateway committed over its life; 0 before its first block."""
    try:
        with closing(_read_only(outbox_db)) as db:
            (count,) = db.execute("SELECT max(first_reading + readings) FROM block").fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(count or 0)


def committed_blocks(outbox_db: Path) -> int:
    """Count the blocks that the gateway committed over its life."""
    try:
        with closing(_read_only(outbox_db)) as db:
            (count,) = db.execute("SELECT max(ordinal) FROM block").fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(count or 0)


def compare(outbox_db: Path, collector_db: Path) -> Ledger:
    """Count both sides of one gateway; the agent should have stopped or sent everything."""
    committed = committed_readings(outbox_db)
    with closing(_read_only(collector_db)) as db:
        rows, arrived, within = db.execute(
            "SELECT count(*), count(DISTINCT reading), count(DISTINCT reading) FILTER (WHERE reading < ?)"
            " FROM readings",
            (committed,),
        ).fetchone()
    return Ledger(committed=committed, arrived=arrived, rows=rows, missing=committed - within)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
