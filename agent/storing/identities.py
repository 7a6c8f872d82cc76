"""Who the devices of a site are, as the chain's dictionary has it: what is known survives every restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from agent.block.record import DeviceEntry
from agent.storing.stored import Exchanged
from drivers.nameplate import is_another, merged

_MARK: Final = "in_force:"
"""State of the outbox: index of the entry in force of a device, where that is not the last one of its id."""
Key: TypeAlias = tuple[str, str]
"""Name in the site file and profile."""


class Identities:
    """What is known of each device, by name and profile.

    Args:
        entries: of the dictionary.
        mark_of: gives a mark that the outbox keeps, None if it was never set.
    """

    def __init__(self, entries: Sequence[DeviceEntry], mark_of: Callable[[str], int | None]) -> None:
        self._known: dict[Key, str | None] = {}
        self._marks: dict[str, int] = {}
        self._marked: set[str] = set()
        self._exchanged: dict[str, Exchanged] = {}
        for key, last in {(entry.name, entry.profile): entry for entry in entries}.items():
            index = mark_of(_mark(last)) if last.identity is not None else None
            if index is not None:
                self._marked.add(_mark(last))
            marked = entries[index] if index is not None and 0 <= index < len(entries) else last
            self._known[key] = marked.identity if marked.id == last.id else last.identity

    @property
    def exchanged(self) -> tuple[Exchanged, ...]:
        """Devices that were found to be others, in this run, the last of each."""
        return tuple(self._exchanged.values())

    def of(self, key: Key) -> str | None:
        """Give what is known of a device."""
        return self._known.get(key)

    def knows(self, key: Key, told: str) -> bool:
        """Tell whether ``told`` says nothing new."""
        return merged(self._known.get(key), told) == self._known.get(key)

    def learn(self, key: Key, told: str, mono_ms: int) -> bool:
        """Take in what a device says of itself; True if it is another one than before."""
        known = self._known.get(key)
        self._known[key] = merged(known, told)
        if not is_another(known, told):
            return False
        name = key[0]
        self._exchanged.pop(name, None)
        self._exchanged[name] = Exchanged(
            device=name, before=known or "", now=self._known[key] or "", mono_ms=mono_ms
        )
        return True

    def place(self, entry: DeviceEntry, index: int, entries: int) -> None:
        """Take note of which entry is in force: one that was there before, again, is not the last one of its id."""
        mark = _mark(entry)
        if index < entries - 1 or mark in self._marked:
            self._marked.add(mark)
            self._marks[mark] = index

    def take_marks(self) -> tuple[tuple[str, int], ...]:
        """Take out the marks that the outbox is to keep with the next block."""
        marks, self._marks = self._marks, {}
        return tuple(marks.items())


def _mark(entry: DeviceEntry) -> str:
    return f"{_MARK}{entry.id.hex()}"
