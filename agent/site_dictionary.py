"""What the chain's dictionary calls the devices and points of this site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.block.record import DeviceEntry, Event, PointEntry
from agent.block.seal import Writer
from agent.config import SiteDevice
from drivers.profile import PointClass

_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Points of one batch as the dictionary knows them.

    Attributes:
        points: their dictionary indexes.
        telemetry: rows that may be shed, ascending.
    """

    points: tuple[int, ...]
    telemetry: tuple[int, ...]


class SiteDictionary:
    """Registers the devices of the site and turns (device, point) of a batch into an index of the dictionary."""

    def __init__(self, writer: Writer, random: Callable[[int], bytes]) -> None:
        self._writer = writer
        self._random = random
        self._ids = {(entry.name, entry.profile): entry.id for entry in writer.position.tables.devices}
        self._indexes: tuple[tuple[int, ...], ...] = ()
        self._classes: tuple[tuple[PointClass, ...], ...] = ()
        self._placed: dict[tuple[int, tuple[int, ...]], Placed] = {}

    @property
    def indexes(self) -> tuple[tuple[int, ...], ...]:
        """Of each device of the site, the dictionary index of each of its points."""
        return self._indexes

    def register(self, devices: Sequence[SiteDevice], mono_ms: int) -> tuple[Event, ...]:
        """Take these as the site's devices from now on.

        A device keeps its random id as long as its name and profile are the same; whatever else changes is a new
        entry with an index of its own.

        Returns:
            The events 3 that have to be sealed before the first reading of what is new.
        """
        entries = [self._entry(device) for device in devices]
        points = (
            PointEntry(
                device=index,
                quantity=point.name,
                unit=point.unit,
                exponent=point.exponent,
                kind=int(point.kind),
                klass=int(point.klass),
            )
            for index, device in enumerate(devices)
            for point in device.profile.points
        )
        change = self._writer.dictionary_add(entries, points, mono_ms)
        indexes = iter(change.points)
        self._indexes = tuple(tuple(next(indexes) for _ in device.profile.points) for device in devices)
        shared: dict[int, tuple[PointClass, ...]] = {}  # devices of one model have one tuple
        for device in devices:
            profile = device.profile
            shared.setdefault(id(profile), tuple(point.klass for point in profile.points))
        self._classes = tuple(shared[id(device.profile)] for device in devices)
        self._placed.clear()
        return change.events

    def place(self, device: int, points: tuple[int, ...]) -> Placed | None:
        """Look up the points of a batch; None if the site has no such device or point (it was removed meanwhile)."""
        key = (device, points)
        placed = self._placed.get(key)
        if placed is None:
            if not 0 <= device < len(self._indexes) or not points:
                return None
            if not 0 <= min(points) <= max(points) < len(self._indexes[device]):
                return None
            classes = self._classes[device]
            placed = self._placed[key] = Placed(
                points=tuple(self._indexes[device][point] for point in points),
                telemetry=tuple(row for row, point in enumerate(points) if classes[point] is PointClass.TELEMETRY),
            )
        return placed

    def _entry(self, device: SiteDevice) -> DeviceEntry:
        key = (device.name, device.profile.id)
        if key not in self._ids:
            self._ids[key] = self._random(_ID_BYTES)
        return DeviceEntry(
            id=self._ids[key], name=device.name, profile=device.profile.id, profile_hash=device.profile.digest
        )
