"""A second listener on a simulated line: a port of its own that gets every byte of both directions.

It shows what a listen-only bus hears, and counts what comes out of it: that has to be nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import tty
from pathlib import Path

from hil.characters import Characters
from hil.ptys import Wires
from hil.wire import LineCounters


class ListenerPort:
    """A pty on which a program listens; what it says is kept.

    Attributes:
        path: the symlink that it opens.
        said: what it sent.
        lost: bytes that it did not fetch in time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said = b""
        self.lost = 0
        self._lock = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self.replug()

    def hear(self, data: bytes) -> None:
        """Give it bytes of the line; they are gone while it is unplugged."""
        with self._lock:
            if self._ends is None:
                return
            try:
                sent = os.write(self._ends[0], data) if data else 0
            except BlockingIOError:
                sent = 0
            self.lost += len(data) - sent
            self._fetch(self._ends[0])

    def listen(self) -> bytes:
        """Fetch what it has said; give all of it so far."""
        with self._lock:
            if self._ends is not None:
                self._fetch(self._ends[0])
        return self.said

    def unplug(self) -> None:
        """Take the port away."""
        with self._lock:
            ends, self._ends = self._ends, None
            self.path.unlink(missing_ok=True)
            for end in ends or ():
                os.close(end)

    def replug(self) -> None:
        """Put a port there."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        with self._lock:
            self._ends = ours, theirs
            self.path.symlink_to(os.ttyname(theirs))

    def _fetch(self, ours: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.said += os.read(ours, 4096)


class Tee:
    """A line (``hil.ptys.Wires``) whose bytes of both directions also reach a listener.

    Args:
        line: the line.
        listener: who hears it too.
    """

    def __init__(self, line: Wires, listener: ListenerPort) -> None:
        self._line = line
        self._listener = listener
        self.settings: Characters = line.settings
        self.counters: LineCounters = line.counters

    def client_sent(self, data: bytes, now_ns: int, settings: Characters | None = None) -> None:
        """Take bytes that the client began to send."""
        self._listener.hear(data)
        self._line.client_sent(data, now_ns, settings)

    def client_changed(self, settings: Characters) -> None:
        """Take the client's new settings."""
        self._line.client_changed(settings)

    def next_ns(self) -> int | None:
        """Tell when ``advance`` has something to do."""
        return self._line.next_ns()

    def advance(self, now_ns: int) -> bytes:
        """Give the bytes whose characters are over."""
        data = self._line.advance(now_ns)
        self._listener.hear(data)
        return data

    def silence(self) -> None:
        """Forget what is on the wire."""
        self._line.silence()
