"""The other end of the control socket: what the command line uses. Plain blocking sockets, no event loop."""

from __future__ import annotations

import itertools
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast, overload

from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer
from agent.control.protocol import (
    ANSWERS,
    ASKS,
    Answer,
    Ask,
    AskLease,
    AskRead,
    AskReload,
    AskStatus,
    AskTap,
    Failure,
    LeaseAnswer,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    TapAnswer,
    address_of,
    socket_path,
)
from agent.control.wire import MAX_ANSWER_BYTES, WireError, from_json, read_object, to_json, write_line
from agent.errors import ControlError
from agent.health import AgentStatus

TIMEOUT_S: Final = 30.0
_PEER: Final = struct.Struct("3i")  # pid, uid, gid
_NAMES: Final = {kind: name for name, kind in ASKS.items()}


class ControlClient:
    """A connection to the running agent; a context manager.

    Raises:
        ControlError: no agent runs there, or this user may not open its socket.
    """

    def __init__(self, run_dir: Path, timeout_s: float = TIMEOUT_S) -> None:
        path = socket_path(run_dir)
        self._ids = itertools.count(1)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            with address_of(path) as address:
                self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise ControlError(_why(path, error)) from error
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def agent_pid(self) -> int:
        """The process of the agent, as the kernel says (SO_PEERCRED of unix(7))."""
        told = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, _uid, _gid = _PEER.unpack(told)
        return int(pid)

    def close(self) -> None:
        """End the connection, and with it every lease it holds."""
        self._file.close()
        self._socket.close()

    @overload
    def ask(self, ask: AskStatus) -> AgentStatus: ...
    @overload
    def ask(self, ask: AskRead) -> ReadAnswer: ...
    @overload
    def ask(self, ask: AskReload) -> ReloadAnswer: ...
    @overload
    def ask(self, ask: AskLease) -> LeaseAnswer: ...
    @overload
    def ask(self, ask: AskTap) -> TapAnswer: ...
    @overload
    def ask(self, ask: AskPrepare) -> PreparedAnswer: ...
    @overload
    def ask(self, ask: AskCarryOut) -> CarriedOutAnswer: ...
    def ask(self, ask: Ask) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            RequestFailedError: the agent said no; ``failure`` says why.
            ControlError: the agent ended or does not answer in time.
        """
        number = next(self._ids)
        request = {"id": number, "ask": _NAMES[type(ask)], **to_json(ask)}
        try:
            self._socket.sendall(write_line(request))
            line = self._file.readline(MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise ControlError("the agent runs and does not answer") from error
        except OSError as error:
            raise ControlError(f"the agent ended the connection: {error.strerror}") from error
        if len(line) == MAX_ANSWER_BYTES and not line.endswith(b"\n"):
            raise ControlError(f"the agent's answer is longer than {MAX_ANSWER_BYTES} bytes; ask for less at once")
        if not line.endswith(b"\n"):
            raise ControlError("the agent ended the connection")
        return _answer(ask, line)


def _answer(ask: Ask, line: bytes) -> Answer:
    try:
        found = read_object(line)
        if found.get("ok") is not True:
            raise RequestFailedError(from_json(Failure, found.get("failure")))
        return cast("Answer", from_json(ANSWERS[type(ask)], found.get("answer")))
    except WireError as error:
        raise ControlError(f"the agent speaks another version of the protocol: {error}") from error


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: this user may not talk to the agent; use sudo or join the group that owns the socket"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"no agent is running with its socket at {path}"
    return f"{path}: {error.strerror or error}"
