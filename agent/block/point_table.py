"""The point table of a dictionary, held small: a big site has tens of thousands of points of few models."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TypeAlias, overload

from agent.block.record import PointEntry

_Meaning: TypeAlias = tuple[str, str | None, int, int, int]
"""Quantity, unit, exponent, kind and class: what points of many devices have in common."""


class PointTable(Sequence[PointEntry]):
    """Entries by index; a value, never changed in place. An entry takes 16 bytes and is made when it is asked for."""

    __slots__ = ("_devices", "_meanings", "_shared")

    def __init__(self) -> None:
        self._devices = array("L")
        self._meanings: tuple[_Meaning, ...] = ()
        self._shared: dict[_Meaning, _Meaning] = {}  # one for all that grew from the same first entries

    def extended(self, entries: Iterable[PointEntry]) -> PointTable:
        """The table with ``entries`` behind its own."""
        table = PointTable()
        table._devices = self._devices[:]
        table._shared = self._shared if self._meanings else {}
        share = table._shared.setdefault
        meanings = []
        for entry in entries:
            meaning = (entry.quantity, entry.unit, entry.exponent, entry.kind, entry.klass)
            meanings.append(share(meaning, meaning))
            table._devices.append(entry.device)
        table._meanings = (*self._meanings, *meanings)
        return table

    def of_devices(self, wanted: Container[int]) -> Iterator[tuple[int, PointEntry]]:
        """Index and entry of each point of these devices."""
        for index, device in enumerate(self._devices):
            if device in wanted:
                yield index, _entry(device, self._meanings[index])

    def until(self, end: int) -> PointTable:
        """The table as it was when it had ``end`` entries."""
        table = PointTable()
        table._devices, table._meanings = self._devices[:end], self._meanings[:end]
        table._shared = self._shared
        return table

    def __len__(self) -> int:
        return len(self._meanings)

    def __iter__(self) -> Iterator[PointEntry]:
        return map(_entry, self._devices, self._meanings)

    @overload
    def __getitem__(self, index: int) -> PointEntry: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PointEntry, ...]: ...
    def __getitem__(self, index: int | slice) -> PointEntry | tuple[PointEntry, ...]:
        if isinstance(index, slice):
            return tuple(map(_entry, self._devices[index], self._meanings[index]))
        return _entry(self._devices[index], self._meanings[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PointTable):
            return NotImplemented
        return self._devices == other._devices and self._meanings == other._meanings

    def __hash__(self) -> int:
        return hash((self._devices.tobytes(), self._meanings))


def _entry(device: int, meaning: _Meaning) -> PointEntry:
    quantity, unit, exponent, kind, klass = meaning
    return PointEntry(device=device, quantity=quantity, unit=unit, exponent=exponent, kind=kind, klass=klass)
