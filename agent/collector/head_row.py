"""The row of a gateway: where its chain ends. Read under the write lock, judged against, written back."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

from agent.block.chain import ChainState
from agent.block.dictionary import Tables
from agent.collector.store import Database


@dataclass(slots=True)
class Counts:
    """Counters of a gateway's row, as columns of that name."""

    blocks: int = 0
    readings: int = 0
    duplicates: int = 0
    refused: int = 0
    unreadable: int = 0
    dropped: int = 0
    detached: int = 0
    detached_bytes: int = 0
    parked: int = 0
    parked_bytes: int = 0
    evidence: int = 0
    evidence_bytes: int = 0


@dataclass(slots=True)
class Cached:
    """What a process keeps of a gateway between transactions; good while ``packed`` is what the database holds.

    It grows with a transaction, so it has to be thrown away if that is rolled back.

    Attributes:
        packed: column ``state`` of the gateway's row.
        state: the same, unpacked, with its tables.
        points: rows of ``point`` by dictionary index.
        devices: rows of ``device`` by dictionary index.
        sessions: SPKI of session keys by epoch.
    """

    packed: bytes
    state: ChainState
    points: list[int] = field(default_factory=list)
    devices: list[int] = field(default_factory=list)
    sessions: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class HeadRow:
    """The row, as it is in the transaction that holds the lock.

    Attributes:
        untimed: see the schema, as the next two.
    """

    id: int
    cached: Cached
    counts: Counts
    untimed: int = 0
    sure_ms: int | None = None
    hole_since_ms: int | None = None


_COUNTS: Final = tuple(entry.name for entry in fields(Counts))
_SELECT: Final = (
    f"SELECT id, state, untimed, sure_ms, hole_since_ms, {', '.join(_COUNTS)}"  # noqa: S608  our own names
    " FROM gateway WHERE gateway = ?"
)
_UPDATE: Final = (
    "UPDATE gateway SET state = ?, epoch = ?, number = ?, forked = ?, untimed = ?, sure_ms = ?, hole_since_ms = ?,"  # noqa: S608
    f" heard_ms = ?, {', '.join(f'{name} = ?' for name in _COUNTS)} WHERE id = ?"
)


def read_head(db: Database, gateway: bytes, site: str, begin: ChainState, cached: Cached | None) -> HeadRow:
    """Read the row under the lock, or make it.

    Args:
        db: in a transaction.
        gateway: gateway id.
        site: name for a new row.
        begin: where a new chain begins.
        cached: what this process has of it.

    Raises:
        BlockError: ``state-version``: a newer collector wrote the row.
    """
    row = db.one(_SELECT, (gateway,))
    if row is None:
        packed = begin.pack()
        db.run("INSERT INTO gateway (gateway, site, state) VALUES (?, ?, ?)", (gateway, site, packed))
        row = db.one(_SELECT, (gateway,))
        assert row is not None
    number, packed, untimed, sure_ms, hole_since_ms, *counts = row
    if cached is None or cached.packed != packed:
        cached = _load(db, number, packed)
    return HeadRow(
        id=number,
        cached=cached,
        counts=Counts(*counts),
        untimed=untimed,
        sure_ms=sure_ms,
        hole_since_ms=hole_since_ms,
    )


def write_head(db: Database, head: HeadRow, now_ms: int, *, waiting: bool) -> None:
    """Write the row back; ``waiting`` tells whether anything waits for blocks that are missing."""
    state = head.cached.state
    packed = state.pack()
    head.hole_since_ms = (head.hole_since_ms or now_ms) if waiting else None
    epoch, number = state.place or (None, None)
    counts = (getattr(head.counts, name) for name in _COUNTS)
    db.run(
        _UPDATE,
        (
            packed,
            epoch,
            number,
            state.forked,
            head.untimed,
            head.sure_ms,
            head.hole_since_ms,
            now_ms,
            *counts,
            head.id,
        ),
    )
    head.cached.packed = packed


def _load(db: Database, row: int, packed: bytes) -> Cached:
    adds = [body for (body,) in db.all("SELECT body FROM dictionary_add WHERE gateway = ? ORDER BY ordinal", (row,))]
    ids = "SELECT id FROM {} WHERE gateway = ? ORDER BY position"
    return Cached(
        packed=packed,
        state=ChainState.unpack(packed, Tables.from_adds(adds)),
        points=[number for (number,) in db.all(ids.format("point"), (row,))],
        devices=[number for (number,) in db.all(ids.format("device"), (row,))],
    )
