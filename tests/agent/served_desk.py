"""A control server over a real UNIX socket, and a desk behind it that says always the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.block.record import ClockQuality, ClockSample
from agent.control.client import ControlClient
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer, Refusal
from agent.control.commands import Outcome as Ended
from agent.control.protocol import (
    Ask,
    AskLease,
    AskRead,
    AskReload,
    AskTap,
    DeviceValues,
    Failure,
    LeaseAnswer,
    PointValue,
    ReadAnswer,
    ReloadAnswer,
    RequestFailedError,
    TapAnswer,
    socket_path,
)
from agent.control.server import ControlServer, Lease
from agent.delivery.mqtt_state import LinkState, Outcome, Phase, Trouble
from agent.delivery.uplink_status import UplinkStatus
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

    async def until_answered(self) -> None:
        """Wait until those who hung up are noticed and there is room for one more, who gets an answer."""
        async with asyncio.timeout(20):
            while await self.raw(b""):  # noqa: ASYNC110 - asked over the socket
                await asyncio.sleep(0.01)
        assert await self.ask(AskReload()) == [ReloadAnswer(restarted=("b",))]

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
