"""The framings of the matrix: a simulated wire each, with three units whose registers all differ at every moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from drivers.errors import LinkDownError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.link_tcp import TcpLink
from drivers.profile import Framing, LineSettings
from drivers.registry import AnyLink
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.memory import LineStream
from hil.sim.modbus import RtuDevice
from hil.sim.registers import HOLDING, Held, Image
from hil.tcp_wire import TcpUnit, TcpWire
from hil.virtualtime import VirtualClock, VirtualPause, here
from hil.wire import Exchange, Line, Reply

UNITS = (1, 2, 3)
BLOCKS = (0, 100)  # two reads of one length: their replies look alike
REGISTERS = 5
CEILING_S = 0.2


def image(unit: int, shift: int = 0) -> Image:
    """Registers that change ten times a second and are the same in no two units, addresses and moments."""

    def moves(base: int) -> Callable[[float], float]:
        return lambda t: float(base + int(t * 10) % 1200)

    held = tuple(
        Held(
            name=f"p{address}",
            table=HOLDING,
            address=address,
            type="u16",
            motion=moves((unit * 10 + place) * 1250 + shift),
        )
        for place, address in enumerate(start + offset for start in BLOCKS for offset in range(REGISTERS))
    )
    spans = tuple((HOLDING, start, start + REGISTERS - 1) for start in BLOCKS)
    return Image(model="matrix", held=held, spans=spans, source="made for the fault matrix")


class Wire(Protocol):
    """One framing's wire, with the faults that can be put on it."""

    framing: Framing
    period_s: float
    log: list[Exchange]
    pulled: bool
    echo_told: bool

    def open(self, clock: VirtualClock) -> AnyLink:
        """Open the port; LinkDownError while the adapter is away."""
        ...

    def arm(self, unit: int, fault: Fault, count: int) -> None:
        """Let the next ``count`` replies of ``unit`` suffer ``fault``."""
        ...

    @property
    def armed(self) -> int:
        """Replies that have yet to suffer."""
        ...

    def mute(self, units: tuple[int, ...], *, muted: bool) -> None:
        """Let units answer nothing, or again."""
        ...

    def noise(self, data: bytes) -> float:
        """Put bytes on the wire; give the seconds they take."""
        ...

    def pull_at(self, count: int) -> None:
        """Take the adapter away as byte ``count`` of the next exchange is over, request and reply counted on."""
        ...

    def put_back(self) -> None:
        """Put the adapter back."""
        ...

    def swap(self, shift: int) -> None:
        """Put other devices of the same model in the place of these."""
        ...

    @property
    def inside_silence(self) -> int:
        """Requests begun inside t3.5, those apart that met noise: nobody knows beforehand when it begins."""
        ...


class Unit(RtuDevice):
    """A station that can be told which of its replies suffer, and to speak with other settings."""

    def __init__(self, unit: int, *, settings: Characters, turnaround_ns: int) -> None:
        super().__init__(unit, image(unit), settings=settings, turnaround_ns=turnaround_ns)
        self.armed: list[Fault] = []
        self.other: Characters | None = None

    @property
    def settings(self) -> Characters:
        return self.other or super().settings

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        reply = super().hear(frame_, now_ns)
        if reply is None or not self.armed:
            return reply
        return replace(reply, fault=self.armed.pop(0))


class PulledStream(LineStream):
    """A port whose adapter goes away in the middle of an exchange."""

    def __init__(self, line: Line, pull: Callable[[], None]) -> None:
        super().__init__(line)
        self.left: int | None = None
        self._pull = pull

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.left is None:
            return
        if self.left <= len(data):
            after_s = self.left * self.line.settings.character_ns / 1e9
            here().call_later(after_s, self._pull)
            self.left = None
        else:
            self.left -= len(data)

    def _take(self, data: bytes) -> None:
        super()._take(data)
        if self.left is None or not data:
            return
        self.left -= len(data)
        if self.left <= 0:
            self.left = None
            here().call_soon(self._pull)


