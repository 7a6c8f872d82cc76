"""SDI-12 sensors (version 1.4), at 1200 Bd 7E1 on the line itself or at any speed through an adapter. Only reading.

A measurement with M holds the line until its service request, as the standard wants, up to 999 s. One with C does
not: it is begun in one read and fetched in a later one. So its points are looked at more often than they are due,
mostly without a word on the line; a reading is at most one look, 5 s, older than the end of the measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

from drivers.batch import Batch, in_columns
from drivers.decoded import Quantity
from drivers.errors import DriverError
from drivers.keeping import kept
from drivers.named_values import NOTHING, sealed
from drivers.profile import Point, Profile
from drivers.protocols.sdi12_decode import read_sdi12
from drivers.protocols.sdi12_example import covered
from drivers.protocols.sdi12_place import Command, Place, check_places, place_of, read_address
from drivers.protocols.sdi12_scan import Sdi12Prober
from drivers.protocols.sdi12_talk import NS, Taken, Talk, is_lost
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol

_LOOK_S: Final = 5
_LOOKS: Final = 4
"""In a period, at least."""
_REQUEST_BYTES: Final = 7  # aM! and aD0!
_REPLY_BYTES: Final = 50
_PATIENCE_LOOKS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One measurement with the points that are wanted of it.

    Attributes:
        period_s: how often it is wanted; the read may come more often.
    """

    read: Read
    command: Command
    period_s: float
    points: tuple[Point, ...]
    places: tuple[Place, ...]

    @property
    def look_ns(self) -> int:
        """Time between two reads."""
        return round(self.read.period_s * NS)

    def batch(self, device: int, mono_ns: int, taken: Taken) -> Batch:
        """Make the readings; a value that the sensor does not have is none."""
        values, statuses = in_columns(
            [sealed(point, _said(place, taken)) for point, place in zip(self.points, self.places, strict=True)]
        )
        return Batch(
            device=device,
            mono_ns=mono_ns,
            points=self.read.points,
            values=values,
            statuses=statuses,
            raws=kept(self.points, lambda _row: taken.raw),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A concurrent measurement that was begun."""

    planned: _Planned
    count: int
    ready_ns: int


class Sdi12Device:
    """One sensor; a ``LinkedDevice`` of ``drivers.wire_protocol``, and an ``IdentifiedDevice``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that the standard does not know."""
        self._index = placed.index
        self._clock = placed.clock
        self._talk = Talk(placed)
        self._planned = {planned.read.points: planned for planned in _plan(placed.profile)}
        self._reads = tuple(planned.read for planned in self._planned.values())
        self._known = False
        self._running: _Running | None = None
        self._next_ns: dict[tuple[int, ...], int] = {}

    @property
    def reads(self) -> Sequence[Read]:
        """One measurement for the points of each command and period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """See ``IdentifiedDevice``: asked for at first, and whenever an exchange has failed."""
        return self._talk.plate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._talk.line = line
        self._lose()

    async def read(self, read: Read) -> Batch:
        """Measure, or look after a concurrent measurement: a batch without rows while there is nothing new.

        Raises as ``Device.read`` says; DeviceFailedError for a measurement that was broken off.
        """
        planned = self._planned[read.points]
        try:
            taken = await (self._concurrent(planned) if planned.command.concurrent else self._at_once(planned))
        except DriverError as error:
            self._running = None
            if is_lost(error):
                self._lose()
            raise
        now_ns = self._clock.mono_ns()
        if taken is None:
            return Batch(device=self._index, mono_ns=now_ns, points=(), values=(), statuses=())
        return planned.batch(self._index, now_ns, taken)

    async def probe(self) -> None:
        """Ask whether it is there. Raises like ``read``."""
        self._running = None  # any command to the sensor breaks it off
        await self._talk.acknowledge()

    def _lose(self) -> None:
        self._known = False
        self._running = None

    async def _be_known(self) -> None:
        if not self._known:
            await self._talk.identify()
            self._known = True

    async def _at_once(self, planned: _Planned) -> Taken:
        await self._be_known()
        return await self._talk.measure(planned.command)

    async def _concurrent(self, planned: _Planned) -> Taken | None:
        """Begin the measurement when it is due, fetch it when it is ready; None in between."""
        now_ns, running = self._clock.mono_ns(), self._running
        if running is not None and running.planned is not planned:
            if now_ns < running.ready_ns + _PATIENCE_LOOKS * running.planned.look_ns:
                return None  # a second one would break the first off
            running = None
        if running is None:
            running = await self._begin(planned, now_ns)
        if running is None or self._clock.mono_ns() < running.ready_ns:
            return None
        taken = await self._talk.fetch(planned.command, running.count)
        self._running = None
        return taken

    async def _begin(self, planned: _Planned, now_ns: int) -> _Running | None:
        points = planned.read.points
        if now_ns < self._next_ns.get(points, now_ns):
            return None
        self._running = None
        await self._be_known()
        seconds, count = await self._talk.begin(planned.command)
        self._next_ns[points] = now_ns + round(planned.period_s * NS) - planned.look_ns // 2
        self._running = _Running(planned=planned, count=count, ready_ns=self._clock.mono_ns() + seconds * NS)
        return self._running


def _said(place: Place, taken: Taken) -> Quantity:
    if place.value > len(taken.values):
        return NOTHING
    return Quantity(quantity="value", value=taken.values[place.value - 1])


def _plan(profile: Profile) -> Iterator[_Planned]:
    """Put together what one command brings and is wanted equally often."""
    points = profile.points
    places = [place_of(point, profile.id) for point in points]

    def group(index: int) -> tuple[float, str]:
        return points[index].period_s, places[index].command.text

    for (period_s, text), grouped in groupby(sorted(range(len(points)), key=group), key=group):
        indexes, command = tuple(grouped), Command(text)
        looks = max(_LOOKS, math.ceil(period_s / _LOOK_S)) if command.concurrent else 1
        yield _Planned(
            read=Read(
                points=indexes,
                period_s=period_s / looks,
                request_bytes=_REQUEST_BYTES,
                reply_bytes=_REPLY_BYTES,
            ),
            command=command,
            period_s=period_s,
            points=tuple(points[i] for i in indexes),
            places=tuple(places[i] for i in indexes),
        )


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "sdi12": WireProtocol(
        build=Sdi12Device,
        check=check_places,
        covered=covered,
        decoders={"sdi12": read_sdi12},
        address=read_address,
        prober=Sdi12Prober(),
        listening="drivers.protocols.sdi12_listen",
    ),
})  # fmt: skip
