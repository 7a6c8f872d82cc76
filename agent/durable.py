"""Small files that are replaced as a whole: after a power cut at any moment the old one is there or the new one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Let ``path`` hold ``data`` and nothing else; on the disk, under its name, when this returns.

    One writer at a time: what a dead one left half done is thrown away.

    Args:
        path: of the file; its folder has to be there.
        data: what it is to hold.
        mode: of the file, and at no moment wider; None: mode and, as far as this user may give them, owner and group
            of the file that is there.

    Raises:
        OSError: it cannot be written, and the old file is as it was; or the name did not get to the disk, and the
            new one is there until the power goes.
    """
    fresh = path.with_name(f".{path.name}.new")
    before = path.stat() if mode is None else None
    try:
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(handle, before.st_uid, before.st_gid)
                mode = before.st_mode & 0o777
            os.fchmod(handle, 0o600 if mode is None else mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk. OSError: it refuses."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
