"""The control socket over a real UNIX socket: who may what, and clients that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.control.client import ControlClient
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer, Refusal
from agent.control.commands import Outcome as Ended
from agent.control.protocol import (
    AskLease,
    AskRead,
    AskReload,
    AskStatus,
    AskTap,
    LeaseAnswer,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    Role,
    TapAnswer,
    socket_path,
)
from agent.control.server import ControlServer, role_of
from agent.control.wire import MAX_LINE_BYTES, to_json
from agent.errors import ControlError
from drivers.profile import LineSettings, Parity
from tests.agent.served_desk import STATUS, Desk, Served


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    desk = Desk()
    server = ControlServer(socket_path(tmp_path), desk)
    await server.start()
    yield Served(tmp_path, desk, server)
    await server.aclose()


async def test_every_question_gets_its_answer_as_it_was_given(served: Served) -> None:
    status, read, reload, lease = await served.ask(
        AskStatus(), AskRead(devices=("d",), points=("电压",)), AskReload(), AskLease(bus="b", seconds=3)
    )
    assert status == STATUS
    assert isinstance(read, ReadAnswer)
    assert read.devices[0].points[0].value == "230.10"
    assert served.desk.asked == [AskRead(devices=("d",), points=("电压",))]
    assert reload == ReloadAnswer(restarted=("b",))
    assert isinstance(lease, LeaseAnswer)
    assert lease.line == LineSettings(baud=2400, parity=Parity.EVEN)


async def test_a_command_goes_over_the_socket_with_who_gives_it(served: Served) -> None:
    prepare = AskPrepare(device="d", control="valve.command", word="close", rehearsal=True)
    order = AskCarryOut(ticket="t", password="02123456", operator="00000007")
    prepared, done = await served.ask(prepare, order)
    who = f"uid {os.geteuid()}"
    assert served.desk.ordered == [(prepare, who), (order, who)]
    assert isinstance(prepared, PreparedAnswer)
    assert prepared.refusal == Refusal(code="step-too-big", params=(("device", "表"), ("limit", "300")))
    assert prepared.hearers == ("x",)
    assert done == CarriedOutAnswer(device="d", outcome=Ended.UNKNOWN, acknowledged=None, state=1)
    assert "02123456" not in repr(order)


async def test_what_passed_on_a_bus_is_told_from_a_number_on(served: Served) -> None:
    everything, rest = await served.ask(AskTap(bus="b"), AskTap(bus="b", after=1))
    assert isinstance(everything, TapAnswer)
    assert [(piece.sent, piece.data) for piece in everything.pieces] == [(True, b"\x01\x03"), (False, b"")]
    assert isinstance(rest, TapAnswer)
    assert [piece.number for piece in rest.pieces] == [2]


async def test_a_no_is_told_with_its_code_and_the_connection_lives_on(served: Served) -> None:
    def work() -> None:
        with ControlClient(served.run_dir) as client:
            with pytest.raises(RequestFailedError) as failed:
                client.ask(AskRead(devices=("nobody",)))
            assert failed.value.failure.code == "unknown-device"
            assert client.ask(AskReload()) == ReloadAnswer(restarted=("b",))

    await served.in_thread(work)


async def test_the_socket_is_closed_to_others_and_removed_at_the_end(served: Served) -> None:
    path = socket_path(served.run_dir)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    await served.server.aclose()
    assert not path.exists()


async def test_a_lease_ends_with_its_connection(served: Served) -> None:
    await served.ask(AskLease(bus="b", seconds=60))
    async with asyncio.timeout(5):
        while not served.desk.leases[0].released:  # noqa: ASYNC110 - the server notices the end in its own turn
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"[1]\n",
        b"{}\n",
        b'{"ask":"format-disk"}\n',
        b'{"ask":["status"]}\n',
        b'{"ask":"status","more":1}\n',
        b'{"ask":"lease","bus":"b"}\n',
        b'{"ask":"lease","bus":"b","seconds":"long"}\n',
        b'{"ask":"lease","bus":"b","seconds":true}\n',
        b'{"ask":"lease","bus":"b","seconds":1' + b"0" * 400 + b"}\n",
        b'{"ask":"read","devices":["\\ud800"]}\n',
        b'{"ask":"read","devices":"d"}\n',
        b'{"ask":"read","devices":[1]}\n',
        b'{"id":{},"ask":"status"}\n',
        b'{"id":1.5,"ask":"status"}\n',
        b"[" * 60000 + b"\n",
        b"\xff\xfe\x00\n",
    ],
)
async def test_nonsense_gets_one_sentence_and_the_next_line_its_answer(served: Served, line: bytes) -> None:
    answers = (await served.raw(line + b'{"id":2,"ask":"reload"}\n')).splitlines()
    first, second = (json.loads(answer) for answer in answers)
    assert first["ok"] is False
    assert first["failure"]["code"] == "bad-request"
    assert second == {"id": 2, "ok": True, "answer": to_json(ReloadAnswer(restarted=("b",)))}
    assert served.desk.asked == []


async def test_an_endless_line_is_cut_off(served: Served) -> None:
    found = await served.raw(b"x" * (2 * MAX_LINE_BYTES + 10))
    assert json.loads(found)["failure"]["code"] == "bad-request"


async def test_garbage_from_many_clients_at_once_disturbs_nobody(served: Served) -> None:
    def flood(seed: int) -> None:
        for turn in range(20):
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(ConnectionError):  # hung up on: right
                client.connect(str(socket_path(served.run_dir)))
                client.sendall(bytes((seed * 7 + turn * n) % 256 for n in range(3000)))

    floods = [threading.Thread(target=flood, args=(seed,)) for seed in range(4)]
    for thread in floods:
        thread.start()
    for thread in floods:
        await asyncio.to_thread(thread.join)
    await served.until_answered()


def test_only_root_and_the_own_user_are_technicians() -> None:
    assert role_of(0, 1000) is Role.TECHNICIAN
    assert role_of(1000, 1000) is Role.TECHNICIAN
    assert role_of(1001, 1000) is Role.VIEWER
    assert role_of(65534, 0) is Role.VIEWER


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_viewer_may_look_and_not_touch(served: Served) -> None:
    served.run_dir.chmod(0o755)
    for folder in (served.run_dir, *served.run_dir.parents):
        if os.stat(folder).st_mode & 0o001 == 0:  # noqa: PTH116
            folder.chmod(folder.stat().st_mode | 0o001)
    socket_path(served.run_dir).chmod(0o666)
    program = (
        "import os,socket,sys\n"
        "os.setgid(65534);os.setuid(65534)\n"
        "s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1])\n"
        's.sendall(b\'{"ask":"reload"}\\n{"ask":"prepare","device":"d"}\\n{"ask":"status"}\\n\');f=s.makefile("rb")\n'
        "sys.stdout.buffer.write(f.readline()+f.readline()+f.readline())"
    )
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env",
        "python3",
        "-c",
        program,
        str(socket_path(served.run_dir)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    reload, prepare, status = (json.loads(line) for line in out.splitlines())
    assert reload["failure"]["code"] == "not-allowed"
    assert prepare["failure"]["code"] == "not-allowed"
    assert status["ok"] is True


async def test_a_second_agent_is_told_that_the_socket_is_taken(served: Served) -> None:
    with pytest.raises(ControlError, match="another agent"):
        await ControlServer(socket_path(served.run_dir), Desk()).start()
    assert await served.ask(AskReload()) == [ReloadAnswer(restarted=("b",))]


async def test_a_socket_left_by_a_dead_agent_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_path(tmp_path)))
    left.close()
    server = ControlServer(socket_path(tmp_path), Desk())
    await server.start()
    await server.aclose()


async def test_a_folder_with_a_long_name_works(tmp_path: Path) -> None:
    run_dir = tmp_path / ("long" * 30)
    server = ControlServer(socket_path(run_dir), Desk())
    await server.start()
    served = Served(run_dir, Desk(), server)
    assert await served.ask(AskReload()) == [ReloadAnswer(restarted=("b",))]
    await server.aclose()


def test_without_an_agent_the_client_says_so_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no agent is running"):
        ControlClient(tmp_path)
