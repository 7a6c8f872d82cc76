"""Read-only looks at a collector's database, for a terminal beside it: newest readings, totals, gateways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.collector.rows import ROW_BITS
from agent.collector.store import Database
from agent.errors import StorageError

LOOK_BACK_BLOCKS: Final = 500
"""How many blocks a first look goes back for quantities that are read seldom."""

_NEWEST: Final = (
    "SELECT id, site, device, quantity, value, unit, utc_ms, error_ms, quality, quality_word, block, reading"
    " FROM readings WHERE block_id BETWEEN ? AND ? AND id > ?"
)
_TOTALS: Final = (
    "SELECT coalesce(sum(blocks), 0), coalesce(sum(readings), 0), coalesce(sum(duplicates), 0),"
    " coalesce(sum(refused), 0), coalesce(sum(unreadable), 0), coalesce(sum(evidence), 0), count(*) FROM gateway"
)
_RECEIPTED: Final = (
    "SELECT count(*) FROM block b JOIN gateway g ON g.id = b.gateway"
    " WHERE (b.epoch, b.number) <= (g.receipt_epoch, g.receipt_number)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest verified reading of one quantity of one device.

    Attributes:
        value: exact decimal as text, text, state or hex; None when the quality says why there is none.
        utc_ms: None while nothing tells UTC.
        error_ms: bound of its error, None with ``utc_ms``.
        quality: OPC UA status code.
        word: the same for people: ``good``, ``bad-timeout``.
        block: ``epoch/number``.
        reading: reading number in the gateway's life.
    """

    site: str
    device: str
    quantity: str
    value: str | None
    unit: str | None
    utc_ms: int | None
    error_ms: int | None
    quality: int
    word: str
    block: str
    reading: int

    def age_s(self, now_ms: int) -> float | None:
        """Seconds since it was taken; None while nothing tells UTC."""
        return None if self.utc_ms is None else (now_ms - self.utc_ms) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTotals:
    """Counts over all gateways.

    Attributes:
        receipted: blocks that a receipt covers.
        block_bytes: size of all stored messages; over ``readings`` it is what a reading costs on the wire.
        gaps: declared losses and holes.
        evidence: messages on the other side of forks.
    """

    gateways: int = 0
    blocks: int = 0
    receipted: int = 0
    readings: int = 0
    duplicates: int = 0
    refused: int = 0
    unreadable: int = 0
    evidence: int = 0
    gaps: int = 0
    block_bytes: int = 0


class CollectorView:
    """One reader of one database; reads only what came since its last look.

    Raises:
        StorageError: there is no database yet, from the constructor; it cannot be read, from the methods.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database.open_readonly(path)
        if self._db.one("SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = 'readings'") is None:
            self._db.close()
            raise StorageError(f"{path} is no collector's database")
        self._newest: dict[tuple[str, str, str], Newest] = {}
        self._last_id = -1

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def newest(self) -> tuple[Newest, ...]:
        """Give the newest reading of each quantity, by site, device and quantity."""
        (last_block,) = self._db.one("SELECT coalesce(max(id), 0) FROM block") or (0,)
        first_block = max(0, last_block - LOOK_BACK_BLOCKS) if self._last_id < 0 else self._last_id >> ROW_BITS
        for row in self._db.all(_NEWEST, (first_block, last_block, self._last_id)):
            number, site, device, quantity, value, unit, utc_ms, error_ms, quality, word, block, reading = row
            self._last_id = max(self._last_id, number)
            self._newest[site, device, quantity] = Newest(
                site=site,
                device=device,
                quantity=quantity,
                value=value,
                unit=unit,
                utc_ms=utc_ms,
                error_ms=error_ms,
                quality=quality,
                word=word,
                block=block,
                reading=reading,
            )
        return tuple(self._newest[key] for key in sorted(self._newest))

    def totals(self) -> StoreTotals:
        """Count."""
        row = self._db.one(_TOTALS)
        assert row is not None
        blocks, readings, duplicates, refused, unreadable, evidence, gateways = row
        (receipted,) = self._db.one(_RECEIPTED) or (0,)
        (size,) = self._db.one("SELECT coalesce(sum(length(message)), 0) FROM block") or (0,)
        (gaps,) = self._db.one("SELECT count(*) FROM gaps") or (0,)
        return StoreTotals(
            gateways=gateways,
            blocks=blocks,
            receipted=receipted,
            readings=readings,
            duplicates=duplicates,
            refused=refused,
            unreadable=unreadable,
            evidence=evidence,
            gaps=gaps,
            block_bytes=size,
        )
