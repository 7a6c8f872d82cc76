"""The collector's database: opening, schema, transactions, errors. The only importer of sqlite3 in the collector.

SQLite in WAL mode with ``synchronous=FULL``: what a receipt promises survives a power cut, people read beside the
collector at any time, and two collectors may write into one file (one after the other, by ``BEGIN IMMEDIATE``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from agent.errors import StorageError
from drivers.quality import Quality, name_of

_SCHEMA: Final = Path(__file__).parent / "schema"
_BUSY_S: Final = 30.0
_CACHE_KIB: Final = 16384
_WAL_PAGES: Final = 4000
_NO_ROOM_FOR_SHM: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})

Values: TypeAlias = Sequence[object]


class Database:
    """One connection, used by one thread at a time. Every failure is a ``StorageError`` that names the file."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self._inode = _inode(path)

    @staticmethod
    def open(path: Path) -> Database:
        """Open or create the database for writing.

        Raises:
            StorageError: no database, made by a newer version, or the disk refuses.
        """
        with _errors(path):
            db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
            with ExitStack() as failed:
                failed.callback(db.close)
                _check_ours(db, path)
                db.execute("PRAGMA journal_mode = WAL").fetchone()
                db.execute("PRAGMA synchronous = FULL")
                db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}").fetchone()
                _migrate(db, path)
                failed.pop_all()
        return Database(path, db)

    @staticmethod
    def open_readonly(path: Path) -> Database:
        """Open an existing database for reading, beside whoever writes; it may lie where nobody can write.

        Raises:
            StorageError: it is not there or is no database.
        """
        if not path.is_file():
            raise StorageError(f"{path} is missing")
        with _errors(path):
            try:
                db = _connect_to_read(path, "mode=ro")
            except sqlite3.OperationalError as error:
                log = path.with_name(path.name + "-wal")
                if error.sqlite_errorcode & 0xFF not in _NO_ROOM_FOR_SHM or log.exists():
                    raise
                db = _connect_to_read(path, "mode=ro&immutable=1")
        return Database(path, db)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def close(self) -> None:
        """Let go of the file; never raises."""
        with suppress(sqlite3.Error):
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction that holds the write lock from its first statement on; rolled back on any exception.

        A file that was deleted takes in every commit, and nobody will ever read it again: that is an error.
        """
        if _inode(self._path) != self._inode:
            raise StorageError(f"{self._path} is not in its place: it was deleted or replaced, or its disk is gone")
        with _errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _errors(self._path):
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")

    def run(self, sql: str, values: Values = ()) -> int:
        """Execute one statement; gives the number of rows it changed."""
        with _errors(self._path):
            return self._db.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Values]) -> None:
        """Execute one statement for each row."""
        with _errors(self._path):
            self._db.executemany(sql, rows)

    def one(self, sql: str, values: Values = ()) -> tuple[Any, ...] | None:
        """Give the first row of a query."""
        with _errors(self._path):
            row = self._db.execute(sql, values).fetchone()
        return None if row is None else tuple(row)

    def all(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Give every row of a query."""
        with _errors(self._path):
            return self._db.execute(sql, values).fetchall()


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"{path}: {error}") from error


def _inode(path: Path) -> int | None:
    """What tells a file from another one of its name; None where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _connect_to_read(path: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.resolve()))}?{options}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def _check_ours(db: sqlite3.Connection, path: Path) -> None:
    """Change nothing in a database of another program, a gateway's outbox among them."""
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if names and "dictionary_add" not in names:
        raise StorageError(f"{path} is no collector's database; it is left as it is")


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to the newest number; two collectors may start at once."""
    files = sorted(_SCHEMA.glob("[0-9][0-9][0-9].sql"))
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(files):
        db.execute("ROLLBACK")
        raise StorageError(f"{path} was made by a newer version (schema {version}, known {len(files)})")
    for file in files[version:]:
        for statement in _statements(file.read_text(encoding="utf-8")):
            db.execute(statement)
    db.executemany("INSERT OR REPLACE INTO quality VALUES (?, ?)", [(int(q), name_of(q)) for q in Quality])
    db.execute(f"PRAGMA user_version = {len(files)}")
    db.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; ``executescript`` would commit before its first one."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
