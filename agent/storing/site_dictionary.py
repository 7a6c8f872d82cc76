"""What the chain's dictionary calls the devices and points of this site."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.block.record import DeviceEntry, Event, EventKind, PointEntry
from agent.block.seal import Writer
from agent.config import SiteDevice
from agent.storing.identities import Identities
from agent.storing.stored import Exchanged
from drivers.profile import PointClass, Profile

_ID_BYTES: Final = 8
_AT_ONCE: Final = 500
"""So many new points are told without waiting for their readings: no block gets late or large by them."""
_PORTION: Final = 16
"""Devices that are told in one go: what telling them needs is forgotten before the next ones."""


def _no_mark(_key: str) -> int | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Points of one batch as the dictionary knows them.

    Attributes:
        points: their dictionary indexes.
        telemetry: rows that may be shed, ascending.
    """

    points: Sequence[int]
    telemetry: tuple[int, ...]


class SiteDictionary:
    """Registers the devices of the site and turns (device, point) of a batch into an index of the dictionary.

    A device that is new gets its indexes at once. On a big site the events that tell it to the platform are made when
    its first reading is to be sealed, or by ``rest``: the first block does not wait for all of them.
    """

    def __init__(
        self, writer: Writer, random: Callable[[int], bytes], mark_of: Callable[[str], int | None] = _no_mark
    ) -> None:
        self._writer = writer
        self._random = random
        self._ids = {(entry.name, entry.profile): entry.id for entry in writer.position.tables.devices}
        self._identities = Identities(writer.position.tables.devices, mark_of)
        self._devices: tuple[SiteDevice, ...] = ()
        self._indexes: tuple[Sequence[int], ...] = ()
        self._owed: dict[int, DeviceEntry] = {}  # by index of the site, ascending as the dictionary will be
        self._classes: tuple[tuple[PointClass, ...], ...] = ()
        self._placed: dict[tuple[int, tuple[int, ...]], Placed] = {}
        self._telemetry: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}

    @property
    def indexes(self) -> tuple[Sequence[int], ...]:
        """Of each device of the site, the dictionary index of each of its points."""
        return self._indexes

    @property
    def owes(self) -> bool:
        """Whether devices have not been told yet."""
        return bool(self._owed)

    def register(self, devices: Sequence[SiteDevice], mono_ms: int) -> tuple[Event, ...]:
        """Take these as the site's devices from now on.

        A device keeps its random id as long as its name and profile are the same; whatever else changes is a new
        entry with an index of its own.

        Returns:
            The events 3 that have to be sealed first: of what was owed, of what changed, and of what is new if it is
            little.

        Raises:
            SealError: an entry that the format does not allow.
        """
        events = self.rest(mono_ms)
        self._devices = tuple(devices)
        entries = [self._entry(device) for device in devices]
        held = set(self._writer.planned.devices)
        self._owed = {index: entry for index, entry in enumerate(entries) if entry not in held}
        if len(set(self._owed.values())) < len(self._owed):  # one of them twice: they share what they have
            self._owed = {}
        old = [index for index in range(len(devices)) if index not in self._owed]
        change = self._writer.dictionary_add([entries[index] for index in old], self._points(old), mono_ms)
        known = iter(change.points)
        indexes: dict[int, Sequence[int]] = {
            index: _shortest([next(known) for _ in devices[index].profile.points]) for index in old
        }
        indexes |= self._reserve()
        self._indexes = tuple(indexes[index] for index in range(len(devices)))
        shared: dict[int, tuple[PointClass, ...]] = {}  # devices of one model have one tuple
        for device in devices:
            profile = device.profile
            shared.setdefault(id(profile), tuple(point.klass for point in profile.points))
        self._classes = tuple(shared[id(device.profile)] for device in devices)
        self._placed.clear()
        self._telemetry.clear()
        few = sum(len(devices[index].profile.points) for index in self._owed) <= _AT_ONCE
        return events + change.events + (self.rest(mono_ms) if few else ())

    @property
    def exchanged(self) -> tuple[Exchanged, ...]:
        """Devices that were found to be others, in this run, the last of each."""
        return self._identities.exchanged

    def take_marks(self) -> tuple[tuple[str, int], ...]:
        """Take out the marks that the outbox is to keep with the next block."""
        return self._identities.take_marks()

    def identify(self, device: int, told: str, mono_ms: int) -> tuple[Event, ...]:
        """Take in who a device says it is.

        Returns:
            The events to seal before its next reading: nothing if that was known; the new entry; event 17 too if it
            was another one before. Readings get the indexes of the new entry from now on.
        """
        if not 0 <= device < len(self._devices):
            return ()
        site = self._devices[device]
        key = (site.name, site.profile.id)
        if self._identities.knows(key, told):
            return ()
        events = self.rest(mono_ms)  # the next indexes are reserved for what is owed
        before = self._entry(site)
        another = self._identities.learn(key, told, mono_ms)
        entry = self._entry(site)
        change = self._writer.dictionary_add([entry], _entries(site.profile, 0), mono_ms)
        (now,) = change.devices
        self._identities.place(entry, now, len(self._writer.planned.devices))
        indexes = list(self._indexes)
        indexes[device] = _shortest(list(change.points))
        self._indexes = tuple(indexes)
        self._placed = {place: placed for place, placed in self._placed.items() if place[0] != device}
        events += change.events
        if another:
            fields = (self._writer.planned.devices.index(before), now)
            events += (Event(kind=EventKind.DEVICE_IDENTITY, mono_ms=mono_ms, fields=fields),)
        return events

    def tell(self, device: int, mono_ms: int, least: int = 1) -> tuple[Event, ...]:
        """Give the events 3 without which no reading of ``device`` can be sealed; none if it was told before.

        Args:
            device: index of the site.
            mono_ms: time of the events.
            least: of the devices that are owed, tell so many at least.
        """
        if device not in self._owed:
            return ()
        wanted = [index for position, index in enumerate(self._owed) if index <= device or position < least]
        return self._told(wanted, mono_ms)

    def some(self, mono_ms: int, most: int) -> tuple[Event, ...]:
        """Give the events 3 of the first ``most`` devices that are owed."""
        return self._told(list(self._owed)[:most], mono_ms)

    def rest(self, mono_ms: int) -> tuple[Event, ...]:
        """Give the events 3 of every device that is owed."""
        return self._told(list(self._owed), mono_ms)

    def place(self, device: int, points: tuple[int, ...]) -> Placed | None:
        """Look up the points of a batch; None if the site has no such device or point (it was removed meanwhile)."""
        key = (device, points)
        placed = self._placed.get(key)
        if placed is None:
            if not 0 <= device < len(self._indexes) or not points:
                return None
            indexes = self._indexes[device]
            if not 0 <= min(points) <= max(points) < len(indexes):
                return None
            placed = self._placed[key] = Placed(
                points=_shortest([indexes[point] for point in points]), telemetry=self._rows(device, points)
            )
        return placed

    def _rows(self, device: int, points: tuple[int, ...]) -> tuple[int, ...]:
        """Rows of telemetry in a batch of ``points``, one tuple for all devices of a model."""
        classes = self._classes[device]
        key = (id(classes), points)
        if key not in self._telemetry:
            self._telemetry[key] = tuple(
                row for row, point in enumerate(points) if classes[point] is PointClass.TELEMETRY
            )
        return self._telemetry[key]

    def _reserve(self) -> dict[int, range]:
        """Indexes for the points of what is owed: the next ones, in this order."""
        profiles = {id(self._devices[index].profile): self._devices[index].profile for index in self._owed}
        for profile in profiles.values():
            self._writer.dictionary_check((), tuple(_entries(profile, 0)))
        self._writer.dictionary_check(tuple(self._owed.values()), ())
        end = len(self._writer.planned.points)
        found = {}
        for index in self._owed:
            start, end = end, end + len(self._devices[index].profile.points)
            found[index] = range(start, end)
        return found

    def _told(self, wanted: Sequence[int], mono_ms: int) -> tuple[Event, ...]:
        events: list[Event] = []
        for start in range(0, len(wanted), _PORTION):
            portion = wanted[start : start + _PORTION]
            entries = [self._owed.pop(index) for index in portion]
            events += self._writer.dictionary_add(entries, self._points(portion), mono_ms).events
        return tuple(events)

    def _points(self, wanted: Sequence[int]) -> Iterator[PointEntry]:
        for position, index in enumerate(wanted):
            yield from _entries(self._devices[index].profile, position)

    def _entry(self, device: SiteDevice) -> DeviceEntry:
        key = (device.name, device.profile.id)
        if key not in self._ids:
            self._ids[key] = self._random(_ID_BYTES)
        return DeviceEntry(
            id=self._ids[key],
            name=device.name,
            profile=device.profile.id,
            profile_hash=device.profile.digest,
            identity=self._identities.of(key),
        )


def _entries(profile: Profile, device: int) -> Iterator[PointEntry]:
    for point in profile.points:
        yield PointEntry(
            device=device,
            quantity=point.name,
            unit=point.unit,
            exponent=point.exponent,
            kind=int(point.kind),
            klass=int(point.klass),
        )


def _shortest(indexes: list[int]) -> Sequence[int]:
    """The same numbers as a range where they are one: 40 bytes a point less."""
    if not indexes:
        return ()
    whole = range(indexes[0], indexes[0] + len(indexes))
    return whole if indexes == list(whole) else tuple(indexes)
