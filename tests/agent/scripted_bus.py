"""One bus of devices that obey a script, under virtual time; what reaches storage is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from agent.block.record import EventKind
from agent.config import Bus, SiteDevice
from agent.polling.bus import BusPoller
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import Wakeup
from drivers.batch import Batch
from drivers.errors import LinkDownError, NoReplyError
from drivers.profile import Label, Limits, LineSettings, ModbusLocation, Point, Profile, Table
from drivers.sources import Device, Read
from hil.virtualtime import VirtualClock, here
from tests.agent.kept_sink import KeptSink

S = 1_000_000_000


def point(name: str, **changes: object) -> Point:
    plain = Point(
        name=name,
        label=Label(en=name, zh=name),
        place=ModbusLocation(table=Table.HOLDING_REGISTER, address=0),
        unit="V",
        scale=Decimal(1),
        exponent=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def profile(*points: Point) -> Profile:
    return Profile(
        id="test/device",
        vendor="test",
        model="device",
        label=Label(en="", zh=""),
        protocol="modbus",
        digest=bytes(16),
        source="",
        proof="",
        line=LineSettings(),
        unit=1,
        limits=Limits(),
        points=points or (point("a"), point("b")),
    )


class Scripted:
    """A device whose exchanges take ``took_s`` and end as ``script`` says."""

    def __init__(self, index: int, reads: Sequence[Read], script: Callable[[], Exception | None]) -> None:
        self.index = index
        self.reads = tuple(reads)
        self.script = script
        self.took_s = 0.04
        self.value = 0
        self.asked: Counter[str] = Counter()

    async def read(self, read: Read) -> Batch:
        self.asked["read"] += 1
        await self._exchange()
        self.value += 1
        count = len(read.points)
        return Batch(
            device=self.index,
            mono_ns=here().time_ns() + S,
            points=read.points,
            values=(self.value,) * count,
            statuses=(0,) * count,
        )

    async def probe(self) -> None:
        self.asked["probe"] += 1
        await self._exchange()

    async def _exchange(self) -> None:
        error = self.script()
        await asyncio.sleep(self.took_s if error is None else 0.1)
        if error is not None:
            raise error


@dataclass
class Port:
    """A port that opens unless ``gone``."""

    devices: Sequence[Device]
    gone: LinkDownError | None = None
    opened: int = 0
    closed: int = 0

    async def open(self) -> None:
        if self.gone is not None:
            raise self.gone
        self.opened += 1

    async def aclose(self) -> None:
        self.closed += 1


class Sink(KeptSink):
    """What storage would get."""

    def missed(self) -> list[tuple[object, ...]]:
        return [event.fields for event in self.events if event.kind == EventKind.MISSED_POLLS]


class Rig:
    """One bus with scripted devices, and what came of it."""

    def __init__(
        self, *devices: Scripted, retry: int = 0, port: str = "/dev/ttyX", model: Profile | None = None
    ) -> None:
        self.clock = VirtualClock(here())
        self.sink = Sink(before=None)
        self.port = Port(devices)
        self.wakeup = Wakeup(self.clock)
        model = model or profile()
        wanted = [
            Wanted(index=one.index, site=SiteDevice(name=f"d{one.index}", bus="b", unit=1, profile=model))
            for one in devices
        ]
        self.poller = BusPoller(
            Bus(name="b", port=port, retry=retry),
            wanted,
            self.port,
            recorder=Recorder(self.sink, self.clock),
            clock=self.clock,
            wakeup=self.wakeup,
            start_ns=self.clock.mono_ns(),
        )
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self.poller.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.poller.stop()
        await self._group.__aexit__(None, None, None)

    @property
    def good(self) -> list[Batch]:
        return [batch for batch in self.sink.batches if not any(batch.statuses)]

    @property
    def bad(self) -> list[Batch]:
        return [batch for batch in self.sink.batches if any(batch.statuses)]


def read(*points: int, period_s: float = 1.0) -> Read:
    return Read(points=points, period_s=period_s, request_bytes=8, reply_bytes=25)


def alive() -> None:
    return None


def between(first_s: float, last_s: float, error: Exception) -> Callable[[], Exception | None]:
    return lambda: error if first_s <= here().time() < last_s else None


SILENCE = NoReplyError("no reply in 100 ms")
