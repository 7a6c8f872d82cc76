"""A meter that sends by itself, on the simulated line and under a shipped profile; every value is compared."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from drivers.batch import Batch
from drivers.errors import DriverError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device
from drivers.sources import IdentifiedDevice
from hil.characters import Characters
from hil.faults import Injector
from hil.memory import LineStream
from hil.virtualtime import VirtualClock, VirtualPause, here
from hil.wire import Exchange, Line, Speaker

_LATEST = 12


class ListeningBench:
    """One meter on one line; ``poll`` reads what is due at once."""

    def __init__(
        self,
        model: str,
        speakers: list[Speaker],
        settings: Characters,
        *,
        injector: Injector | None = None,
        address: str = "ANY",
        step: int = 16,
    ) -> None:
        self.log: list[Exchange] = []
        self.clock = VirtualClock(here())
        self.line = Line(
            [], settings=settings, injector=injector, on_exchange=self.log.append, speakers=speakers, step=step
        )
        self.stream = LineStream(self.line)
        self.profile: Profile = load_profile(find_profile(model, builtin_roots()))
        link = Link(
            self.stream, name="head", clock=self.clock, pause=VirtualPause(self.clock), line=self.profile.line
        )
        self.link = RtuLink(link)
        self.device = build_device(
            self.profile.protocol, index=0, unit=0, address=address, profile=self.profile, link=self.link,
            clock=self.clock,
        )  # fmt: skip
        self.values: dict[str, object] = {}
        self.bad: dict[str, int] = {}
        self.batches: list[Batch] = []
        self.good = 0
        self.errors: list[DriverError] = []

    @property
    def identity(self) -> str | None:
        assert isinstance(self.device, IdentifiedDevice)
        return self.device.identity

    async def poll(self) -> None:
        for read in self.device.reads:
            try:
                batch = await self.device.read(read)
            except DriverError as error:
                self.errors.append(error)
                continue
            self.batches.append(batch)
            self._compare(batch)

    def _compare(self, batch: Batch) -> None:
        """All values of one batch are those of one telegram that was sent not long ago."""
        read: dict[str, Decimal] = {}
        for index, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
            point = self.profile.points[index]
            if is_bad(status):
                self.bad[point.name] = status
                continue
            self.values[point.name] = value
            if isinstance(value, int) and point.unit is not None:
                read[point.name] = value * Decimal(1).scaleb(point.exponent)
        assert not read or any(self._agrees(read, dict(one.held)) for one in self.log[-_LATEST:]), read
        self.good += len(read)

    def _agrees(self, read: dict[str, Decimal], held: dict[str, str]) -> bool:
        units = {point.name: Decimal(1).scaleb(point.exponent) for point in self.profile.points}
        return all(
            name not in held or Decimal(held[name]).quantize(units[name], ROUND_HALF_EVEN) == value
            for name, value in read.items()
        )
