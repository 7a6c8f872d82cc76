"""What goes over the control socket, as types: one JSON object a line, ``id`` chosen by the client.

``{"id": 1, "ask": "status"}`` -> ``{"id": 1, "ok": true, "answer": {...}}`` or
``{"id": 1, "ok": false, "failure": {"code": "not-allowed", "detail": "..."}}``

A lease lasts as long as it was asked for or until its connection ends, whatever comes first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer
from agent.errors import AgentError
from agent.health import AgentStatus
from agent.polling.tapping import Piece
from drivers.profile import LineSettings

SOCKET_NAME: Final = "control.sock"
MOST_LEASE_S: Final = 3600.0


def socket_path(run_dir: Path) -> Path:
    """Give the path of the socket of the agent whose ``run_dir`` this is."""
    return run_dir / SOCKET_NAME


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Give the socket address of ``path`` while its folder is held open: one of over 107 bytes (unix(7)) fits too."""
    if len(os.fsencode(path)) <= 107:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Role(Enum):
    """What the other end may do: by its user id, which the kernel vouches for."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStatus:
    """How is everything? Answer: ``AgentStatus``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRead:
    """Read devices now, before the due polls of their buses. Answer: ``ReadAnswer``.

    Attributes:
        devices: names, empty for all.
        points: names of the only points wanted, empty for all.
    """

    devices: tuple[str, ...] = ()
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReload:
    """Read the site file again. Answer: ``ReloadAnswer``; a faulty file changes nothing and is a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLease:
    """Lend me a bus: the agent closes the port and does not poll. Answer: ``LeaseAnswer``.

    Attributes:
        seconds: at most an hour; ended early by closing the connection.
    """

    bus: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTap:
    """What passed on this bus? Answer: ``TapAnswer``; the first one begins to keep it. Ask again within 10 s.

    Attributes:
        after: number of the last piece that is known, 0 at first.
    """

    bus: str
    after: int = 0


Ask: TypeAlias = AskStatus | AskRead | AskReload | AskLease | AskTap | AskPrepare | AskCarryOut


@dataclass(frozen=True, slots=True, kw_only=True)
class PointValue:
    """One point as it was just read.

    Attributes:
        value: exact decimal as text, text, state; None exactly when the status is bad.
        unit: UCUM code, None where the quantity has none.
        status: OPC UA status code.
        device_utc_ms: when the device itself says that it was taken, UTC; None if it says nothing.
        device_flags: what is to be known of that, bits of ``drivers.batch.DeviceTimeFlag``.
    """

    quantity: str
    value: str | bool | None
    unit: str | None
    status: int
    device_utc_ms: int | None = None
    device_flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceValues:
    """What one device said.

    Attributes:
        mono_ms: CLOCK_BOOTTIME of the last reply, None if there was none.
        utc_ms: the system's UTC at that moment, None if there was no reply.
        error_code: why points are missing, empty if none is; error: the sentence to it.
    """

    device: str
    bus: str
    points: tuple[PointValue, ...] = ()
    mono_ms: int | None = None
    utc_ms: int | None = None
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """Devices in the order of the site file."""

    devices: tuple[DeviceValues, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadAnswer:
    """What the new site file changed; all empty: nothing.

    Attributes:
        restarted: buses whose polling began anew.
        removed: buses that are no longer polled.
        needs_restart: settings that changed and count only after a restart of the agent.
    """

    restarted: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseAnswer:
    """The bus is yours: its port is closed here."""

    bus: str
    port: str
    line: LineSettings
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TapAnswer:
    """Pieces in order; a hole in their numbers is what was not kept."""

    bus: str
    pieces: tuple[Piece, ...]


Answer: TypeAlias = (
    AgentStatus | ReadAnswer | ReloadAnswer | LeaseAnswer | TapAnswer | PreparedAnswer | CarriedOutAnswer
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request was not done; ``code`` is kebab-case and stable."""

    code: str
    detail: str


class RequestFailedError(AgentError):
    """The agent answered and said no."""

    code = "request-failed"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


ASKS: Final = MappingProxyType(
    {
        "status": AskStatus,
        "read": AskRead,
        "reload": AskReload,
        "lease": AskLease,
        "tap": AskTap,
        "prepare": AskPrepare,
        "carry-out": AskCarryOut,
    }
)
ANSWERS: Final = MappingProxyType(
    {
        AskStatus: AgentStatus,
        AskRead: ReadAnswer,
        AskReload: ReloadAnswer,
        AskLease: LeaseAnswer,
        AskTap: TapAnswer,
        AskPrepare: PreparedAnswer,
        AskCarryOut: CarriedOutAnswer,
    }
)
FOR_VIEWERS: Final = frozenset({AskStatus})
"""What everyone who can open the socket may ask; the rest touches buses or the configuration."""