class RtuWire:
    """Modbus RTU on the paced half-duplex line."""

    framing = Framing.RTU

    def __init__(
        self, rand: random.Random, sizes: FaultSizes, *, echo: bool = False, echo_told: bool = False
    ) -> None:
        self.period_s = 1.0
        self.log: list[Exchange] = []
        self.pulled = False
        self.echo_told = echo_told
        self.settings = Characters(baud=rand.choice((9600, 19200, 115200)))
        self.units = {
            unit: Unit(unit, settings=self.settings, turnaround_ns=rand.randint(0, 30_000_000)) for unit in UNITS
        }
        self.line = Line(
            list(self.units.values()), settings=self.settings, injector=Injector(rand.randrange(2**32), sizes=sizes),
            echo=echo, step=rand.choice((1, 16)), on_exchange=self.log.append,
        )  # fmt: skip
        self._stream: PulledStream | None = None

    def open(self, clock: VirtualClock) -> AnyLink:
        if self.pulled:
            raise LinkDownError("line: there is no such port")
        self._stream = PulledStream(self.line, self._pull)
        line = LineSettings(baud=self.settings.baud)
        return RtuLink(
            Link(
                self._stream,
                name="line",
                clock=clock,
                pause=VirtualPause(clock),
                line=line,
                echo=self.echo_told,
            )
        )

    def arm(self, unit: int, fault: Fault, count: int) -> None:
        self.units[unit].armed = [fault] * count

    @property
    def armed(self) -> int:
        return sum(len(unit.armed) for unit in self.units.values())

    def mute(self, units: tuple[int, ...], *, muted: bool) -> None:
        for unit in units:
            self.units[unit].alive = not muted

    def speak(self, unit: int, other: Characters | None) -> None:
        """Let a station use other settings, or its own again."""
        self.units[unit].other = other

    def noise(self, data: bytes) -> float:
        if self._stream is not None and not self.pulled:
            self._stream.disturb(data)
        return self.settings.duration_ns(len(data)) / 1e9

    def pull_at(self, count: int) -> None:
        assert self._stream is not None
        self.line.step = 1
        self._stream.left = count

    def _pull(self) -> None:
        assert self._stream is not None
        self.pulled = True
        self._stream.unplug()

    def put_back(self) -> None:
        self.pulled = False

    def swap(self, shift: int) -> None:
        for number, unit in self.units.items():
            unit.image = image(number, shift)

    @property
    def inside_silence(self) -> int:
        return sum(one.inside_silence and not one.collided for one in self.log)


class ModbusTcpWire:
    """Modbus TCP: one connection, three units behind it."""

    framing = Framing.TCP
    echo_told = False
    inside_silence = 0

    def __init__(self, rand: random.Random, sizes: FaultSizes) -> None:
        self.period_s = 2.0
        self.log: list[Exchange] = []
        self.pulled = False
        self._armed: dict[int, list[Fault]] = {unit: [] for unit in UNITS}
        units = {
            unit: TcpUnit(image=image(unit), turnaround_ns=rand.randint(1_000_000, 30_000_000)) for unit in UNITS
        }
        self.server = TcpWire(
            units, injector=Injector(rand.randrange(2**32), sizes=sizes), pick=self._pick, on_exchange=self._logged
        )
        self._pull_at: int | None = None

    def open(self, clock: VirtualClock) -> AnyLink:  # noqa: ARG002 - the link has the loop's
        if self.pulled:
            raise LinkDownError("server: no connection")
        return TcpLink(self.server.connect(), name="server")

    def arm(self, unit: int, fault: Fault, count: int) -> None:
        self._armed[unit] = [fault] * count

    @property
    def armed(self) -> int:
        return sum(len(faults) for faults in self._armed.values())

    def mute(self, units: tuple[int, ...], *, muted: bool) -> None:
        for unit in units:
            self.server.units[unit].alive = not muted

    def noise(self, data: bytes) -> float:
        if not self.pulled:
            self.server.noise(data)
        return len(data) / 1000

    def pull_at(self, count: int) -> None:
        self.server.cut_at = count
        self._pull_at = len(self.log)

    def _logged(self, exchange: Exchange) -> None:
        self.log.append(exchange)
        if self._pull_at is not None and len(self.log) > self._pull_at:
            self._pull_at = None
            here().call_later((self.server.units[1].turnaround_ns + 40_000_000) / 1e9, self._gone)

    def _gone(self) -> None:
        self.pulled = True
        self.server.hang_up()

    def put_back(self) -> None:
        self.pulled = False

    def swap(self, shift: int) -> None:
        for number, unit in self.server.units.items():
            unit.image = image(number, shift)

    def _pick(self, unit: int) -> Fault:
        return self._armed[unit].pop(0) if self._armed[unit] else Fault.NONE


MAKERS: Mapping[str, Callable[[random.Random, FaultSizes], Wire]] = {"rtu": RtuWire, "tcp": ModbusTcpWire}


async def sleep_until(time_s: float) -> None:
    """Sleep until a virtual time."""
    await asyncio.sleep(max(0.0, time_s - here().time()))
