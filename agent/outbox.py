"""The gateway's blocks on disk: SQL and nothing else. The only importer of sqlite3 on the gateway.

SQLite in WAL mode with ``synchronous=FULL`` and small pages; whatever is deleted goes with the next insert, so
that custody costs one commit and one flush. Who may be deleted is ``custody``'s question.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from agent.block.record import SealedBlock
from agent.errors import AlreadyRunningError, ChainDamagedError, DiskFullError, StorageError
from agent.storing.stored import StoredBlock, place_of, seq_of

_SCHEMA: Final = Path(__file__).parent / "outbox_schema"
_PAGE_BYTES: Final = 1024
_WAL_PAGES: Final = 1000
"""Pages in the write-ahead log before they go to the file: enough that pages changed in each commit go there once."""
_BUSY_S: Final = 5.0
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT})
_BETWEEN: Final = "SELECT seq, head, message, readings FROM block WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
_NEWEST: Final = "SELECT seq, head, message, readings FROM block WHERE seq <= ? ORDER BY seq DESC LIMIT ?"
_ROW: Final = "SELECT seq, first_reading, readings, ordinal, end_bytes, lived_s, head, length(message) FROM block"
_LOOSE: Final = f"{_ROW} WHERE seq > ? AND seq <= ? AND keep = 0 ORDER BY seq LIMIT ?"
_INSERT: Final = "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
LAST_SEQ: Final = 2**63 - 1  # above every ``seq``
LEFT: Final = -2  # ``receipted_seq`` of a destination that nobody waits for any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """How far one destination is, as stored.

    Attributes:
        from_seq: the first block it is offered.
        receipted_seq: the last one it receipted; ``from_seq - 1`` before its first receipt, ``LEFT`` when it was
            taken out of the site file (its marks stay: they never go back).
        marked_seq: the highest receipt that stands in a block, None if none does.
    """

    kid: bytes
    from_seq: int
    receipted_seq: int
    marked_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a block without its message. ``ordinal``, ``end_bytes`` and ``lived_s`` as in the schema."""

    seq: int
    first_reading: int
    readings: int
    ordinal: int
    end_bytes: int
    lived_s: int
    head: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything that becomes true at once.

    Attributes:
        blocks: sealed in chain order, each following the last one stored.
        lived_s: how long the gateway has run.
        removed: ``seq`` of blocks that go; those that must never go stay whatever stands here.
        destinations: rows to write.
        state: marks to write.
    """

    blocks: tuple[SealedBlock, ...] = ()
    lived_s: int = 0
    removed: tuple[int, ...] = ()
    destinations: tuple[Destination, ...] = ()
    state: tuple[tuple[str, int], ...] = ()


@contextmanager
def _sorted_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, sorted by what the caller does next."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code & 0xFF in _DAMAGE:
            raise ChainDamagedError(f"{path}: {error}") from error
        if code & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFullError(f"{path}: the disk is full") from error
        raise StorageError(f"{path}: {error}") from error


class Outbox:
    """The blocks of one gateway. One owner, one thread; others may read the file beside it.

    Attributes:
        path: the database file.
        last: the last block, None before the first; set here alone.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file at ``path``.

        Raises:
            StorageError: another agent has it, it was made by a newer version, or the disk refuses.
            ChainDamagedError: the file is no outbox or is corrupt.
        """
        self.path = path
        self._lock = _lock(path)
        with ExitStack() as failed:
            failed.callback(os.close, self._lock)
            with _sorted_errors(path):
                self._db = _connect(path)
                failed.callback(self._db.close)
                _migrate(self._db, path)
            self._inode = _inode(path)
            self.last = self._read_last()
            failed.pop_all()

    def close(self) -> None:
        """Write the log into the file and let go of it. Never raises: what was committed is safe without it."""
        with suppress(sqlite3.Error):
            self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def reopen(self) -> None:
        """Start afresh after the disk failed.

        The log is written through to the file: pages of a failed flush may pass for clean in the kernel's cache
        (fsync reports an error once), so trusting the same log again would trust luck.

        Raises:
            StorageError: the disk still refuses, or the file is not in its place: then the old one stays open, since
                what a deleted file holds can be read until it is closed.
            ChainDamagedError: what is left does not fit together.
        """
        self._check_in_place()
        with _sorted_errors(self.path):
            self._db.close()
            self._db = _connect(self.path, create=False)
            self._inode = _inode(self.path)  # some file systems number a file anew when nobody has it open
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.last = self._read_last()

    def commit(self, change: Commit) -> None:
        """Make ``change`` durable, in one transaction with one flush, or change nothing.

        Raises:
            DiskFullError: no room; give back a reserve and remove something.
            StorageError: the disk refuses or the file is gone; ``reopen`` first, then ``last`` says whether it went
                through all the same.
            ChainDamagedError: a block of that number is stored already.
        """
        rows, last = self._rows(change)
        self._check_in_place()
        with _sorted_errors(self.path):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                if change.removed:  # first, so that what comes can lie where it lay
                    gone = ((seq,) for seq in change.removed if last is not None and seq != last.seq)
                    self._db.executemany("DELETE FROM block WHERE seq = ? AND keep = 0", gone)
                if rows:
                    self._db.executemany(_INSERT, rows)
                for to in change.destinations:
                    values = (to.kid, to.from_seq, to.receipted_seq, to.marked_seq)
                    self._db.execute("INSERT OR REPLACE INTO destination VALUES (?, ?, ?, ?)", values)
                if change.state:
                    self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", change.state)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        self.last = last

    def kept(self) -> Iterator[bytes]:
        """Give the messages that say where the chain stands: every kept block in chain order, then the last one."""
        with _sorted_errors(self.path):
            yield from (row[0] for row in self._db.execute("SELECT message FROM block WHERE keep = 1 ORDER BY seq"))
            if self.last is not None:
                query = "SELECT message FROM block WHERE seq = ? AND keep = 0"
                yield from (row[0] for row in self._db.execute(query, (self.last.seq,)))

    def between(self, first: int, last: int, limit: int) -> tuple[StoredBlock, ...]:
        """Give up to ``limit`` blocks from ``seq`` ``first`` to ``last``, in chain order; holes are left out."""
        with _sorted_errors(self.path):
            return tuple(_stored(values) for values in self._db.execute(_BETWEEN, (first, last, limit)))

    def newest(self, until: int, limit: int) -> tuple[StoredBlock, ...]:
        """Give up to ``limit`` blocks from ``seq`` ``until`` back, newest first."""
        with _sorted_errors(self.path):
            return tuple(_stored(values) for values in self._db.execute(_NEWEST, (until, limit)))

    def loose(self, after: int, to: int, limit: int) -> tuple[Row, ...]:
        """Give up to ``limit`` blocks that may be removed, with ``after < seq <= to``, oldest first.

        Kept blocks and the last block are left out.
        """
        top = min(to, self.last.seq - 1) if self.last is not None else to
        with _sorted_errors(self.path):
            return tuple(_row(values) for values in self._db.execute(_LOOSE, (after, top, limit)))

    def row(self, seq: int) -> Row | None:
        """Give what is known of one block, None if it is not here."""
        with _sorted_errors(self.path):
            values = self._db.execute(f"{_ROW} WHERE seq = ?", (seq,)).fetchone()
        return None if values is None else _row(values)

    def kept_between(self, after: int, to: int) -> tuple[int, int]:
        """Give count and bytes of the kept blocks with ``after < seq <= to``."""
        query = "SELECT count(*), total(length(message)) FROM block WHERE keep = 1 AND seq > ? AND seq <= ?"
        with _sorted_errors(self.path):
            count, size = self._db.execute(query, (after, to)).fetchone()
        return int(count), int(size)

    def destinations(self) -> tuple[Destination, ...]:
        """Give every destination there ever was."""
        with _sorted_errors(self.path):
            rows = self._db.execute("SELECT kid, from_seq, receipted_seq, marked_seq FROM destination").fetchall()
        return tuple(Destination(kid=r[0], from_seq=r[1], receipted_seq=r[2], marked_seq=r[3]) for r in rows)

    def state(self, key: str) -> int | None:
        """Give a mark, None if it was never set."""
        with _sorted_errors(self.path):
            row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def free_bytes(self) -> int:
        """Give the room inside the file that removed blocks left."""
        with _sorted_errors(self.path):
            (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
        return int(pages) * _PAGE_BYTES

    def _rows(self, change: Commit) -> tuple[list[tuple[object, ...]], Row | None]:
        rows: list[tuple[object, ...]] = []
        last = self.last
        for block in change.blocks:
            seq = seq_of(block.epoch, block.number)
            if last is not None and seq <= last.seq:
                raise ChainDamagedError(f"{self.path}: block {place_of(seq)} does not follow {place_of(last.seq)}")
            last = Row(
                seq=seq,
                first_reading=block.first_reading,
                readings=block.readings,
                ordinal=1 + (last.ordinal if last is not None else 0),
                end_bytes=len(block.message) + (last.end_bytes if last is not None else 0),
                lived_s=change.lived_s,
                head=block.head,
                size_bytes=len(block.message),
            )
            counted = (last.ordinal, last.end_bytes, last.lived_s)
            rows.append((seq, last.first_reading, last.readings, int(block.keep), *counted, last.head, block.message))
        return rows, last

    def _read_last(self) -> Row | None:
        with _sorted_errors(self.path):
            values = self._db.execute(f"{_ROW} ORDER BY seq DESC LIMIT 1").fetchone()
        return None if values is None else _row(values)

    def _check_in_place(self) -> None:
        """A file that was deleted takes in every commit, and nobody will ever read it again."""
        if _inode(self.path) != self._inode:
            raise StorageError(f"{self.path} is not in its place: it was deleted or replaced, or its disk is gone")

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with suppress(sqlite3.Error):  # SQLite rolled back by itself, which it does on most disk errors
                self._db.execute("ROLLBACK")


def read_blocks(path: Path, *, limit: int = 64) -> Iterator[StoredBlock]:
    """Give every block of an outbox in chain order, read-only; the agent may be running, or start meanwhile.

    Raises:
        StorageError: the file cannot be read.
        ChainDamagedError: it is no outbox or is corrupt.
    """
    if not path.is_file():
        raise StorageError(f"{path} is missing")
    seq = -1
    with _sorted_errors(path):
        while True:
            in_use = _in_use(path)
            with closing(_connect_to_read(path, in_use=in_use)) as db:
                while blocks := [_stored(values) for values in db.execute(_BETWEEN, (seq + 1, LAST_SEQ, limit))]:
                    yield from blocks
                    seq = blocks[-1].seq
                    if _in_use(path) is not in_use:
                        break
                else:
                    return


def read_destinations(path: Path) -> tuple[Destination, ...]:
    """Give the destinations that the outbox still waits for, read-only; raises as ``read_blocks``."""
    if not path.is_file():
        raise StorageError(f"{path} is missing")
    with _sorted_errors(path), closing(_connect_to_read(path, in_use=_in_use(path))) as db:
        rows = db.execute("SELECT kid, from_seq, receipted_seq, marked_seq FROM destination").fetchall()
    found = (Destination(kid=r[0], from_seq=r[1], receipted_seq=r[2], marked_seq=r[3]) for r in rows)
    return tuple(to for to in found if to.receipted_seq != LEFT)


def _in_use(path: Path) -> bool:
    return path.with_name(path.name + "-wal").exists()


def _connect_to_read(path: Path, *, in_use: bool) -> sqlite3.Connection:
    """Without a log beside it nobody writes; reading then must not leave files that belong to the reader's user."""
    mode = "mode=ro" if in_use else "mode=ro&immutable=1"
    db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True, timeout=_BUSY_S)
    try:
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'block'").fetchone() is not None:
            return db
    except sqlite3.Error:
        db.close()
        raise
    db.close()
    raise ChainDamagedError(f"{path} holds no blocks; a copy of a database in use needs {path.name}-wal beside it")


