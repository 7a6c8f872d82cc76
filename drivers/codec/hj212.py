"""HJ 212-2017 packets: ``##``, four digits of length, data segment, four hex digits of CRC, CR LF.

The length is that of the segment: the standard counts characters, published packets agree with bytes. The CRC is not
that of Modbus: each step keeps the high byte of the register alone (annex A), so it can take 256 values only. It
finds every damage inside one byte; of any other it lets one in 256 through, and whoever stores what comes by this
protocol should rest on what carries it as well.

The edition of 2025 is in force since 2026-01-01. Its text was not at hand; what public sources quote of it agrees:
the packet and the CRC of 2017 (the example of its annex A.1 is a vector of ours), version number 2 in ``Flag``, which
is 8 to 11 then. They also tell of data areas enciphered with SM4 (6.4), of ``RF=1`` in what is sent later than it was
due (table 3) and of a heartbeat 9015. Whatever rests on quotations alone is marked as uncertain where it is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.codec.searched import Form, Look, SearchDecoder

MARK: Final = b"##"
_HEAD: Final = 6
_OVERHEAD: Final = 12
_END: Final = b"\r\n"
_NEXT: Final = _END + MARK
"""No segment is of several lines: here the next packet begins."""
_CAPITALS: Final = frozenset(b"0123456789ABCDEF")
_SMALL: Final = frozenset(b"0123456789abcdef")


class Edition(Enum):
    """Edition of the standard; the value is its version number in the bits of ``Flag``."""

    V2005 = 0
    V2017 = 1
    V2025 = 2
    """As quoted from its table 3: ``Flag=9`` is this edition, answer wanted, not split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a platform or station agreed on.

    Attributes:
        edition: for packets that we make; all are read.
        longest: bytes of a data segment. 1024 in 2017; up to 9999 where a station keeps to no limit.
        small_letters: whether the CRC may be in small letters, against the standard and common in the field.
    """

    edition: Edition = Edition.V2017
    longest: int = 1024
    small_letters: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Hj212Frame:
    """One packet with a right CRC.

    Attributes:
        segment: the data segment.
        raw: the whole packet.
    """

    segment: bytes
    raw: bytes = field(compare=False)


def crc(segment: bytes) -> int:
    """Give the CRC of annex A: register FFFF; for each byte high byte XOR byte, then eight shifts with A001."""
    register = 0xFFFF
    for byte in segment:
        register = _STEPS[register >> 8 ^ byte]
    return register


def _eight_shifts(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


_STEPS: Final = tuple(_eight_shifts(value) for value in range(256))


def encode(segment: bytes) -> bytes:
    """Make a packet of a data segment of at most 9999 bytes.

    Raises:
        ValueError: it is longer.
    """
    if len(segment) > 9999:
        raise ValueError(f"a data segment has at most 9999 bytes, not {len(segment)}")
    return MARK + b"%04d" % len(segment) + segment + b"%04X" % crc(segment) + _END


def stream_decoder(rules: Rules | None = None) -> SearchDecoder[Hj212Frame]:
    """Make a decoder for what a station or platform sends."""
    chosen = rules or Rules()

    def look(buffer: bytearray, at: int) -> Hj212Frame | Look:
        digits = bytes(buffer[at + 2 : at + _HEAD])
        if not digits.isdigit() and digits:
            return Look.NOTHING
        if len(digits) < 4:
            return Look.MORE
        size = int(digits)
        if size > chosen.longest:
            return Look.NOTHING
        raw = bytes(buffer[at : at + _OVERHEAD + size])
        if _NEXT in raw:
            return Look.NOTHING  # a damaged length would swallow packet after packet
        if len(raw) < _OVERHEAD + size:
            return Look.MORE
        return _whole(raw, small_letters=chosen.small_letters)

    return SearchDecoder(Form(mark=MARK, look=look))


def _whole(raw: bytes, *, small_letters: bool) -> Hj212Frame | Look:
    segment, told = raw[_HEAD:-6], raw[-6:-2]
    alike = _CAPITALS.issuperset(told) or (small_letters and _SMALL.issuperset(told))
    if not alike or raw[-2:] != _END:
        return Look.NOTHING
    if int(told, 16) != crc(segment):
        return Look.DAMAGED
    return Hj212Frame(segment=segment, raw=raw)
