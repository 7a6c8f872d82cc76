"""Modbus TCP frames (Modbus Messaging on TCP/IP V1.0b, 3.1.3): MBAP header and PDU, no checksum of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.framing import BufferingDecoder, Noise, NoiseReason
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, has_due_length

HEADER: Final = struct.Struct(">HHHB")  # transaction, protocol 0, length of what follows it, unit
HEADER_BYTES: Final = HEADER.size
LONGEST: Final = 260  # bytes of a frame (4.1)
_LENGTH_BEFORE: Final = 6  # the length field does not count itself and what is before
_SHORTEST_BODY: Final = 2  # unit and function code
_LONGEST_BODY: Final = LONGEST - _LENGTH_BEFORE


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpFrame:
    """One frame.

    Attributes:
        transaction: number that the client chose and the server repeats.
        unit: Modbus address behind a gateway; 0 or 255 where there is none.
        pdu: function code and what follows.
        raw: the whole frame.
    """

    transaction: int
    unit: int
    pdu: bytes
    raw: bytes


def encode(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Put ``pdu`` into a frame for or from ``unit``."""
    return HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class TcpStreamDecoder(BufferingDecoder[TcpFrame]):
    """Finds frames of either direction in a byte stream.

    A header whose protocol is not 0 or whose length cannot be is no header: the decoder moves on by one byte.
    """

    def _scan(self, *, last: bool) -> Iterator[TcpFrame | Noise]:
        at = 0
        while at < len(self._buffer):
            size = _size(bytes(self._buffer[at : at + _LENGTH_BEFORE + 2]))
            if size is not None and at + size <= len(self._buffer):
                yield from self._noise(at, NoiseReason.GARBAGE)
                raw = bytes(self._buffer[:size])
                del self._buffer[:size]
                transaction, _, _, unit = HEADER.unpack_from(raw)
                yield TcpFrame(transaction=transaction, unit=unit, pdu=raw[HEADER_BYTES:], raw=raw)
                at = 0
            elif size is None or last:
                at += 1
            else:
                break
        yield from self._noise(at, NoiseReason.CUT_SHORT if last else NoiseReason.GARBAGE)

    def _noise(self, end: int, reason: NoiseReason) -> Iterator[Noise]:
        if end:
            raw = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield Noise(raw=raw, reason=reason)


def _size(head: bytes) -> int | None:
    """Length of a frame that begins with ``head``, LONGEST while that is open, None if none does."""
    if any(head[2:4]):
        return None
    if len(head) > 4 and head[4]:
        return None
    if len(head) < _LENGTH_BEFORE:
        return LONGEST
    body = head[4] << 8 | head[5]
    if not _SHORTEST_BODY <= body <= _LONGEST_BODY:
        return None
    return _LENGTH_BEFORE + body


class TcpReplyDecoder:
    """Finds the reply to one request: same transaction, unit, function and, where the request tells it, length."""

    def __init__(self, request: bytes) -> None:
        """Take the whole request frame."""
        self._request = request
        self._stream = TcpStreamDecoder()

    @property
    def asked(self) -> str:
        """The unit, for a sentence."""
        return f"unit {self._request[6]}"

    @property
    def peer(self) -> bytes:
        """The unit that was asked."""
        return self._request[6:7]

    @property
    def likeness(self) -> bytes:
        """The transaction number tells every reply from every other."""
        return self._request[:2] + self._request[6:8]

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._stream.buffered

    @property
    def missing(self) -> int:
        """Not known: over TCP bytes take no time of their own."""
        return 0

    def fresh(self) -> TcpReplyDecoder:
        """Make an empty decoder for the same request."""
        return TcpReplyDecoder(self._request)

    def feed(self, data: bytes) -> Iterator[TcpFrame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        for event in self._stream.feed(data):
            yield self._match(event)

    def flush(self) -> Iterator[TcpFrame | Noise]:
        """Give what is held back."""
        for event in self._stream.flush():
            yield self._match(event)

    def _match(self, event: TcpFrame | Noise) -> TcpFrame | Noise:
        if isinstance(event, Noise) or self._fits(event):
            return event
        other = event.raw[6:7] != self._request[6:7]
        return Noise(raw=event.raw, reason=NoiseReason.OTHER_UNIT if other else NoiseReason.OTHER_REPLY)

    def _fits(self, frame: TcpFrame) -> bool:
        return frame.raw[:2] == self._request[:2] and answers(self._request[6], self._request[7:], frame)


def answers(unit: int, request: bytes, frame: TcpFrame) -> bool:
    """Tell whether ``frame`` answers the PDU ``request`` to ``unit``, transaction apart."""
    function = request[0]
    if frame.unit != unit or frame.pdu[0] not in (function, function | EXCEPTION_FLAG):
        return False
    return has_due_length(request, frame.pdu)
