"""The framings of the matrix: a simulated Modbus wire each, three units whose registers differ at every moment."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Protocol, TypeAlias

from drivers.errors import LinkDownError
from drivers.link import Link
from drivers.link_ascii import AsciiLink
from drivers.link_rtu import RtuLink
from drivers.link_tcp import TcpLink
from drivers.profile import (
    Fingerprint,
    Framing,
    Label,
    Limits,
    LineSettings,
    ModbusLocation,
    Parity,
    Point,
    Profile,
    Table,
)
from drivers.registry import AnyLink
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.memory import LineStream
from hil.sim.ascii import AsciiDevice
from hil.sim.modbus import RtuDevice
from hil.sim.registers import HOLDING, Held, Image
from hil.tcp_wire import TcpUnit, TcpWire
from hil.virtualtime import VirtualClock, VirtualPause, here
from hil.wire import Exchange, Line, Reply, Station

UNITS = (1, 2, 3)
BLOCKS = (0, 100)  # two reads of one length: their replies look alike
REGISTERS = 5
CEILING_S = 0.2
WITHIN_REACH = FaultSizes(late_ns=(210_000_000, 900_000_000), babble_bytes=80)
BEHIND_A_NETWORK = FaultSizes(late_ns=(1_300_000_000, 1_900_000_000), babble_bytes=80)
LATER_THAN_ANY = FaultSizes(late_ns=(1_500_000_000, 2_500_000_000))  # a converter has until 1.2 s


def profile_of(period_s: float, fingerprint: Fingerprint | None = None) -> Profile:
    """Two blocks of equal length, so that their replies look alike."""
    points = tuple(
        Point(
            name=f"p{address}",
            label=Label(en="", zh=""),
            place=ModbusLocation(table=Table.HOLDING_REGISTER, address=address),
            unit=None,
            scale=Decimal(1),
            exponent=0,
            period_s=period_s,
        )
        for address in (start + offset for start in BLOCKS for offset in range(REGISTERS))
    )
    return profile_with(points, "modbus", CEILING_S, fingerprint=fingerprint)


def profile_with(
    points: tuple[Point, ...],
    protocol: str,
    ceiling_s: float,
    line: LineSettings | None = None,
    fingerprint: Fingerprint | None = None,
) -> Profile:
    """A profile that says nothing but what is read, and how long a device may take."""
    return Profile(
        id="test/matrix",
        vendor="test",
        model="matrix",
        label=Label(en="", zh=""),
        protocol=protocol,
        digest=bytes(16),
        source="",
        proof="",
        line=line or LineSettings(),
        unit=1,
        limits=Limits(turnaround_ms=round(ceiling_s * 1000)),
        points=points,
        fingerprint=fingerprint,
    )


def line_settings(own: Characters) -> LineSettings:
    """Give settings as the product has them."""
    return LineSettings(baud=own.baud, parity=Parity(own.parity), stop_bits=own.stop_bits, data_bits=own.data_bits)


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


class Suffering(Station, Protocol):
    """A station that can be made to suffer."""

    armed: list[Fault]
    other: Characters | None
    alive: bool


class Armed:
    """What makes a station suffer: told which of its replies, and to speak with other settings."""

    armed: list[Fault]
    other: Characters | None = None

    def damaged_reply(self, reply: Reply | None) -> Reply | None:
        """Give the reply with the fault that is its turn."""
        if reply is None or not self.armed:
            return reply
        return replace(reply, fault=self.armed.pop(0))


class Unit(RtuDevice, Armed):
    """A Modbus RTU station that suffers."""

    def __init__(self, unit: int, *, settings: Characters, turnaround_ns: int) -> None:
        super().__init__(unit, image(unit), settings=settings, turnaround_ns=turnaround_ns)
        self.armed = []

    @property
    def settings(self) -> Characters:
        return self.other or super().settings

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        return self.damaged_reply(super().hear(frame_, now_ns))


class AsciiUnit(AsciiDevice, Armed):
    """A Modbus ASCII station that suffers."""

    def __init__(self, unit: int, *, settings: Characters, turnaround_ns: int) -> None:
        super().__init__(unit, image(unit), settings=settings, turnaround_ns=turnaround_ns)
        self.armed = []

    @property
    def settings(self) -> Characters:
        return self.other or super().settings

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        return self.damaged_reply(super().hear(frame_, now_ns))


class PulledStream(LineStream):
    """A port whose adapter goes away in the middle of an exchange."""

    def __init__(self, line: Line, pull: Callable[[], None]) -> None:
        super().__init__(line, parity_of=lambda settings: settings.parity.value)
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

    framing: Framing | None = Framing.RTU
    members: tuple[int, ...] = UNITS
    spans: Mapping[int, int] = {}
    sizes = WITHIN_REACH
    late_sizes = LATER_THAN_ANY
    port = "/dev/ttyX"
    period_s = 1.0
    ceiling_s = CEILING_S
    request_bytes = 8
    reply_bytes = 15
    reading_s = 0.0  # on the wire, where it is long
    splits = 1
    stale_s = 0.0  # how old a reading may be as long as it says so
    margin_s = 0.003
    station: type[Unit | AsciiUnit] = Unit

    def __init__(
        self, rand: random.Random, sizes: FaultSizes, *, echo: bool = False, echo_told: bool = False
    ) -> None:
        self.log: list[Exchange] = []
        self.pulled = False
        self.echo_told = echo_told
        self.settings = self.choose_settings(rand)
        self.units: dict[int, Suffering] = {unit: self.make_unit(unit, rand) for unit in self.members}
        self.line = Line(
            list(self.units.values()), settings=self.settings, injector=Injector(rand.randrange(2**32), sizes=sizes),
            echo=echo, step=rand.choice((1, 16)), on_exchange=self.note,
        )  # fmt: skip
        self._stream: PulledStream | None = None
        self._noisy: list[tuple[int, int]] = []

    def choose_settings(self, rand: random.Random) -> Characters:
        """Give speed and parity of the line."""
        return Characters(baud=rand.choice((9600, 19200, 115200)))

    def make_unit(self, unit: int, rand: random.Random) -> Suffering:
        """Make one device."""
        return self.station(unit, settings=self.settings, turnaround_ns=rand.randint(0, 30_000_000))

    def profile(self, fingerprint: Fingerprint | None = None) -> Profile:
        """What the devices are read with."""
        return profile_of(self.period_s, fingerprint)

    def address(self, unit: int) -> str:  # noqa: ARG002
        """Where a device answers that has no number."""
        return ""

    def note(self, exchange: Exchange) -> None:
        """Take an exchange as it ended."""
        self.log.append(exchange)

    def open(self, clock: VirtualClock) -> AnyLink:
        if self.pulled:
            raise LinkDownError("line: there is no such port")
        self._stream = self._make_stream()
        line = line_settings(self.settings)
        link = Link(
            self._stream, name="line", clock=clock, pause=VirtualPause(clock), line=line, echo=self.echo_told,
            margin_s=self.margin_s,
        )  # fmt: skip
        return self._face(link)

    def _make_stream(self) -> PulledStream:
        return PulledStream(self.line, self._pull)

    def _face(self, link: Link) -> AnyLink:
        return RtuLink(link)

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
        took_ns, now_ns = self.settings.duration_ns(len(data)), here().time_ns()
        self._noisy.append((now_ns, now_ns + took_ns + 50_000_000))  # what hears it through a converter hears it late
        if self._stream is not None and not self.pulled:
            self._stream.disturb(data)
        return took_ns / 1e9

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

    @property
    def inside_silence(self) -> int:
        return sum(
            one.inside_silence and not one.collided and not any(a <= one.start_ns <= b for a, b in self._noisy)
            for one in self.log
        )

    def unit_of(self, exchange: Exchange) -> int:
        """Give the unit that was asked."""
        return exchange.request[0]


class AsciiWire(RtuWire):
    """Modbus ASCII on the same line."""

    framing = Framing.ASCII
    request_bytes = 17
    reply_bytes = 31
    station = AsciiUnit

    def unit_of(self, exchange: Exchange) -> int:
        return int(exchange.request[1:3], 16)

    def _face(self, link: Link) -> AnyLink:
        return AsciiLink(link)


class DelayedStream(PulledStream):
    """The line behind a converter: bytes take their time both ways and keep their order."""

    def __init__(self, line: Line, pull: Callable[[], None], delay_s: float) -> None:
        super().__init__(line, pull)
        self._delay_s = delay_s

    def write(self, data: bytes) -> None:
        if self._down:
            super().write(data)  # says so at once
        here().call_later(self._delay_s, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if not self._down:
            super().write(data)

    def _take(self, data: bytes) -> None:
        if data:
            here().call_later(self._delay_s, super()._take, data)


class RtuOverTcpWire(RtuWire):
    """Modbus RTU through a converter on the network."""

    port = "rtu+tcp://converter"
    period_s = 2.0
    ceiling_s = CEILING_S + 1.0
    margin_s = 0.05
    sizes = BEHIND_A_NETWORK

    def __init__(self, rand: random.Random, sizes: FaultSizes) -> None:
        super().__init__(rand, sizes)
        self.line.step = 64
        self._delay_s = rand.uniform(0.0005, 0.03)

    @property
    def inside_silence(self) -> int:
        """Not judged: nobody knows what is still on its way to a converter."""
        return 0

    def _make_stream(self) -> PulledStream:
        return DelayedStream(self.line, self._pull, self._delay_s)

    def _face(self, link: Link) -> AnyLink:
        return RtuLink(link, slack_s=1.0)


class ModbusTcpWire:
    """Modbus TCP: one connection, three units behind it."""

    framing = Framing.TCP
    members: tuple[int, ...] = UNITS
    spans: Mapping[int, int] = {}
    sizes = BEHIND_A_NETWORK
    late_sizes = LATER_THAN_ANY
    port = "tcp://server"
    period_s = 2.0
    ceiling_s = CEILING_S + 1.0
    request_bytes = 0  # a connection is cut in its answers
    reply_bytes = 19
    reading_s = 0.0
    splits = 1
    stale_s = 0.0
    echo_told = False
    inside_silence = 0

    def __init__(self, rand: random.Random, sizes: FaultSizes) -> None:
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

    def unit_of(self, exchange: Exchange) -> int:
        return exchange.request[0]

    def profile(self, fingerprint: Fingerprint | None = None) -> Profile:
        return profile_of(self.period_s, fingerprint)

    def address(self, unit: int) -> str:  # noqa: ARG002
        return ""

    def _pick(self, unit: int) -> Fault:
        return self._armed[unit].pop(0) if self._armed[unit] else Fault.NONE


Wire: TypeAlias = RtuWire | ModbusTcpWire
MODBUS: Mapping[str, type[RtuWire | ModbusTcpWire]] = {
    "rtu": RtuWire,
    "tcp": ModbusTcpWire,
    "ascii": AsciiWire,
    "rtu-over-tcp": RtuOverTcpWire,
}
