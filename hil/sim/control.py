"""Commands to a running simulator: one JSON object a line over a UNIX socket, one JSON object back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Answer: TypeAlias = dict[str, Any]
Command: TypeAlias = Callable[[Mapping[str, Any]], Answer]


class UnknownCommandError(Exception):
    """The simulator does not know what it was told to do, or lacks a field of it."""


def ask(path: Path, do: str, timeout_s: float = 5.0, **fields: object) -> Answer:
    """Send one command, give the answer; UnknownCommandError if the simulator refused it, OSError if it is gone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(str(path))
        sock.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
        with sock.makefile("rb") as stream:
            answer: Answer = json.loads(stream.readline())
    if not answer.pop("ok"):
        raise UnknownCommandError(answer["error"])
    return answer


@contextlib.asynccontextmanager
async def serving(path: Path, commands: Mapping[str, Command]) -> AsyncIterator[None]:
    """Serve ``commands`` at ``path`` while the block runs; the socket is gone afterwards."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(_obey(commands, line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    _remove(path)
    server = await asyncio.start_unix_server(client, path)
    try:
        yield
    finally:
        server.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _obey(commands: Mapping[str, Command], line: bytes) -> Answer:
    try:
        request = json.loads(line)
        return {"ok": True, **commands[request["do"]](request)}
    except (KeyError, TypeError, ValueError) as error:
        return {"ok": False, "error": f"not understood: {error!r}; known: {', '.join(sorted(commands))}"}
