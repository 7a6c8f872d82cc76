"""SDI-12 sensors on one simulated line, and the device that reads the first of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from drivers.errors import DriverError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import Label, LineSettings, NamedLocation, Parity, Point, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device
from hil.characters import Characters
from hil.faults import Injector
from hil.memory import LineStream
from hil.sim.sdi12 import ADAPTER, LINE, Cell, Sdi12Sensor
from hil.virtualtime import VirtualClock, VirtualPause, here
from hil.wire import Exchange, Line

AT = {LINE: LineSettings(baud=1200, parity=Parity.EVEN, data_bits=7), ADAPTER: LineSettings(baud=9600)}


def moves(number: int) -> Callable[[float], float]:
    """A number that no other value and moment has."""
    return lambda t: number * 100 + int(t * 20) % 90_000 / 1000


MOVING = {
    group: tuple(Cell(name=f"v{number}", decimals=3, value=moves(number)) for number in range(1, count + 1))
    for group, count in (("", 3), ("1", 8), ("2", 12))
}


def profile_of(commands: Mapping[str, int], every_s: float = 20) -> Profile:
    """Read the first values of each command."""
    points = tuple(
        Point(
            name=f"{command}.v{number}", label=Label(en="x", zh="x"), unit="1", scale=Decimal(1), exponent=-3,
            place=NamedLocation(words=(("command", command), ("value", number))), period_s=every_s,
        )
        for command, count in commands.items()
        for number in range(1, count + 1)
    )  # fmt: skip
    return replace(load_profile(find_profile("generic/sdi12", builtin_roots())), points=points)


class Bench:
    """One device among sensors on one line."""

    def __init__(
        self,
        sensors: list[Sdi12Sensor],
        profile: Profile,
        *,
        injector: Injector | None = None,
        echo: bool = False,
        settings: Characters = LINE,
        line: LineSettings | None = None,
    ) -> None:
        self.log: list[Exchange] = []
        self.clock = VirtualClock(here())
        self.line = Line(
            sensors, settings=settings, injector=injector, echo=echo, on_exchange=self.log.append, speakers=sensors
        )
        self.stream = LineStream(self.line)
        self.profile = profile
        own = line or AT[settings]
        link = Link(
            self.stream, name="bench", clock=self.clock, pause=VirtualPause(self.clock), line=own, echo=echo
        )  # fmt: skip
        self.device = build_device(
            "sdi12", index=0, unit=0, address=sensors[0].address, profile=profile, link=RtuLink(link),
            clock=self.clock, settings=own,
        )  # fmt: skip
        self.errors: list[DriverError] = []
        self.bad: dict[str, int] = {}
        self.good = 0
        self.told: dict[str, set[Decimal]] = {}

    async def poll(self) -> None:
        for read in self.device.reads:
            begin = len(self.log)
            try:
                batch = await self.device.read(read)
            except DriverError as error:
                self.errors.append(error)
                continue
            self._compare(batch.points, batch.values, batch.statuses, self.log[begin:])

    def _compare(
        self, points: tuple[int, ...], values: tuple[object, ...], statuses: tuple[int, ...], said: list[Exchange]
    ) -> None:
        held = {name: value for one in said if one.sender is self.line.stations[0] for name, value in one.held}
        for index, value, status in zip(points, values, statuses, strict=True):
            point = self.profile.points[index]
            if is_bad(status):
                self.bad[point.name] = status
                continue
            assert isinstance(value, int)
            step = Decimal(1).scaleb(point.exponent)
            meant = Decimal(held.get(point.name) or held[point.name.rpartition(".")[2]]) * point.scale
            assert value * step == meant.quantize(step, ROUND_HALF_EVEN), (point.name, meant, value)
            self.good += 1

    @property
    def said(self) -> list[str]:
        """Commands, breaks as ``_``, service requests as ``.``."""
        return ["_" if one.request == b"\0" else one.request.decode("latin-1") or "." for one in self.log]


def bench(commands: Mapping[str, int], sensor: Sdi12Sensor | None = None, **kind: object) -> Bench:
    settings = kind.get("settings", LINE)
    assert isinstance(settings, Characters)
    one = sensor or Sdi12Sensor("0", MOVING, settings=settings)
    other = Sdi12Sensor("7", MOVING, settings=settings, began_ns=-(10**12))
    return Bench([one, other], profile_of(commands), **kind)  # type: ignore[arg-type]
