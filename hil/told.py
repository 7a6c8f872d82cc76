"""What simulated devices told against what the platform verified: the simulator's log, the collector's table.

A verified reading has to be what its device told last, before the reading was taken. The log knows nothing of
profiles, the table nothing of the simulator.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Final, TypeAlias

_QUESTION: Final = """
SELECT device.name, point.quantity, point.exponent, reading.value, block.mono_ms + reading.offset_ms
FROM reading JOIN block ON block.id = reading.id / 4096 JOIN point ON point.id = reading.point
JOIN device ON device.id = point.device WHERE reading.value IS NOT NULL
"""
Reading: TypeAlias = tuple[str, str, int, int | str | bytes, int]
"""Device, quantity, exponent, mantissa or text, CLOCK_BOOTTIME in milliseconds."""


def verified(collector_db: Path) -> list[Reading]:
    """Give every verified reading that has a value; none while there is no database."""
    try:
        with closing(sqlite3.connect(f"file:{collector_db}?mode=ro", uri=True, timeout=10)) as db:
            return list(db.execute(_QUESTION))
    except sqlite3.OperationalError:
        return []


class Told:
    """What each device's undamaged replies told, by the time of their first byte."""

    def __init__(self, journal: Path) -> None:
        """Read the log, the part before its last turn too."""
        self._told: dict[tuple[str, str], tuple[list[int], list[str]]] = {}
        older = journal.with_name(journal.name + ".1")
        for file in (older, journal) if older.exists() else (journal,):
            for text in file.read_text(encoding="utf-8").splitlines():
                row = json.loads(text)
                if row["device"] is not None and row["reply_start_ns"] is not None:
                    self._note(row["device"], row["reply_start_ns"] // 1_000_000, row["held"])

    def last(self, device: str, quantity: str, mono_ms: int) -> Decimal | None:
        """Give what ``device`` told last before ``mono_ms``, None if it has told nothing of it."""
        times, values = self._told.get((device, quantity), ([], []))
        index = bisect_right(times, mono_ms)
        return Decimal(values[index - 1]) if index else None

    def knows(self, device: str, quantity: str) -> bool:
        """Whether the device ever told this quantity; texts and states it does not tell."""
        return (device, quantity) in self._told

    def _note(self, device: str, at_ms: int, held: dict[str, str]) -> None:
        for quantity, value in held.items():
            times, values = self._told.setdefault((device, quantity), ([], []))
            times.append(at_ms)
            values.append(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Verified readings against what was told.

    Attributes:
        equal: by device, readings that are what it told.
        wrong: sentences about those that are not.
        untold: (device, quantity) of readings of which the simulator's log says nothing.
    """

    equal: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    untold: set[tuple[str, str]] = field(default_factory=set)


def compare_told(journal: Path, collector_db: Path) -> Comparison:
    """Compare every verified number with what its device told."""
    found, told = Comparison(), Told(journal)
    for reading in verified(collector_db):
        device, quantity, exponent, value, mono_ms = reading
        held = told.last(device, quantity, mono_ms)
        if held is None:
            found.untold.add((device, quantity))
        elif isinstance(value, int) and value == _mantissa(held, exponent):
            found.equal[device] += 1
        else:
            found.wrong.append(f"{device} {quantity} = {value!r} x 10^{exponent} at {mono_ms} ms, it told {held}")
    return found


def _mantissa(held: Decimal, exponent: int) -> Decimal:
    return held.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_EVEN).scaleb(-exponent)
