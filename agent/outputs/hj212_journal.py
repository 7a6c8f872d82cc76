"""Reports on disk until the bureau has acknowledged them, and for questions about the past: one file, appended to.

Each line is checked by its own CRC, so what a power cut or a kill tears off is the last line alone. A line is on disk
(fsync) when ``append`` returns. The file is written anew when most of it is no longer needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zlib import crc32

from agent.errors import StorageError
from agent.outputs.hj212_record import Record, from_words, to_words
from agent.outputs.hj212_settings import BureauSettings, Report

MOST_WAITING: Final = 20_000
"""Reports that wait for an acknowledgement at most: four months of ten minutes."""
_REWRITE_BYTES: Final = 256 * 1024
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


class Journal:
    """The file. Every method waits for the disk: not for the loop.

    Args:
        path: of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = self._fresh_size = 0
        self._cut = False  # the last line may have been written in part

    def load(self) -> Kept:
        """Read what is there.

        Raises:
            StorageError: the disk refuses.
        """
        kept = Kept()
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            raw = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise _refused(self._path, error) from error
        for line in raw.split(b"\n"):
            if not line:
                continue
            said = _read(line)
            if said is None:
                kept.torn += 1
            else:
                kept.take(said)
        self._size = self._fresh_size = len(raw)
        self._cut = bool(raw) and not raw.endswith(b"\n")
        return kept

    def append(self, lines: Iterable[list[object]]) -> None:
        """Add lines; they are on disk when this returns.

        Raises:
            StorageError: the disk refuses; the lines may or may not be there, and may be added again.
        """
        data = b"\n" * self._cut + b"".join(_written(line) for line in lines)
        self._cut = True
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                _write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise _refused(self._path, error) from error
        self._size += len(data)
        self._cut = False

    @property
    def is_long(self) -> bool:
        """Whether it is time to ask whether most of it is still needed."""
        return self._size > max(_REWRITE_BYTES, 2 * self._fresh_size)

    def rewrite(self, kept: Kept) -> None:
        """Write ``kept`` alone; the old file stays until the new one is on disk.

        Raises:
            StorageError: the disk refuses; the old file is as it was.
        """
        data = b"".join(_written(line) for line in kept.lines())
        fresh = self._path.with_suffix(".new")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            try:
                _write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
            fresh.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _refused(self._path, error) from error
        self._size = self._fresh_size = len(data)
        self._cut = False


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _written(line: list[object]) -> bytes:
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (crc32(text), text)


def _read(line: bytes) -> list[object] | None:
    check, _, text = line.partition(b" ")
    try:
        if int(check, 16) != crc32(text):
            return None
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, list) and said else None


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


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: {os.strerror(error.errno) if error.errno else error}")