def _stored(values: Sequence[object]) -> StoredBlock:
    seq, head, message, readings = values
    assert isinstance(seq, int)
    assert isinstance(head, bytes)
    assert isinstance(message, bytes)
    assert isinstance(readings, int)
    epoch, number = place_of(seq)
    return StoredBlock(seq=seq, epoch=epoch, number=number, head=head, message=message, readings=readings)


def _row(values: tuple[int, int, int, int, int, int, bytes, int]) -> Row:
    seq, first_reading, readings, ordinal, end_bytes, lived_s, head, size_bytes = values
    return Row(
        seq=seq,
        first_reading=first_reading,
        readings=readings,
        ordinal=ordinal,
        end_bytes=end_bytes,
        lived_s=lived_s,
        head=head,
        size_bytes=size_bytes,
    )


def _lock(path: Path) -> int:
    """Keep a second agent out: two writers would sign one number twice."""
    try:
        handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"cannot open {path.with_suffix('.lock')}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise AlreadyRunningError(f"another agent has {path}") from error
        raise StorageError(f"cannot lock {path}: {error.strerror}") from error
    return handle


def _inode(path: Path) -> int | None:
    """What tells a file from another one of its name; None where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    # Opened by the thread that builds storage, used by the storage thread only: the check would forbid that.
    uri = f"file:{quote(str(path.resolve()))}?mode={'rwc' if create else 'rw'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
    db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}").fetchone()
    db.execute("PRAGMA cache_size = -256")  # KiB; 1024 fill up with blocks that nobody reads again
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    files = sorted(_SCHEMA.glob("[0-9][0-9][0-9].sql"))
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(files):
        raise StorageError(f"{path} was made by a newer version (schema {version}, known {len(files)})")
    for number, file in enumerate(files[version:], start=version + 1):
        script = file.read_text(encoding="utf-8")
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
