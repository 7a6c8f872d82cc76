"""Every message that a collector keeps, read back for an independent judgement: ``tidegate verify collector.db``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.collector.store import Database

_SOME: Final = 256
_CHAIN: Final = (
    "SELECT epoch, number, message FROM block WHERE gateway = ? AND (epoch, number) > (?, ?) "
    "ORDER BY epoch, number LIMIT ?"
)
_WAITING: Final = (
    "SELECT message FROM detached WHERE gateway = ?1 UNION ALL SELECT message FROM parked WHERE gateway = ?1 "
    "UNION ALL SELECT message FROM evidence WHERE gateway = ?1"
)


def is_collector(path: Path) -> bool:
    """Tell whether a SQLite file is a collector's; StorageError if it cannot be read."""
    db = Database.open_readonly(path)
    try:
        return db.one("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'gateway'") is not None
    finally:
        db.close()


def read_messages(path: Path) -> Iterator[bytes]:
    """Give all messages, gateway after gateway: its chain in order, then what waits, then the evidence of forks.

    Raises:
        StorageError: the file cannot be read.
    """
    db = Database.open_readonly(path)
    try:
        for (gateway,) in db.all("SELECT id FROM gateway ORDER BY id"):
            after = (-1, -1)
            while rows := db.all(_CHAIN, (gateway, *after, _SOME)):
                yield from (message for _, _, message in rows)
                after = rows[-1][:2]
            yield from (message for (message,) in db.all(_WAITING, (gateway,)))
    finally:
        db.close()
