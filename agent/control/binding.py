"""The socket file of the agent: never open to more people than it is to be, and the umask of the process stays."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from agent.control.protocol import address_of
from agent.errors import ControlError

MODE: Final = 0o660


def bind(path: Path, backlog: int) -> socket.socket:
    """Give a socket that listens at ``path`` with mode 0660; one left by a dead agent is replaced.

    It is bound and given its mode in a folder that nobody else may enter, then moved: the umask, which counts when a
    socket is bound too (unix(7)), belongs to all threads of the process.

    Raises:
        ControlError: the folder cannot be written, or another agent serves this socket.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_living(path)
        with _private(path) as inside:
            with address_of(inside) as address:
                bound.bind(address)
            inside.chmod(MODE)
            bound.listen(backlog)
            inside.replace(path)
    except OSError as error:
        bound.close()
        raise ControlError(f"cannot open the control socket {path}: {error.strerror or error}") from error
    except ControlError:
        bound.close()
        raise
    return bound


@contextmanager
def _private(path: Path) -> Iterator[Path]:
    """Give a place beside ``path`` that is closed to others (mkdtemp: 0700) and gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=".control-", dir=path.parent))
    try:
        yield folder / path.name
    finally:
        with suppress(OSError):
            (folder / path.name).unlink(missing_ok=True)
            folder.rmdir()


def _refuse_living(path: Path) -> None:
    if not os.path.lexists(path):
        return
    with (
        address_of(path) as address,
        socket.socket(socket.AF_UNIX) as probe,
        suppress(ConnectionRefusedError, FileNotFoundError),
    ):
        probe.settimeout(1.0)
        probe.connect(address)
        raise ControlError(f"another agent serves {path}; give each agent a run_dir of its own")
