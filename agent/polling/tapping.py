"""What passed on a bus, for a technician who looks: bytes of the last seconds, kept only while somebody asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from drivers.clock import Clock

KEPT_NS: Final = 10_000_000_000
"""A tap that nobody has asked for so long keeps nothing."""
_MOST_PIECES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes that went one way.

    Attributes:
        number: counted from 1 since the tap was made.
        utc_ns: when they were handed over.
        sent: from us; False from the line.
    """

    number: int
    utc_ns: int
    sent: bool
    data: bytes


class BusTap:
    """A ``Sink`` of ``drivers.transport.tap`` with a bounded memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pieces: deque[Piece] = deque(maxlen=_MOST_PIECES)
        self._count = 0
        self._until_ns = 0

    def sent(self, data: bytes) -> None:
        """Take what goes out."""
        if self._until_ns:
            self._keep(data, sent=True)

    def received(self, data: bytes) -> None:
        """Take what came in."""
        if self._until_ns:
            self._keep(data, sent=False)

    def take(self, after: int, most: int = 512) -> Sequence[Piece]:
        """Give the oldest pieces behind ``after`` and go on listening for 10 s; a hole shows in the numbers."""
        self._until_ns = self._clock.mono_ns() + KEPT_NS
        return [piece for piece in self._pieces if piece.number > after][:most]

    def _keep(self, data: bytes, *, sent: bool) -> None:
        if self._clock.mono_ns() > self._until_ns:
            self._until_ns = 0
            self._pieces.clear()
            return
        self._count += 1
        self._pieces.append(Piece(number=self._count, utc_ns=self._clock.utc_ns(), sent=sent, data=data))
