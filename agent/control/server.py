"""The agent's end of the control socket: who asks, what they may, and answers. A bad client disturbs nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer
from agent.control.protocol import (
    ASKS,
    FOR_VIEWERS,
    Answer,
    Ask,
    AskLease,
    AskRead,
    AskStatus,
    AskTap,
    Failure,
    LeaseAnswer,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    Role,
    TapAnswer,
    address_of,
)
from agent.control.wire import MAX_LINE_BYTES, WireError, from_json, read_object, to_json, write_line
from agent.errors import ControlError
from agent.health import AgentStatus

MOST_CLIENTS: Final = 16
SEND_PATIENCE_S: Final = 10.0
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred, socket(7)
_log = logging.getLogger(__name__)


class Lease(Protocol):
    """A bus that is lent; ``release`` may be called more than once."""

    @property
    def answer(self) -> LeaseAnswer:
        """What the borrower is told."""
        ...

    def release(self) -> None:
        """Take the bus back."""
        ...


class Desk(Protocol):
    """Who answers; each raises RequestFailedError to say no."""

    def status(self) -> AgentStatus:
        """Everything at a glance."""
        ...

    async def read(self, ask: AskRead) -> ReadAnswer:
        """Read devices now."""
        ...

    async def reload(self) -> ReloadAnswer:
        """Read the site file again."""
        ...

    async def lease(self, ask: AskLease) -> Lease:
        """Lend a bus."""
        ...

    def tap(self, ask: AskTap) -> TapAnswer:
        """Tell what passed on a bus."""
        ...

    async def prepare(self, ask: AskPrepare, who: str) -> PreparedAnswer:
        """Look at what would be written to a device."""
        ...

    async def carry_out(self, ask: AskCarryOut, who: str) -> CarriedOutAnswer:
        """Write it."""
        ...


class ControlServer:
    """Serves ``path`` from ``start`` to ``aclose``."""

    def __init__(self, path: Path, desk: Desk) -> None:
        self._path = path
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Open the socket with mode 0660.

        Raises:
            ControlError: the folder cannot be written, or another agent serves this socket.
        """
        bound = _bind(self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=bound, limit=MAX_LINE_BYTES)

    async def aclose(self) -> None:
        """Hang up on everyone and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        with suppress(OSError):  # the next start replaces what is left
            self._path.unlink()
        for writer in tuple(self._clients):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        leases: list[Lease] = []
        if len(self._clients) >= MOST_CLIENTS:
            writer.write(_failure(None, "busy", f"{MOST_CLIENTS} clients are connected already"))
            writer.close()
            return
        self._clients.add(writer)
        try:
            uid = _uid(writer)
            while await self._turn(reader, writer, uid, leases):
                pass
        except (OSError, TimeoutError) as error:
            _log.debug("control client left: %s", error)
        finally:
            self._clients.discard(writer)
            for lease in leases:
                lease.release()
            writer.close()

    async def _turn(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int, leases: list[Lease]
    ) -> bool:
        """Serve one line; False when the client is done or cannot be understood any more."""
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            writer.write(_failure(None, "bad-request", f"a line may have {MAX_LINE_BYTES} bytes"))
            return False
        answer = await self._answer(line, uid, leases)
        writer.write(answer)
        async with asyncio.timeout(SEND_PATIENCE_S):
            await writer.drain()
        return True

    async def _answer(self, line: bytes, uid: int, leases: list[Lease]) -> bytes:
        number: object = None
        try:
            found = read_object(line)
            number = _number(found.pop("id", None))
            ask = _ask(found)
            if role_of(uid, os.geteuid()) is not Role.TECHNICIAN and type(ask) not in FOR_VIEWERS:
                return _failure(number, "not-allowed", "only root and the agent's own user may ask this")
            answer = await self._do(ask, leases, f"uid {uid}")
        except WireError as error:
            return _failure(number, "bad-request", str(error))
        except RequestFailedError as error:
            return _failure(number, error.failure.code, error.failure.detail)
        return write_line({"id": number, "ok": True, "answer": to_json(answer)})

    async def _do(self, ask: Ask, leases: list[Lease], who: str) -> Answer:
        if isinstance(ask, AskStatus):
            return self._desk.status()
        if isinstance(ask, AskRead):
            return await self._desk.read(ask)
        if isinstance(ask, AskTap):
            return self._desk.tap(ask)
        if isinstance(ask, AskLease):
            lease = await self._desk.lease(ask)
            leases.append(lease)
            return lease.answer
        if isinstance(ask, AskPrepare):
            return await self._desk.prepare(ask, who)
        if isinstance(ask, AskCarryOut):
            return await self._desk.carry_out(ask, who)
        return await self._desk.reload()


def _ask(found: dict[str, object]) -> Ask:
    name = found.pop("ask", None)
    kind = ASKS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise WireError(f"ask one of: {', '.join(ASKS)}")
    ask: Ask = from_json(kind, found)
    return ask


def _number(found: object) -> object:
    if found is None or (type(found) is int and abs(found) < 2**53):
        return found
    raise WireError("id is a whole number")


def _failure(number: object, code: str, detail: str) -> bytes:
    return write_line({"id": number, "ok": False, "failure": to_json(Failure(code=code, detail=detail))})


def _uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(peer)
    return int(uid)


def role_of(uid: int, own_uid: int) -> Role:
    """Give the role of a user id: root and the agent's own user are technicians."""
    return Role.TECHNICIAN if uid in (0, own_uid) else Role.VIEWER


def _bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with address_of(path) as address:
            if path.exists():
                _refuse_living(path, address)
                path.unlink()
            before = os.umask(0o117)
            try:
                bound.bind(address)
            finally:
                os.umask(before)
        bound.listen(MOST_CLIENTS)
    except OSError as error:
        bound.close()
        raise ControlError(f"cannot open the control socket {path}: {error.strerror or error}") from error
    except ControlError:
        bound.close()
        raise
    return bound


def _refuse_living(path: Path, address: str) -> None:
    with socket.socket(socket.AF_UNIX) as probe, suppress(ConnectionRefusedError, FileNotFoundError):
        probe.settimeout(1.0)
        probe.connect(address)
        raise ControlError(f"another agent serves {path}; give each agent a run_dir of its own")
