"""When outputs were switched and clocks set, kept over restarts: what limits how often has to outlive the agent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

from agent.clock import SealingClock
from agent.durable import replace_file
from agent.errors import StorageError

_FILE: Final = "commands.json"
_MODE: Final = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """When something was done, by both clocks of that moment."""

    boot: str
    mono_ms: int
    utc_ms: int | None


class CommandMemory:
    """The moments, in a small file of the state folder."""

    def __init__(self, folder: Path, clock: SealingClock) -> None:
        self._path = folder / _FILE
        self._clock = clock

    async def elapsed_s(self, what: str) -> float | None:
        """Give the seconds since ``what`` was done, None if it never was.

        After a restart of the machine UTC tells; where that has gone backwards, since the start at least.

        Raises:
            StorageError: the file cannot be read: nobody knows.
        """
        done = (await asyncio.to_thread(self._load)).get(what)
        if done is None:
            return None
        now = self._clock.sample()
        if done.boot == now.boot.hex():
            return (now.mono_ms - done.mono_ms) / 1000
        if done.utc_ms is None or now.utc_ms is None or now.utc_ms < done.utc_ms:
            return now.mono_ms / 1000
        return (now.utc_ms - done.utc_ms) / 1000

    async def was_today(self, what: str, zone: tzinfo) -> bool:
        """Tell whether ``what`` was done on this day of ``zone``; raises like ``elapsed_s``."""
        done, now = (await asyncio.to_thread(self._load)).get(what), self._clock.sample()
        if done is None or done.utc_ms is None or now.utc_ms is None:
            return False
        return _day(done.utc_ms, zone) == _day(now.utc_ms, zone)

    async def remember(self, what: str) -> None:
        """Note that ``what`` is being done now; on the disk when this returns.

        Raises:
            StorageError: the disk refuses.
        """
        now = self._clock.sample()
        done = _Done(boot=now.boot.hex(), mono_ms=now.mono_ms, utc_ms=now.utc_ms)
        await asyncio.to_thread(self._store, what, done)

    def _load(self) -> dict[str, _Done]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error
        try:
            return {what: _Done(**fields) for what, fields in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise StorageError(f"{self._path} is damaged: remove it once the devices have rested") from error

    def _store(self, what: str, done: _Done) -> None:
        known = self._load() | {what: done}
        fields = {
            name: {"boot": one.boot, "mono_ms": one.mono_ms, "utc_ms": one.utc_ms} for name, one in known.items()
        }
        try:
            replace_file(self._path, json.dumps(fields).encode(), mode=_MODE)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from error


def _day(utc_ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone).date().isoformat()
