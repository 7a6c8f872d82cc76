"""An answer that is longer than the client takes: said as such, and the connection lives on."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.control.client import ControlClient
from agent.control.protocol import (
    AskRead,
    AskReload,
    DeviceValues,
    PointValue,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    socket_path,
)
from agent.control.server import ControlServer
from agent.control.wire import MAX_ANSWER_BYTES, to_json, write_line
from agent.errors import ControlError
from tests.agent.served_desk import Desk


def answer(value: str) -> ReadAnswer:
    point = PointValue(quantity="text", value=value, unit=None, status=0)
    return ReadAnswer(devices=(DeviceValues(device="d", bus="b", points=(point,)),))


ROOM = MAX_ANSWER_BYTES - len(write_line({"id": 1, "ok": True, "answer": to_json(answer(""))}))


class Talkative(Desk):
    """A desk with one point whose text is as long as its name says."""

    async def read(self, ask: AskRead) -> ReadAnswer:
        return answer("x" * int(ask.points[0]))


@pytest.fixture
async def run_dir(tmp_path: Path) -> AsyncIterator[Path]:
    server = ControlServer(socket_path(tmp_path), Talkative())
    await server.start()
    yield tmp_path
    await server.aclose()


async def test_what_fits_comes_and_what_does_not_is_a_sentence(run_dir: Path) -> None:
    def work() -> None:
        with ControlClient(run_dir) as client:
            found = client.ask(AskRead(points=(str(ROOM),)))
            assert len(found.devices[0].points[0].value or "") == ROOM  # type: ignore[arg-type]
            with pytest.raises(RequestFailedError, match=r"4194305 bytes, 4194304 fit; ask for less") as failed:
                client.ask(AskRead(points=(str(ROOM + 1),)))
            assert failed.value.failure.code == "answer-too-long"
            assert client.ask(AskReload()) == ReloadAnswer(restarted=("b",))

    await asyncio.to_thread(work)


def test_an_agent_that_goes_on_and_on_is_not_said_to_have_left(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(socket_path(tmp_path)))
        listening.listen(1)

        def tell() -> None:
            plug, _ = listening.accept()
            with plug:
                plug.recv(65536)
                plug.sendall(b"x" * MAX_ANSWER_BYTES)

        thread = threading.Thread(target=tell)
        thread.start()
        with ControlClient(tmp_path) as client, pytest.raises(ControlError, match="longer than 4194304 bytes"):
            client.ask(AskReload())
        thread.join()
