"""Characters on a serial line, down to the bit: how long they take, what a receiver with other settings hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

_NS = 1_000_000_000


class HasBaud(Protocol):
    """What a client's own settings type has to offer, so that none needs to be imported."""

    @property
    def baud(self) -> int:
        """Bits per second."""
        ...

    @property
    def stop_bits(self) -> int:
        """Stop bits of a character."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """Settings of one end of a serial line.

    Attributes:
        baud: bits per second.
        parity: ``N``, ``E`` or ``O``.
        stop_bits: 1 or 2.
        data_bits: 7 or 8.
    """

    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    data_bits: int = 8

    @property
    def bits(self) -> int:
        """Bits of one character: start, data, parity, stop."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop_bits

    @property
    def character_ns(self) -> int:
        """Nanoseconds that one character takes."""
        return round(self.bits * _NS / self.baud)

    @property
    def silence_ns(self) -> int:
        """t3.5 (Modbus over serial line V1.02, 2.5.1.1): RTU characters have 11 bits; 1.75 ms above 19,200 Bd."""
        return 1_750_000 if self.baud > 19200 else round(3.5 * 11 * _NS / self.baud)

    def duration_ns(self, count: int) -> int:
        """Nanoseconds that ``count`` characters take back to back."""
        return round(count * self.bits * _NS / self.baud)


def exchange_ns(settings: Characters, request: int, reply: int, turnaround_ns: int = 0) -> int:
    """Give the shortest time of one RTU exchange on the wire, its silence before and after the request counted in.

    ``(request + reply) characters + 2 x t3.5 + turnaround``: the server has to see the end of the request, the client
    has to keep the silence before the next one.
    """
    return settings.duration_ns(request + reply) + 2 * settings.silence_ns + turnaround_ns


def as_heard(data: bytes, sent: Characters, heard: Characters) -> bytes:
    """Give what a receiver set to ``heard`` delivers when ``data`` is sent back to back with ``sent``.

    The bits are laid out at the sender's speed and sampled in mid-bit at the receiver's. As a 16550 without input
    checking does, a character with a wrong parity or a missing stop bit is delivered as it was sampled, and a missing
    stop bit is taken for the start bit of the next character.
    """
    if (sent.baud, sent.parity, sent.data_bits) == (heard.baud, heard.parity, heard.data_bits):
        return data  # stop bits are idle line to the receiver
    levels = [level for byte in data for level in _levels(byte, sent)]
    out = bytearray()
    at = 0.0  # in bit times of the sender
    step = sent.baud / heard.baud
    while (start := _next_low(levels, at)) is not None:
        value = 0
        for bit in range(heard.data_bits):
            value |= _level(levels, start + (1.5 + bit) * step) << bit
        out.append(value)
        stop = start + (heard.data_bits + (heard.parity != "N") + 1) * step
        at = stop + step / 2
        if _level(levels, at) == 0:
            at = stop if value else _next_high(levels, at)  # all low is a break: wait for its end
    return bytes(out)


def _levels(byte: int, settings: Characters) -> list[int]:
    data = [(byte >> bit) & 1 for bit in range(settings.data_bits)]
    parity = [] if settings.parity == "N" else [(sum(data) + (settings.parity == "O")) % 2]
    return [0, *data, *parity, *[1] * settings.stop_bits]


def _level(levels: list[int], at: float) -> int:
    index = int(at)
    return levels[index] if index < len(levels) else 1


def _next_low(levels: list[int], at: float) -> float | None:
    index = int(at)
    if index < len(levels) and levels[index] == 0:
        return at
    while index < len(levels):
        if levels[index] == 0:
            return float(index)
        index += 1
    return None


def _next_high(levels: list[int], at: float) -> float:
    index = int(at)
    while index < len(levels) and levels[index] == 0:
        index += 1
    return float(index)
