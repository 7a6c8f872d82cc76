"""Secrets from files that nobody else may read; they never get into a log, a status or a message."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agent.errors import KeyUnavailableError

_MOST_BYTES = 256


def read_secret(path: Path) -> str:
    """Give the first line of a file with mode 0600 or narrower.

    Raises:
        KeyUnavailableError: it cannot be read, others may read it, or there is nothing in it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            others = os.fstat(handle).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            data = os.read(handle, _MOST_BYTES)
        finally:
            os.close(handle)
        text = data.decode("ascii").partition("\n")[0].strip()
    except OSError as error:
        raise KeyUnavailableError(f"{path}: {os.strerror(error.errno) if error.errno else error}") from error
    except UnicodeDecodeError:
        raise KeyUnavailableError(f"{path}: not plain ASCII") from None
    if others:
        raise KeyUnavailableError(f"{path}: others may read it; chmod 600 {path}")
    if not text:
        raise KeyUnavailableError(f"{path}: there is nothing in its first line")
    return text
