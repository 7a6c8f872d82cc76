"""What the platform holds, as a data person reads it: the documented views of the collector, read-only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest verified reading of one quantity."""

    device: str
    quantity: str
    value: str | None
    unit: str | None
    utc_ms: int | None
    quality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts of the platform.

    Attributes:
        bytes_per_reading: block bytes over readings; None before the first.
    """

    blocks: int = 0
    receipted: int = 0
    readings: int = 0
    duplicates: int = 0
    refused: int = 0
    gaps: int = 0
    bytes_per_reading: float | None = None


@dataclass(slots=True)
class PlatformView:
    """Follows one collector database; asks only for what came since the last look."""

    db: Path
    latest: dict[tuple[str, str], Latest] = field(default_factory=dict)
    living: set[str] = field(default_factory=set)
    _seen_id: int = 0

    def look(self) -> Totals:
        """Take in what is new; zeros while there is no database yet."""
        try:
            db = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True, timeout=5)
        except sqlite3.OperationalError:
            return Totals()
        try:
            self._take_in(db)
            return _totals(db)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return Totals()
            raise
        finally:
            db.close()

    def heard_since(self, device: str, utc_ms: int) -> bool:
        """Whether the newest reading of some quantity of ``device`` has a value and was taken since ``utc_ms``."""
        return any(
            one.value is not None and (one.utc_ms or 0) >= utc_ms
            for (name, _), one in self.latest.items()
            if name == device
        )

    def _take_in(self, db: sqlite3.Connection) -> None:
        rows = db.execute(
            "SELECT id, device, quantity, value, unit, utc_ms, quality_word FROM readings"
            " WHERE block_id >= ? >> 12 AND id > ? ORDER BY id",
            (self._seen_id, self._seen_id),
        )
        for self._seen_id, device, quantity, value, unit, utc_ms, word in rows:
            self.latest[device, quantity] = Latest(
                device=device, quantity=quantity, value=value, unit=unit, utc_ms=utc_ms, quality=word
            )
            if value is not None:
                self.living.add(device)


def _totals(db: sqlite3.Connection) -> Totals:
    blocks, receipted, size = db.execute("SELECT count(*), sum(receipted), sum(bytes) FROM blocks").fetchone()
    readings, duplicates, refused = db.execute(
        "SELECT sum(readings), sum(duplicates), sum(refused) FROM gateways"
    ).fetchone()
    (gaps,) = db.execute("SELECT count(*) FROM gaps").fetchone()
    return Totals(
        blocks=blocks,
        receipted=receipted or 0,
        readings=readings or 0,
        duplicates=duplicates or 0,
        refused=refused or 0,
        gaps=gaps,
        bytes_per_reading=size / readings if readings else None,
    )
