"""A password for a device out of a file that nobody else can read."""

from __future__ import annotations

from pathlib import Path

from agent.finding import Finding
from agent.language import _
from agent.secret_file import SecretFileError, read_secret


def read_password(path: Path) -> str | Finding:
    """Give the one word that stands alone in ``path``, or why it is not taken; it is never part of a sentence."""
    try:
        password = read_secret(path)
    except SecretFileError as error:
        return _refused(path, error.reason)
    if len(password.split()) != 1:
        return _refused(path, _("one word has to stand in it"))
    return password


def _refused(path: Path, detail: str) -> Finding:
    return Finding(code="password-file", params={"path": str(path), "detail": detail})
