"""Two pseudo-terminals cross-wired: what stands in for two adapters where there are none.

``python -m hil.pair.crossing LEFT RIGHT`` makes both ports and runs until SIGTERM. Characters take their time, and an
end that has another speed than the sender hears what it would hear on wires, bit by bit. One pair of wires:
characters that meet spoil each other. Parity, modem lines and direction are what a pty does not have.

``LEFT.control`` is a socket that takes ``{"do": "unplug"}`` and ``{"do": "replug"}``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hil.characters import Characters, as_heard
from hil.ptys import PtyLine
from hil.sim import control
from hil.sim.lifetime import die_with_parent, stop_event
from hil.wire import LineCounters

_BUNCH: Final = 16
"""Characters that arrive together: a UART's usual receive buffer."""
_SPOILT: Final = 0x24
"""The few bits that survive where two characters meet."""


class End:
    """One end of the crossing, as its ``PtyLine`` sees it.

    Attributes:
        settings: how its client has set its port.
        counters: only ``overruns`` counts.
        other: the end at which what is sent here is heard.
        port: the port of this end.
    """

    other: End
    port: PtyLine

    def __init__(self, lock: threading.Lock) -> None:
        self.settings = Characters()
        self.counters = LineCounters()
        self._lock = lock
        self._sending_until_ns = 0
        self._arriving: list[tuple[int, int]] = []  # (when the character is over, byte), ascending

    def client_changed(self, settings: Characters) -> None:
        """Hear with other settings from now on."""
        self.settings = settings

    def client_sent(self, data: bytes, now_ns: int, settings: Characters | None = None) -> None:
        """Put ``data`` on the wire to the other end."""
        own = self.settings = settings or self.settings
        with self._lock:
            begin = max(now_ns, self._sending_until_ns)
            self._sending_until_ns = begin + own.duration_ns(len(data))
            self._spoil(begin)
            heard = as_heard(data, own, self.other.settings)
            self.other.arrive(heard, begin, self._sending_until_ns, spoilt_until_ns=self.other.sending_until_ns)
        self.other.port.wake()

    @property
    def sending_until_ns(self) -> int:
        """When the last character of this end is over."""
        return self._sending_until_ns

    def arrive(self, heard: bytes, begin_ns: int, end_ns: int, *, spoilt_until_ns: int) -> None:
        """Spread what is heard over the time that it takes; the lock is held."""
        span, count = end_ns - begin_ns, len(heard)
        for index, byte in enumerate(heard):
            spoilt = begin_ns + span * index // count < spoilt_until_ns
            over_ns = begin_ns - (-span * (index + 1) // count)
            self._arriving.append((over_ns, byte & _SPOILT if spoilt else byte))

    def next_ns(self) -> int | None:
        """Tell when the next bunch is over: full, or followed by a pause."""
        with self._lock:
            return self._arriving[self._bunch() - 1][0] if self._arriving else None

    def advance(self, now_ns: int) -> bytes:
        """Give the bunches that are over by now."""
        out = bytearray()
        with self._lock:
            while self._arriving and self._arriving[self._bunch() - 1][0] <= now_ns:
                count = self._bunch()
                out += bytes(byte for _, byte in self._arriving[:count])
                del self._arriving[:count]
        return bytes(out)

    def silence(self) -> None:
        """Lose what is on the way to this end."""
        with self._lock:
            self._arriving.clear()

    def _bunch(self) -> int:
        """Count the characters that the port hands over next."""
        widest_ns = 2 * self.other.settings.character_ns
        first = self._arriving[:_BUNCH]
        pauses = (at for at, (a, b) in enumerate(pairwise(first), 1) if b[0] - a[0] > widest_ns)
        return next(pauses, len(first))

    def _spoil(self, from_ns: int) -> None:
        """Spoil what is on the way here and is not over yet: this end sends at the same time."""
        self._arriving = [(over, byte & _SPOILT if over > from_ns else byte) for over, byte in self._arriving]


class Crossing:
    """Both ports, until it is closed; a context manager.

    Attributes:
        left, right: the ports; ``path`` is what a client opens.
    """

    def __init__(self, left: Path, right: Path) -> None:
        """Take the names of the ports, whose folders must exist."""
        lock = threading.Lock()
        here, there = End(lock), End(lock)
        here.other, there.other = there, here
        self.left = here.port = PtyLine(here, left)
        self.right = there.port = PtyLine(there, right)

    def __enter__(self) -> Self:
        """Plug both in."""
        self.left.start()
        self.right.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take both away."""
        self.left.close()
        self.right.close()

    def unplug(self) -> control.Answer:
        """Pull the left adapter."""
        self.left.unplug()
        return {}

    def replug(self) -> control.Answer:
        """Put the left adapter back."""
        self.left.replug()
        return {}


def control_of(left: Path) -> Path:
    """Give the socket that pulls and plugs the left port."""
    return left.with_name(left.name + ".control")


async def _run(left: Path, right: Path) -> None:
    told = stop_event()
    with Crossing(left, right) as pair:
        commands: dict[str, control.Command] = {
            "unplug": lambda _request: pair.unplug(),
            "replug": lambda _request: pair.replug(),
        }
        async with control.serving(control_of(left), commands):
            print(json.dumps({"ready": True, "left": str(left), "right": str(right)}), flush=True)
            await told.wait()


def main(words: Sequence[str] | None = None) -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m hil.pair.crossing", description="Two ptys, cross-wired.")
    parser.add_argument("left", type=Path)
    parser.add_argument("right", type=Path)
    options = parser.parse_args(words)
    die_with_parent()
    asyncio.run(_run(options.left.absolute(), options.right.absolute()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
