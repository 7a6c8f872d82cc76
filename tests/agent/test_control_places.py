"""More people at the control socket than there are places: who sits there idle goes, who works stays."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from agent.control.client import ControlClient
from agent.control.places import Client, Places
from agent.control.protocol import AskLease, AskReload, ReloadAnswer, Role, socket_path
from agent.control.server import MOST_CLIENTS, ControlServer
from tests.agent.served_desk import Desk, Served

TECHNICIAN, VIEWER = Role.TECHNICIAN, Role.VIEWER


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    desk = Desk()
    server = ControlServer(socket_path(tmp_path), desk)
    await server.start()
    yield Served(tmp_path, desk, server)
    await server.aclose()


class Talker:
    """A connection that says a line when it is told to."""

    def __init__(self, run_dir: Path, stack: ExitStack) -> None:
        self.plug = stack.enter_context(socket.socket(socket.AF_UNIX))
        self.plug.settimeout(20)
        self.plug.connect(str(socket_path(run_dir)))
        self.file = stack.enter_context(self.plug.makefile("rb"))

    def say(self, **ask: object) -> dict[str, Any]:
        self.plug.sendall(json.dumps(ask).encode() + b"\n")
        return self.hear()

    def hear(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.file.readline()))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def test_who_was_idle_for_longest_makes_room_and_is_told_so(served: Served, stack: ExitStack) -> None:
    def work() -> None:
        sitting = [Talker(served.run_dir, stack) for _ in range(MOST_CLIENTS)]
        for one in sitting:
            assert one.say(ask="reload")["ok"] is True
        assert sitting[0].say(ask="reload")["ok"] is True  # now the second is the one that said nothing for longest
        with ControlClient(served.run_dir) as client:
            assert client.ask(AskReload()) == ReloadAnswer(restarted=("b",))
        told = sitting[1].hear()
        assert told["failure"]["code"] == "busy"
        assert "connect again" in told["failure"]["detail"]
        assert sitting[1].file.readline() == b""
        for one in (sitting[0], *sitting[2:]):
            assert one.say(ask="reload")["ok"] is True

    await served.in_thread(work)


async def test_clients_that_never_said_a_word_keep_nobody_out(served: Served, stack: ExitStack) -> None:
    def work() -> None:
        for _ in range(3 * MOST_CLIENTS):
            Talker(served.run_dir, stack)
        with ControlClient(served.run_dir) as client:
            for _ in range(3):
                assert client.ask(AskReload()) == ReloadAnswer(restarted=("b",))

    await served.in_thread(work)


async def test_nobody_loses_a_lease_to_a_newcomer(served: Served, stack: ExitStack) -> None:
    def work() -> None:
        for _ in range(MOST_CLIENTS):
            assert Talker(served.run_dir, stack).say(ask="lease", bus="b", seconds=60)["ok"] is True
        assert Talker(served.run_dir, stack).hear()["failure"]["code"] == "busy"

    await served.in_thread(work)
    assert [lease.released for lease in served.desk.leases] == [0] * MOST_CLIENTS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_viewers_never_keep_a_technician_out(served: Served, stack: ExitStack) -> None:
    for folder in (served.run_dir, *served.run_dir.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    socket_path(served.run_dir).chmod(0o666)
    program = (
        "import os,socket,sys\n"
        "os.setgid(65534);os.setuid(65534)\n"
        "def line(s):\n"
        "    s.sendall(b'{\"ask\":\"status\"}\\n');return s.makefile('rb').readline()\n"
        "def come():\n"
        "    s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);return s\n"
        "held=[come() for _ in range(int(sys.argv[2]))]\n"
        "for one in held: assert b'true' in line(one)\n"
        "print('there',flush=True)\n"
        "sys.stdin.readline()\n"
        "print(come().makefile('rb').readline().decode(),end='',flush=True)\n"
        "sys.stdin.readline()\n"
    )
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env", "python3", "-c", program, str(socket_path(served.run_dir)), str(MOST_CLIENTS),
        stdin=pipe, stdout=pipe,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"there\n"

    def lend() -> list[ControlClient]:
        clients = [stack.enter_context(ControlClient(served.run_dir)) for _ in range(MOST_CLIENTS)]
        for client in clients:
            client.ask(AskReload())
        return clients

    technicians = await asyncio.to_thread(lend)
    process.stdin.write(b"\n")
    refused = json.loads(await process.stdout.readline())
    assert refused["failure"]["code"] == "busy", "a viewer ends no technician's connection"
    await asyncio.to_thread(technicians[0].ask, AskLease(bus="b", seconds=3))
    await process.communicate(b"\n")
    assert process.returncode == 0


def full(*roles: Role) -> tuple[Places, list[Client]]:
    places = Places(len(roles))
    clients = [Client(cast("asyncio.StreamWriter", None), 0, role) for role in roles]
    for client in clients:
        places.enter(client)
    return places, clients


def test_viewers_go_before_technicians() -> None:
    places, (first, second, third) = full(TECHNICIAN, VIEWER, VIEWER)
    assert places.is_full()
    assert places.in_the_way_of(TECHNICIAN) is second
    assert places.in_the_way_of(VIEWER) is second
    assert places.spoke(second)
    assert places.in_the_way_of(VIEWER) is third
    third.served = True
    assert places.in_the_way_of(VIEWER) is second
    second.served = True
    assert places.in_the_way_of(VIEWER) is None
    assert places.in_the_way_of(TECHNICIAN) is third, "one that does not take its answer is in nobody's way"
    places.leave(second)
    places.leave(third)
    assert not places.is_full()
    assert places.in_the_way_of(VIEWER) is None
    assert places.in_the_way_of(TECHNICIAN) is first
    first.served = True
    assert places.in_the_way_of(TECHNICIAN) is None
    places.leave(first)
    assert not places.spoke(first)
    assert places.everyone() == ()
