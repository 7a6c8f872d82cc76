"""What the collector's database says about a run, read straight through SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a collector holds.

    Attributes:
        blocks: chained blocks.
        readings: their readings.
        block_bytes: their messages.
        filled: blocks that carry readings.
    """

    blocks: int = 0
    readings: int = 0
    block_bytes: int = 0
    filled: int = 0

    def since(self, before: Stored) -> Stored:
        """Give what came after ``before``."""
        return Stored(
            blocks=self.blocks - before.blocks,
            readings=self.readings - before.readings,
            block_bytes=self.block_bytes - before.block_bytes,
            filled=self.filled - before.filled,
        )


def stored(collector_db: Path) -> Stored:
    """Count what the collector verified and stored; nothing while it has no database."""
    question = (
        "SELECT count(*), total(readings), total(length(message)), count(*) FILTER (WHERE readings > 0) FROM block"
    )
    try:
        with closing(sqlite3.connect(f"file:{collector_db}?mode=ro", uri=True, timeout=10)) as db:
            blocks, readings, size, filled = db.execute(question).fetchone()
    except sqlite3.OperationalError:  # not there, or not made yet
        return Stored()
    return Stored(blocks=int(blocks), readings=int(readings), block_bytes=int(size), filled=int(filled))


def readings_between(collector_db: Path, from_ms: int, until_ms: int) -> int:
    """Count verified readings taken between two moments of CLOCK_BOOTTIME, whatever block they came in."""
    question = (
        "SELECT count(*) FROM reading JOIN block ON block.id = reading.id / 4096 "
        "WHERE block.mono_ms + reading.offset_ms BETWEEN ? AND ?"
    )
    with closing(sqlite3.connect(f"file:{collector_db}?mode=ro", uri=True, timeout=10)) as db:
        (count,) = db.execute(question, (from_ms, until_ms - 1)).fetchone()
    return int(count)


def samples_up_to(collector_db: Path, sequence: int) -> int:
    """Count the different numbers, up to ``sequence``, of those that simulated devices gave their samples."""
    question = (
        "SELECT count(DISTINCT value) FROM reading WHERE value <= ? AND "
        "point IN (SELECT id FROM point WHERE quantity = 'energy.active.import')"
    )
    with closing(sqlite3.connect(f"file:{collector_db}?mode=ro", uri=True, timeout=10)) as db:
        (count,) = db.execute(question, (sequence,)).fetchone()
    return int(count)


class FirstReading:
    """Looks for the first verified reading with one open connection, so that looking costs next to nothing."""

    def __init__(self, collector_db: Path) -> None:
        self._path = collector_db
        self._db: sqlite3.Connection | None = None

    def is_there(self) -> bool:
        """Whether the collector holds a reading."""
        try:
            if self._db is None:
                self._db = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=1)
            return self._db.execute("SELECT 1 FROM reading LIMIT 1").fetchone() is not None
        except sqlite3.OperationalError:
            self.close()
            return False

    def close(self) -> None:
        """Let go of the database."""
        if self._db is not None:
            self._db.close()
            self._db = None
