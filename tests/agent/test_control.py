"""The control socket over a real UNIX socket: who may what, and clients that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.block.record import ClockQuality, ClockSample
from agent.control.client import ControlClient
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer, Refusal
from agent.control.commands import Outcome as Ended
from agent.control.protocol import (
    Ask,
    AskLease,
    AskRead,
    AskReload,
    AskStatus,
    AskTap,
    DeviceValues,
    Failure,
    LeaseAnswer,
    PointValue,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    Role,
    TapAnswer,
    socket_path,
)
from agent.control.server import MOST_CLIENTS, ControlServer, Lease, role_of
from agent.control.wire import MAX_LINE_BYTES, WireError, from_json, to_json
from agent.delivery.mqtt_state import LinkState, Outcome, Phase, Trouble
from agent.delivery.uplink_status import UplinkStatus
from agent.errors import ControlError
from agent.health import AgentStatus, BusPhase, BusStatus, DeviceStatus, ReadStatus
from agent.polling.claims import Life
from agent.polling.tapping import Piece
from agent.storing.stored import DestinationStatus, Pressure, StorageStatus
from drivers.profile import LineSettings, Parity

STATUS = AgentStatus(
    site="haimen-07",
    version="1",
    gateway=b"12345678",
    key=b"12345678",
    state_dir="/var/lib/tidegate",
    started_mono_ms=1,
    clock=ClockSample(boot=bytes(8), mono_ms=5, utc_ms=None, quality=ClockQuality.NONE, max_error_ms=0),
    storage=StorageStatus(
        last=(3, 4),
        pressure=Pressure.THIN,
        destinations=(DestinationStatus(kid=b"abcdefgh", receipted=None, pending_blocks=1, pending_bytes=2),),
    ),
    buses=(BusStatus(name="b", port="/dev/ttyX", phase=BusPhase.DOWN, since_mono_ms=3, load=0.25),),
    devices=(
        DeviceStatus(
            name="d",
            bus="b",
            unit=1,
            profile="v/m",
            life=Life.DEAD,
            errors=(("no-reply", 3),),
            reads=(
                ReadStatus(
                    points=("a",), period_s=1, polls=2, failed=1, missed=0, late_ms=1, late_max_ms=2, late_mean_ms=1.5
                ),
            ),
        ),
    ),
    uplinks=(
        UplinkStatus(
            name="u",
            kid=b"abcdefgh",
            url="mqtt://x",
            link=LinkState(phase=Phase.WAITING, trouble=Trouble.REFUSED, facts=(("host", "x"),)),
            refusals=((Outcome.DENIED, 2),),
            receipted=(1, 2),
        ),
    ),
)


@dataclass
class Lent:
    """A lease that remembers whether it was ended."""

    answer: LeaseAnswer
    released: int = 0

    def release(self) -> None:
        self.released += 1


@dataclass
class Desk:
    """Somebody who answers."""

    leases: list[Lent] = field(default_factory=list)
    asked: list[AskRead] = field(default_factory=list)
    ordered: list[tuple[AskPrepare | AskCarryOut, str]] = field(default_factory=list)

    def status(self) -> AgentStatus:
        return STATUS

    async def read(self, ask: AskRead) -> ReadAnswer:
        self.asked.append(ask)
        if "nobody" in ask.devices:
            raise RequestFailedError(Failure(code="unknown-device", detail="the site has no device 'nobody'"))
        point = PointValue(quantity="电压", value="230.10", unit="V", status=0)
        return ReadAnswer(devices=(DeviceValues(device="d", bus="b", points=(point,), mono_ms=7),))

    async def reload(self) -> ReloadAnswer:
        return ReloadAnswer(restarted=("b",))

    def tap(self, ask: AskTap) -> TapAnswer:
        pieces = (
            Piece(number=1, utc_ns=5, sent=True, data=b"\x01\x03"),
            Piece(number=2, utc_ns=9, sent=False, data=b""),
        )
        return TapAnswer(bus=ask.bus, pieces=tuple(piece for piece in pieces if piece.number > ask.after))

    async def lease(self, ask: AskLease) -> Lease:
        line = LineSettings(baud=2400, parity=Parity.EVEN)
        self.leases.append(Lent(LeaseAnswer(bus=ask.bus, port="/dev/ttyX", line=line, seconds=ask.seconds)))
        return self.leases[-1]

    async def prepare(self, ask: AskPrepare, who: str) -> PreparedAnswer:
        self.ordered.append((ask, who))
        no = Refusal(code="step-too-big", params=(("device", "表"), ("limit", "300")))
        return PreparedAnswer(device=ask.device, bus="b", refusal=no, difference_ms=-90_000, hearers=("x",))

    async def carry_out(self, ask: AskCarryOut, who: str) -> CarriedOutAnswer:
        self.ordered.append((ask, who))
        return CarriedOutAnswer(device="d", outcome=Ended.UNKNOWN, acknowledged=None, state=1)


@dataclass
class Served:
    """A control server that runs."""

    run_dir: Path
    desk: Desk
    server: ControlServer

    async def in_thread(self, work: Callable[[], object]) -> object:
        """Do blocking client work beside the loop."""
        return await asyncio.to_thread(work)

    async def ask(self, *asks: Ask) -> list[object]:
        def work() -> list[object]:
            with ControlClient(self.run_dir) as client:
                return [client.ask(one) for one in asks]

        return await asyncio.to_thread(work)

    async def raw(self, data: bytes) -> bytes:
        def work() -> bytes:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(str(socket_path(self.run_dir)))
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                found = b""
                while chunk := client.recv(65536):
                    found += chunk
                return found

        return await asyncio.to_thread(work)


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


async def test_clients_that_say_nothing_do_not_keep_others_out_for_ever(served: Served) -> None:
    path = str(socket_path(served.run_dir))
    with contextlib.ExitStack() as idle:
        for _ in range(MOST_CLIENTS):
            one = idle.enter_context(socket.socket(socket.AF_UNIX))
            await asyncio.to_thread(one.connect, path)
        while not (refused := await served.raw(b"")):  # noqa: ASYNC110 - the last may not have been taken in yet
            await asyncio.sleep(0.01)
    assert json.loads(refused.splitlines()[0])["failure"]["code"] == "busy"
    await asyncio.sleep(0.2)
    assert await served.ask(AskReload()) == [ReloadAnswer(restarted=("b",))]


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
    await asyncio.sleep(0.05)
    assert await served.ask(AskReload()) == [ReloadAnswer(restarted=("b",))]


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


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (LineSettings, {"baud": 1.0}),
        (LineSettings, {"parity": "X"}),
        (LineSettings, {"speed": 1}),
        (AgentStatus, {}),
        (StorageStatus, {"last": [1]}),
        (StorageStatus, {"last": [1, 2, 3]}),
        (UplinkStatus, {"kid": "xyz"}),
    ],
)
def test_an_object_of_the_wrong_shape_is_never_built(kind: type, value: object) -> None:
    with pytest.raises(WireError):
        from_json(kind, value)


def test_integers_stay_exact_and_nothing_is_lost_on_the_way() -> None:
    status = StorageStatus(sealed_readings=2**62 + 1)
    assert from_json(StorageStatus, json.loads(json.dumps(to_json(status)))) == status
    assert from_json(AgentStatus, json.loads(json.dumps(to_json(STATUS)))) == STATUS
