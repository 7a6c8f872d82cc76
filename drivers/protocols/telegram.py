"""What a meter told in one telegram, and the batch that becomes of it; for meters that send lists of named values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from drivers.batch import Batch, DeviceTime, DeviceTimeFlag, Value, in_columns
from drivers.decoded import Quantity
from drivers.named_values import NOTHING, sealed
from drivers.periods import by_period
from drivers.profile import Kind, Point
from drivers.sources import Read

_MOST_RAW_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTime:
    """A meter's own time of what it told.

    Attributes:
        utc_ms: UTC milliseconds since 1970 as it says; None if it names no zone, or counts seconds of its own.
        sequence: seconds that it has counted, None if it does not.
        unset: it says itself that its clock is not set.
    """

    utc_ms: int | None = None
    sequence: int | None = None
    unset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """What was told at once.

    Attributes:
        mono_ns: when its last byte was there.
        said: each value by its name.
        time: of the whole, None without one.
        times: of single values that have one of their own.
        raws: bytes of single values, just as they came; of those that prove something without the rest.
        raw: bytes of the whole, just as they came.
        plate: parts of ``Nameplate`` that the meter tells of itself.
    """

    mono_ns: int
    said: Mapping[str, Quantity]
    time: MeterTime | None = None
    times: Mapping[str, MeterTime] = field(default_factory=lambda: MappingProxyType({}))
    raws: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    raw: bytes = b""
    plate: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))


class NamedPlace(Protocol):
    """Where a point stands in a telegram."""

    @property
    def name(self) -> str:
        """Key of ``Telegram.said``, ``times`` and ``raws``."""
        ...

    def find(self, said: Mapping[str, Quantity]) -> Quantity:
        """Give what was said here; NOTHING if nothing was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The points of one period, which are read together."""

    read: Read
    points: tuple[Point, ...]
    places: tuple[NamedPlace, ...]

    def count(self, telegram: Telegram) -> int:
        """Give of how many of the points a telegram says something."""
        return sum(place.find(telegram.said) is not NOTHING for place in self.places)

    def batch(self, device: int, mono_ns: int, telegram: Telegram, *, earlier: bool = False) -> Batch:
        """Make the readings of ``telegram``; ``earlier`` if it was heard before this read began."""
        values, statuses = in_columns([sealed(point, place.find(telegram.said)) for point, place in self._pairs])
        return Batch(
            device=device,
            mono_ns=mono_ns,
            points=self.read.points,
            values=values,
            statuses=statuses,
            raws=tuple(self._raws(telegram)),
            device_times=tuple(self._times(telegram, values, earlier)),
        )

    def nothing(self, device: int, mono_ns: int) -> Batch:
        """Make the batch that says that the meter lives and has told nothing of these points."""
        return self.batch(device, mono_ns, Telegram(mono_ns=mono_ns, said={}))

    @property
    def _pairs(self) -> Iterator[tuple[Point, NamedPlace]]:
        return zip(self.points, self.places, strict=True)

    def _raws(self, telegram: Telegram) -> Iterator[tuple[int, bytes]]:
        """Give the bytes of the rows whose profile wants them kept, as far as they fit into a block."""
        for row, (point, place) in enumerate(self._pairs):
            raw = telegram.raws.get(place.name) or telegram.raw
            if point.keep_raw and 0 < len(raw) <= _MOST_RAW_BYTES:
                yield row, raw

    def _times(self, telegram: Telegram, values: Sequence[Value], earlier: bool) -> Iterator[DeviceTime]:
        """Give the meter's times. Seconds that it merely counts are kept beside counters alone, to spare room."""
        for row, ((point, place), value) in enumerate(zip(self._pairs, values, strict=True)):
            time = telegram.times.get(place.name) or telegram.time or MeterTime()
            told = time.utc_ms is not None or (time.sequence is not None and point.kind is Kind.COUNTER)
            if value is None or not (told or earlier):
                continue
            flags = DeviceTimeFlag.CLOCK_UNSET if time.unset else DeviceTimeFlag.NONE
            if earlier:
                flags |= DeviceTimeFlag.HISTORICAL
            yield DeviceTime(row=row, utc_ms=time.utc_ms, sequence=time.sequence, flags=flags)


def groups(
    points: Sequence[Point], places: Sequence[NamedPlace], *, request_bytes: int, reply_bytes: int
) -> tuple[Group, ...]:
    """Put the points of each period together; lengths are those on the wire."""
    found = []
    for period_s, indexes in by_period(points):
        found.append(
            Group(
                read=Read(points=indexes, period_s=period_s, request_bytes=request_bytes, reply_bytes=reply_bytes),
                points=tuple(points[i] for i in indexes),
                places=tuple(places[i] for i in indexes),
            )
        )
    return tuple(found)
