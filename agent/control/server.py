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

from agent.control.binding import bind
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer
from agent.control.places import Client, Places
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
)
from agent.control.wire import (
    MAX_ANSWER_BYTES,
    MAX_LINE_BYTES,
    WireError,
    from_json,
    read_object,
    to_json,
    write_line,
)
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
        self._places = Places(MOST_CLIENTS)

    async def start(self) -> None:
        """Open the socket with mode 0660.

        Raises:
            ControlError: the folder cannot be written, or another agent serves this socket.
        """
        bound = bind(self._path, MOST_CLIENTS)
        self._server = await asyncio.start_unix_server(self._serve, sock=bound, limit=MAX_LINE_BYTES)

    async def aclose(self) -> None:
        """Hang up on everyone and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        with suppress(OSError):  # the next start replaces what is left
            self._path.unlink()
        for client in self._places.everyone():
            client.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            uid = _uid(writer)
        except OSError:  # it is gone already
            writer.close()
            return
        client = Client(writer, uid, role_of(uid, os.geteuid()))
        if not self._let_in(client):
            client.hang_up(_failure(None, "busy", f"{MOST_CLIENTS} clients are connected already"))
            return
        try:
            while await self._turn(reader, client):
                pass
        except (OSError, TimeoutError) as error:
            _log.debug("control client left: %s", error)
        finally:
            self._places.leave(client)
            for lease in client.leases:
                lease.release()
            writer.close()

    def _let_in(self, client: Client) -> bool:
        """Give it a place, if need be that of one who only sits there."""
        if self._places.is_full():
            idle = self._places.in_the_way_of(client.role)
            if idle is None:
                return False
            self._places.leave(idle)
            idle.hang_up(_failure(None, "busy", "another client needed the place of this idle one; connect again"))
        self._places.enter(client)
        return True

    async def _turn(self, reader: asyncio.StreamReader, client: Client) -> bool:
        """Serve one line; False when the client is done or cannot be understood any more."""
        writer = client.writer
        client.served = False
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            writer.write(_failure(None, "bad-request", f"a line may have {MAX_LINE_BYTES} bytes"))
            return False
        if not self._places.spoke(client):
            return False
        client.served = True
        writer.write(await self._answer(line, client))
        async with asyncio.timeout(SEND_PATIENCE_S):
            await writer.drain()
        return True

    async def _answer(self, line: bytes, client: Client) -> bytes:
        number: object = None
        try:
            found = read_object(line)
            number = _number(found.pop("id", None))
            ask = _ask(found)
            if client.role is not Role.TECHNICIAN and type(ask) not in FOR_VIEWERS:
                return _failure(number, "not-allowed", "only root and the agent's own user may ask this")
            answer = await self._do(ask, client.leases, f"uid {client.uid}")
        except WireError as error:
            return _failure(number, "bad-request", str(error))
        except RequestFailedError as error:
            return _failure(number, error.failure.code, error.failure.detail)
        told = write_line({"id": number, "ok": True, "answer": to_json(answer)})
        if len(told) > MAX_ANSWER_BYTES:
            much = f"the answer has {len(told)} bytes, {MAX_ANSWER_BYTES} fit; ask for less at once"
            return _failure(number, "answer-too-long", much)
        return told

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
