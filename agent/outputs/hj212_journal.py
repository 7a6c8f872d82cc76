"""Reports on disk until the bureau has acknowledged them, and for questions about the past: one file, appended to.

Each line is checked by its own CRC, so what a power cut or a kill tears off is the last line alone. A line is on disk
(fsync) when ``append`` returns. The file is written anew when most of it is no longer needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from agent.errors import StorageError
from agent.outputs.hj212_kept import Kept

_REWRITE_BYTES: Final = 256 * 1024


class Journal:
    """The file. Every method waits for the disk: not for the loop.

    Args:
        path: of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = self._fresh_size = 0
        self._cut = False  # the last line may have been written in part
        self._named = False  # the folder's own entry for it is on disk
        self._unread = False

    def load(self) -> Kept:
        """Read what is there.

        Raises:
            StorageError: the disk refuses.
        """
        kept = Kept()
        self._unread = True
        folder = self._path.parent
        try:
            if not folder.exists():
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                _keep_names(folder.parent)
            self._named = self._path.exists()
            raw = self._path.read_bytes() if self._named else b""
        except OSError as error:
            raise _refused(self._path, error) from error
        self._unread = False
        for line in raw.split(b"\n"):
            if not line:
                continue
            said = _read(line)
            try:
                kept.torn += said is None
                kept.take(said or [""])
            except (ValueError, IndexError, TypeError):  # another version wrote it
                kept.torn += 1
        self._size = self._fresh_size = len(raw)
        self._cut = bool(raw) and not raw.endswith(b"\n")
        return kept

    def append(self, lines: Iterable[list[object]]) -> None:
        """Add lines; they are on disk when this returns.

        Raises:
            StorageError: the disk refuses; the lines may or may not be there, and may be added again.
        """
        data = b"\n" * self._cut + b"".join(_written(line) for line in lines)
        self._cut = True
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                _append(handle, data)
            finally:
                os.close(handle)
            if not self._named:
                _keep_names(self._path.parent)
                self._named = True
        except OSError as error:
            raise _refused(self._path, error) from error
        self._size += len(data)
        self._cut = False

    @property
    def is_known(self) -> bool:
        """Whether it was read, so that it may be written anew."""
        return not self._unread

    @property
    def is_long(self) -> bool:
        """Whether it is time to ask whether most of it is still needed."""
        return self.is_known and self._size > max(_REWRITE_BYTES, 2 * self._fresh_size)

    def rewrite(self, kept: Kept) -> None:
        """Write ``kept`` alone; the old file stays until the new one is on disk.

        Raises:
            StorageError: the disk refuses; the old file is as it was.
        """
        data = b"".join(_written(line) for line in kept.lines())
        fresh = self._path.with_suffix(".new")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            try:
                _write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
            fresh.replace(self._path)
            _keep_names(self._path.parent)
        except OSError as error:
            raise _refused(self._path, error) from error
        self._size = self._fresh_size = len(data)
        self._cut, self._named = False, True


def _keep_names(folder: Path) -> None:
    """Bring to disk what the folder calls its files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _append(handle: int, data: bytes) -> None:
    """Write ``data`` at the end and bring it to disk; what a disk refuses is taken away again where it can be."""
    before = os.fstat(handle).st_size
    try:
        _write(handle, data)
        os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, before)
        raise


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _written(line: list[object]) -> bytes:
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (crc32(text), text)


def _read(line: bytes) -> list[object] | None:
    check, _, text = line.partition(b" ")
    try:
        if int(check, 16) != crc32(text):
            return None
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, list) and said else None


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: {os.strerror(error.errno) if error.errno else error}")
