"""What a site file may say about the adapter between us and a serial line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Direction(Enum):
    """Who turns an RS-485 driver from listening to sending; the value is the word of the site file."""

    AUTO = "auto"  # the adapter itself
    RTS = "rts"  # we, by its RTS line
    KERNEL = "kernel"  # the kernel's driver of the UART (TIOCSRS485)


class SendingEnd(Enum):
    """How the end of sending is known, from which silence and time-outs count: the words of ``drain``."""

    RECKON = "reckon"  # from the speed: right for every port that begins to send at once
    WAIT = "wait"  # the system is asked (tcdrain), in a thread: for ports that hold back what they are to send


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """Settings of one adapter.

    Attributes:
        exclusive: lock the port for this process (TIOCEXCL and flock).
        direction: who switches an RS-485 driver.
        latency_ms: how long a USB adapter may hold back bytes, 1 to 255; None leaves it as it is.
        switch_ms: what it needs after a change of speed or parity.
        sending_end: how the end of sending is known.
    """

    exclusive: bool = True
    direction: Direction = Direction.AUTO
    latency_ms: int | None = None
    switch_ms: int = 0
    sending_end: SendingEnd = SendingEnd.RECKON


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFinding:
    """Something that the port could not be told; polling goes on without it.

    Attributes:
        code: kebab-case and stable: ``rs485-refused``, ``rts-refused``, ``latency-refused``.
        detail: what the system said.
    """

    code: str
    detail: str
