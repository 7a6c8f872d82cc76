"""The Modbus framings of the matrix, a simulated wire each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TypeAlias

from drivers.errors import LinkDownError
from drivers.link import Link
from drivers.link_ascii import AsciiLink
from drivers.link_rtu import RtuLink
from drivers.link_tcp import TcpLink
from drivers.profile import Fingerprint, Framing, Profile
from drivers.registry import AnyLink
from hil.characters import Characters
from hil.faults import Fault, FaultSizes, Injector
from hil.tcp_wire import TcpUnit, TcpWire
from hil.virtualtime import VirtualClock, VirtualPause, here
from hil.wire import Exchange, Line
from tests.hil.fault_matrix.polled_profile import CEILING_S, line_settings, profile_of
from tests.hil.fault_matrix.pulled import DelayedStream, PulledStream
from tests.hil.fault_matrix.units import UNITS, AsciiUnit, Suffering, Unit, image

WITHIN_REACH = FaultSizes(late_ns=(210_000_000, 900_000_000), babble_bytes=80)
BEHIND_A_NETWORK = FaultSizes(late_ns=(1_300_000_000, 1_900_000_000), babble_bytes=80)
LATER_THAN_ANY = FaultSizes(late_ns=(1_500_000_000, 2_500_000_000))  # a converter has until 1.2 s


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
