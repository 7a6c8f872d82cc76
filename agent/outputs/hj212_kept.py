"""What is known of the past and still to be told, and the lines that say so; what is on disk is ``hj212_journal``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from agent.outputs.hj212_record import Record, from_words, to_words
from agent.outputs.hj212_settings import BureauSettings, Report

MOST_WAITING: Final = 20_000
"""Reports that wait for an acknowledgement at most: four months of ten minutes."""
_RECORD, _DONE, _STATE, _SETTINGS, _LOST = "R", "A", "S", "B", "L"
Key = tuple[Report, str]


@dataclass(slots=True, kw_only=True)
class Kept:
    """What the file says.

    Attributes:
        records: by what they are about, in the order they were made.
        waiting: those that are not acknowledged, in that order.
        lost: reports that were given up, since too many waited.
        state: of the period that ran, see ``Periods.state``; empty for none.
        settings: what the bureau set last, None for nothing; usual: what the site file said then.
        torn: lines that could not be read.
    """

    records: dict[Key, Record] = field(default_factory=dict)
    waiting: dict[Key, None] = field(default_factory=dict)
    lost: int = 0
    state: str = ""
    settings: BureauSettings | None = None
    usual: BureauSettings | None = None
    torn: int = 0

    def take(self, line: list[object]) -> None:
        """Take one line in."""
        kind, *words = line
        if kind == _RECORD and (record := from_words(words)) is not None:
            self.records[record.key] = record
            self.waiting[record.key] = None
        elif kind == _DONE:
            with suppress(ValueError):
                self.waiting.pop((Report(words[0]), str(words[1])), None)
        elif kind == _STATE:
            self.state = str(words[0])
        elif kind == _LOST:
            self.lost = int(str(words[0]))
        elif kind == _SETTINGS:
            self.settings, self.usual = _settings(words[:5]), _settings(words[5:])

    def first(self) -> Record | None:
        """Give the oldest report that waits."""
        key = next(iter(self.waiting), None)
        return None if key is None else self.records[key]

    def past(self, report: Report, first: str, last: str) -> tuple[Record, ...]:
        """Give the reports of periods that began from ``first`` to ``last``, oldest first."""
        found = (one for one in self.records.values() if one.report is report and first <= one.start <= last)
        return tuple(sorted(found, key=lambda record: record.start))

    def drop(self, before: str) -> None:
        """Forget acknowledged reports of periods that began before ``before``."""
        for key in [key for key in self.records if key[1] < before and key not in self.waiting]:
            del self.records[key]

    def lines(self) -> Iterator[list[object]]:
        """Give the lines that say all this."""
        for key, record in self.records.items():
            yield [_RECORD, *to_words(record)]
            if key not in self.waiting:
                yield [_DONE, key[0].value, key[1]]
        if self.lost:
            yield [_LOST, self.lost]
        if self.state:
            yield [_STATE, self.state]
        if self.settings is not None and self.usual is not None:
            yield settings_line(self.settings, self.usual)


def record_line(record: Record) -> list[object]:
    """Say that there is a report."""
    return [_RECORD, *to_words(record)]


def done_line(key: Key) -> list[object]:
    """Say that it needs no sending any more."""
    return [_DONE, key[0].value, key[1]]


def state_line(state: str) -> list[object]:
    """Say how far the period that runs is."""
    return [_STATE, state]


def lost_line(count: int) -> list[object]:
    """Say how many reports were given up so far."""
    return [_LOST, count]


def settings_line(settings: BureauSettings, usual: BureauSettings) -> list[object]:
    """Say what the bureau set, and what the site file said then."""
    line: list[object] = [_SETTINGS]
    for one in (settings, usual):
        line += [one.overtime_s, one.recount, one.realtime_s, one.realtime_on, one.minute_s]
    return line


def _settings(words: list[object]) -> BureauSettings | None:
    try:
        overtime, recount, realtime, on, minute = words
        return BureauSettings(
            overtime_s=float(str(overtime)),
            recount=int(str(recount)),
            realtime_s=float(str(realtime)),
            realtime_on=bool(on),
            minute_s=int(str(minute)),
        )
    except ValueError:
        return None
