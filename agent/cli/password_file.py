"""A password for a device out of a file that nobody else can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from agent.finding import Finding
from agent.language import _

_MOST_BYTES: Final = 256


def read_password(path: Path) -> str | Finding:
    """Give the password that stands alone in ``path``, or why it is not taken; it is never part of a sentence."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        return _refused(path, error.strerror or str(error))
    if not stat.S_ISREG(about.st_mode):
        return _refused(path, _("it is no file"))
    if about.st_mode & 0o077 or about.st_uid not in (0, os.geteuid()):
        return _refused(path, _("others can read it: mode {mode}").format(mode=f"{stat.S_IMODE(about.st_mode):04o}"))
    try:
        password = content.decode("ascii").strip()
    except UnicodeDecodeError:
        password = ""
    if not password or len(content) > _MOST_BYTES or len(password.split()) != 1:
        return _refused(path, _("one word has to stand in it"))
    return password


def _refused(path: Path, detail: str) -> Finding:
    return Finding(code="password-file", params={"path": str(path), "detail": detail})
