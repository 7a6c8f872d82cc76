"""Disk space set aside, so that something can still be deleted when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from agent.errors import StorageError

RESERVE_BYTES: Final = 2 * 1024 * 1024
"""Room for the write-ahead log of a good many deletions, and for the blocks sealed meanwhile."""


class Reserve:
    """A file of allocated blocks that means nothing; without it SQLite on a full disk cannot even delete."""

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._held = False

    def give_back(self) -> bool:
        """Free the space; False if there was none set aside."""
        self._held = False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def set_aside(self) -> bool:
        """Allocate the space unless it is; False while the disk has no room for it twice over."""
        if self._held:
            return True
        try:
            if self._path.exists() and self._path.stat().st_size == self._size_bytes:
                self._held = True
                return True
            if self.free_bytes() < 2 * self._size_bytes:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size_bytes)
        except (OSError, StorageError):
            self.give_back()
            return False
        self._held = True
        return True

    def free_bytes(self) -> int:
        """Give what the disk can still take; what is set aside counts as taken. StorageError: it cannot be asked."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise StorageError(f"{self._path.parent}: {error.strerror}") from error
        return disk.f_bavail * disk.f_frsize
