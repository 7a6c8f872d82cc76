"""The simulator at the right-hand port: a thread between the port and a ``FarLine``."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import serial

from hil.characters import Characters
from hil.faults import FaultSizes, Injector
from hil.pair.far_line import FarLine
from hil.ptys import now_ns
from hil.wire import Exchange, Station

_IDLE_S: Final = 0.5
_MS: Final = 1_000_000
SIZES: Final = FaultSizes(late_ns=(210 * _MS, 300 * _MS), babble_bytes=60, stuck_ns=60 * _MS)
"""Late is later than the device is waited for, and not later than a converter could be."""


class FarEnd:
    """Simulated devices behind a real port, until it is closed; a context manager.

    Attributes:
        line: the bus; touch it with ``lock`` held.
        log: every exchange so far.
        lost: why the port has ended, empty while it has not.
    """

    def __init__(
        self,
        path: Path,
        settings: Characters,
        stations: Sequence[Station],
        seed: int,
        *,
        hold_ns: int = 0,
        wire: bool = True,
    ) -> None:
        """Open the port; serial.SerialException says why it cannot be opened."""
        self.lock = threading.RLock()
        self.log: list[Exchange] = []
        self.lost = ""
        self.line = FarLine(
            stations, settings=settings, injector=Injector(seed, sizes=SIZES), on_exchange=self.log.append
        )
        self.line.hold_ns += hold_ns
        self.line.wire = wire
        self._port = serial.Serial(str(path), exclusive=True, timeout=0, write_timeout=1)
        _tune(self._port, settings)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"far end {path.name}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the port."""
        self._stopping = True
        self._wake()
        self._thread.join(5)
        self._port.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def tune(self, settings: Characters) -> None:
        """Change speed and parity of this end."""
        with self.lock:
            self.line.tune(settings)
            _tune(self._port, settings)

    def stand(self, stations: Sequence[Station]) -> None:
        """Let other devices answer."""
        with self.lock:
            self.line.stations[:] = stations

    def since(self, number: int) -> list[Exchange]:
        """Give the exchanges from the ``number``-th on."""
        with self.lock:
            return self.log[number:]

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except (OSError, serial.SerialException) as error:
            self.lost = str(error)

    def _turn(self) -> None:
        with self.lock:
            due = self.line.next_ns()
        timeout = _IDLE_S if due is None else max(0.0, (due - now_ns()) / 1e9)
        ready, _, _ = select.select([self._port.fileno(), self._wake_read], [], [], timeout)
        if self._wake_read in ready:
            os.read(self._wake_read, 64)
        with self.lock:
            if self._port.fileno() in ready:
                data = self._port.read(4096)
                self.line.heard(data, now_ns())
            out = self.line.advance(now_ns())
            if out:
                self._port.write(out)


def _tune(port: serial.Serial, settings: Characters) -> None:
    port.baudrate = settings.baud
    port.stopbits = settings.stop_bits
    if port.parity != settings.parity:  # a pty refuses what it does not have; it is asked for on real ports only
        port.parity = settings.parity
