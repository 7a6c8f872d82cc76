"""What happened on a simulated line, one JSON object a line; the file is turned over before it grows without end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from hil.wire import Exchange

_TURN_BYTES: Final = 16 * 1024 * 1024


class Journal:
    """Writes exchanges to ``path``; the stretch before the last turn stays beside it as ``path.1``.

    Several lines, each with its own thread, may write to one journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")
        self._bytes = 0

    def of(self, line: str, names: Mapping[int, str] | None = None) -> Callable[[Exchange], None]:
        """Give what the line of this name calls for each exchange; ``names`` are those of stations, by ``id``."""
        return partial(self.write, line, names or {})

    def write(self, line: str, names: Mapping[int, str], exchange: Exchange) -> None:
        """Add one exchange; it is in the file when this returns."""
        sender = names.get(id(exchange.sender))
        text = json.dumps({"line": line, "device": sender, **as_json(exchange)}) + "\n"
        with self._lock:
            self._add(text)

    def _add(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()
        self._bytes += len(text)
        if self._bytes > _TURN_BYTES:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("w", encoding="utf-8")
            self._bytes = 0

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def as_json(exchange: Exchange) -> dict[str, object]:
    """Give an exchange as the journal shows it: times in CLOCK_BOOTTIME nanoseconds, bytes in hex."""
    return {
        "n": exchange.number,
        "start_ns": exchange.start_ns,
        "end_ns": exchange.end_ns,
        "gap_ns": exchange.gap_ns,
        "inside_silence": exchange.inside_silence,
        "collided": exchange.collided,
        "unit": exchange.request[0],
        "baud": exchange.settings.baud,
        "parity": exchange.settings.parity,
        "request": exchange.request.hex(),
        "reply": exchange.reply.hex(),
        "reply_start_ns": exchange.reply_start_ns,
        "reply_end_ns": exchange.reply_end_ns,
        "fault": exchange.fault.value,
        "held": dict(exchange.held),
    }
