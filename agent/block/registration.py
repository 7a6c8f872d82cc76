"""Giving devices and points their place in the dictionary, once and for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.block import events
from agent.block.dictionary import Step, Tables, add_value, check_add, encode_add
from agent.block.record import DeviceEntry, DictionaryAdd, Event, PointEntry

Entry = TypeVar("Entry", DeviceEntry, PointEntry)

_ADD_BYTES: Final = 16 * 1024
"""A longer addition is cut, so that no single event 3 fills a block."""
_ENTRY_BYTES: Final = 24
"""What an entry takes beside its texts: its array, heads of texts, index, exponent, kind and class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryChange:
    """What the dictionary calls the devices and points that were asked for.

    Attributes:
        events: events 3 to seal, in this order, before or with the first reading of a new point.
        devices: dictionary index of each device asked for, in the order asked.
        points: dictionary index of each point asked for, in the order asked.
        steps: how far the dictionary has grown with each of the events.
    """

    events: tuple[Event, ...]
    devices: tuple[int, ...]
    points: tuple[int, ...]
    steps: tuple[Step, ...]


def register(
    tables: Tables, devices: Sequence[DeviceEntry], points: Iterable[PointEntry], mono_ms: int
) -> tuple[Tables, DictionaryChange]:
    """Look entries up, append what is new; equal entries share an index, a changed one gets a new one.

    Args:
        tables: as planned so far.
        devices: entries as they are now.
        points: entries whose ``device`` is an index into ``devices``.
        mono_ms: time of the events.

    Returns:
        The tables with everything in them, and the change.

    Raises:
        ContentError: an entry that the format does not allow (a name too long, an exponent out of range).
    """
    device_indexes, new_devices = _place(devices, enumerate(tables.devices), len(tables.devices))
    known = set(device_indexes)
    held = tables.points.of_devices(known) if min(known, default=0) < len(tables.devices) else ()
    placed = (_on(point, device_indexes[point.device]) for point in points)
    point_indexes, new_points = _place(placed, held, len(tables.points))
    found: list[Event] = []
    steps: list[Step] = []
    for part_devices, part_points in _parts(new_devices, new_points):
        addition = DictionaryAdd(
            first_device=len(tables.devices),
            devices=part_devices,
            first_point=len(tables.points),
            points=part_points,
        )
        check_add(add_value(addition))  # refuses what the format does not allow
        tables = tables.add(addition)
        found.append(events.dictionary(mono_ms, addition))
        steps.append(tables.step)
    change = DictionaryChange(events=tuple(found), devices=device_indexes, points=point_indexes, steps=tuple(steps))
    return tables, change


def check(devices: Sequence[DeviceEntry], points: Sequence[PointEntry]) -> None:
    """Refuse what ``register`` would refuse of these entries.

    Raises:
        ContentError: an entry that the format does not allow.
    """
    addition = DictionaryAdd(first_device=0, devices=tuple(devices), first_point=0, points=tuple(points))
    check_add(add_value(addition))


def _on(point: PointEntry, device: int) -> PointEntry:
    """The same point of the device with this index; ``dataclasses.replace`` takes five times as long."""
    if point.device == device:
        return point
    return PointEntry(
        device=device,
        quantity=point.quantity,
        unit=point.unit,
        exponent=point.exponent,
        kind=point.kind,
        klass=point.klass,
    )


_Parts = Iterator[tuple[tuple[DeviceEntry, ...], tuple[PointEntry, ...]]]


def _place(
    entries: Iterable[Entry], held: Iterable[tuple[int, Entry]], end: int
) -> tuple[tuple[int, ...], list[Entry]]:
    """Index of each entry, and the entries that ``held`` lacks, each once; these are counted from ``end`` on.

    ``entries`` is walked once and not kept: a big site has tens of thousands of points.
    """
    known = {entry: index for index, entry in held}
    new: list[Entry] = []
    indexes: list[int] = []
    for entry in entries:
        index = known.get(entry)
        if index is None:
            index = known[entry] = end + len(new)
            new.append(entry)
        indexes.append(index)
    return tuple(indexes), new


def _parts(devices: Sequence[DeviceEntry], points: Sequence[PointEntry]) -> _Parts:
    """One addition if it is short; else devices before points, a few kilobytes at a time."""
    if not devices and not points:
        return
    if _size(devices, points) <= _ADD_BYTES:
        yield tuple(devices), tuple(points)
        return
    for part in _cut(devices, _device_bytes):
        yield tuple(part), ()
    for cut in _cut(points, _point_bytes):
        yield (), tuple(cut)


def _size(devices: Sequence[DeviceEntry], points: Sequence[PointEntry]) -> int:
    return len(encode_add(DictionaryAdd(first_device=0, devices=tuple(devices), first_point=0, points=tuple(points))))


def _cut(entries: Sequence[Entry], size_of: Callable[[Entry], int]) -> Iterator[list[Entry]]:
    part: list[Entry] = []
    used = 0
    for entry in entries:
        size = size_of(entry)
        if part and used + size > _ADD_BYTES:
            yield part
            part, used = [], 0
        part.append(entry)
        used += size
    if part:
        yield part


def _device_bytes(entry: DeviceEntry) -> int:
    """At most so many bytes does an entry take; encoding each by itself took most of a start."""
    texts = (entry.name + entry.profile + (entry.identity or "")).encode()
    return _ENTRY_BYTES + len(entry.id) + len(entry.profile_hash) + len(texts)


def _point_bytes(entry: PointEntry) -> int:
    return _ENTRY_BYTES + len((entry.quantity + (entry.unit or "")).encode())
