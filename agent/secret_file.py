"""Secrets out of files that nobody else may read; they never get into a log, a status or a message."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Literal

from agent.errors import KeyUnavailableError
from agent.language import _

MOST_BYTES: Final = 4096
"""Room for the tokens that some brokers take for a password."""


class SecretFileError(KeyUnavailableError):
    """A secret is not taken from its file.

    Attributes:
        path: of the file.
        reason: what is wrong and, where it helps, what to type; never a part of the secret.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read_secret(path: Path, *, encoding: Literal["ascii", "utf-8"] = "ascii") -> str:
    """Give the one line of a file with mode 0600 or narrower, owned by root or by who reads it.

    Args:
        path: the file; opened anew each time, so that a new secret counts at once.
        encoding: blanks around an ASCII secret do not count; of a UTF-8 one each character does but the line's end.

    Raises:
        SecretFileError: it cannot be read, others may read it, it is no regular file, or it holds none or more than
            one line, over 4096 bytes or other characters.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe that nobody fills holds nobody up
        with os.fdopen(handle, "rb") as file:
            reason = why_not(os.fstat(handle), path, os.geteuid())
            data = b"" if reason else file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SecretFileError(path, error.strerror or str(error)) from error
    if reason:
        raise SecretFileError(path, reason)
    if len(data) > MOST_BYTES:
        raise SecretFileError(path, _("it has over {count} bytes").format(count=MOST_BYTES))
    return _line(path, data, encoding)


def why_not(about: os.stat_result, path: Path, euid: int) -> str:
    """Say why no secret is taken from a file like this, empty if it may be.

    Root takes the files of everybody: what the service's own user keeps is looked at with sudo too.
    """
    if not stat.S_ISREG(about.st_mode):
        return _("it is no file")
    mode = stat.S_IMODE(about.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return _("others may read it (mode {mode}); type: chmod 600 {path}").format(mode=f"{mode:04o}", path=path)
    if euid != 0 and about.st_uid not in (0, euid):
        return _("it belongs to another user; type: chown {user} {path}").format(user=euid, path=path)
    return ""


def _line(path: Path, data: bytes, encoding: Literal["ascii", "utf-8"]) -> str:
    try:
        lines = data.decode(encoding).rstrip("\r\n").split("\n")
    except UnicodeDecodeError:
        raise SecretFileError(
            path, _("not plain ASCII") if encoding == "ascii" else _("it is no text in UTF-8")
        ) from None
    if len(lines) > 1:
        raise SecretFileError(path, _("one line alone has to stand in it"))
    secret = lines[0].strip() if encoding == "ascii" else lines[0]
    if not secret:
        raise SecretFileError(path, _("there is nothing in it"))
    return secret
