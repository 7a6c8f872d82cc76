"""Modbus ASCII frames (Modbus over serial line V1.02, 2.5.2): colon, hex digits of unit, PDU and LRC, CR LF.

A colon always begins a frame, wherever it stands, and only hex digits in capitals stand in one: so a frame that was
damaged never swallows the next. The LRC is one byte, much weaker than RTU's CRC; a reply must also have the length
that its request asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.framing import Noise, NoiseReason, cut_noise
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, has_due_length, reply_bytes

LONGEST: Final = 513  # characters of a frame (2.5.2.1): colon, two for each of 254 bytes, LRC, CR LF
OVERHEAD: Final = 7  # characters that are not the PDU's: colon, unit, LRC, CR LF
_COLON: Final = 0x3A
_END: Final = b"\r\n"
_DIGITS: Final = frozenset(b"0123456789ABCDEF")
_SHORTEST_BODY: Final = 3  # unit, function, LRC
_UNIT_AND_FUNCTION: Final = 5  # characters until they are known


@dataclass(frozen=True, slots=True, kw_only=True)
class AsciiFrame:
    """One frame with a right LRC.

    Attributes:
        unit: Modbus address, 0 is a broadcast.
        pdu: function code and what follows, without the LRC.
        raw: the whole frame, as characters.
    """

    unit: int
    pdu: bytes
    raw: bytes


def lrc(data: bytes) -> int:
    """Give the longitudinal redundancy check: the sum of the bytes, in two's complement (6.2.1)."""
    return -sum(data) & 0xFF


def encode(unit: int, pdu: bytes) -> bytes:
    """Put ``pdu`` into a frame for or from ``unit``."""
    body = bytes((unit,)) + pdu
    return b":" + (body + bytes((lrc(body),))).hex().upper().encode() + _END


def characters(pdu_bytes: int) -> int:
    """Give the characters of a frame around a PDU of so many bytes."""
    return 2 * pdu_bytes + OVERHEAD


class AsciiStreamDecoder:
    """Finds frames of either direction.

    What has the shape of a frame and a wrong LRC is noise with the reason BAD_CHECKSUM.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Characters held back."""
        return len(self._buffer)

    @property
    def begun(self) -> bytes:
        """The characters of the frame that has begun, empty if none has."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> Iterator[AsciiFrame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        self._buffer += data
        yield from self._scan()

    def flush(self) -> Iterator[AsciiFrame | Noise]:
        """Give what is held back."""
        yield from self._noise(len(self._buffer), NoiseReason.CUT_SHORT)

    def _scan(self) -> Iterator[AsciiFrame | Noise]:
        while self._buffer:
            start = self._buffer.find(_COLON)
            yield from self._noise(len(self._buffer) if start < 0 else start, NoiseReason.GARBAGE)
            end = self._digits_end()
            if end is None:
                return
            if self._buffer[end : end + 2] != _END:
                if self._buffer[end:] == _END[:1]:
                    return  # the LF is still on its way
                yield from self._noise(end, NoiseReason.GARBAGE)
                continue
            yield self._whole(end + 2)

    def _digits_end(self) -> int | None:
        """Where the digits of the frame that begins the buffer end; None while they may go on."""
        for at in range(1, min(len(self._buffer), LONGEST)):
            if self._buffer[at] not in _DIGITS:
                return at
        return LONGEST - 1 if len(self._buffer) >= LONGEST else None

    def _whole(self, size: int) -> AsciiFrame | Noise:
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        digits = raw[1:-2]
        body = bytes.fromhex(digits.decode()) if len(digits) % 2 == 0 else b""
        if len(body) < _SHORTEST_BODY:
            return Noise(raw=raw, reason=NoiseReason.GARBAGE)
        if sum(body) & 0xFF:
            return Noise(raw=raw, reason=NoiseReason.BAD_CHECKSUM)
        return AsciiFrame(unit=body[0], pdu=body[1:-1], raw=raw)

    def _noise(self, end: int, reason: NoiseReason) -> Iterator[Noise]:
        return cut_noise(self._buffer, end, reason)


class AsciiReplyDecoder:
    """Finds the reply to one request among whatever the line brings."""

    def __init__(self, request: bytes, size: int | None = None) -> None:
        """Take the whole request frame as characters.

        Args:
            request: the frame.
            size: length of the good reply PDU, for a vendor's function whose replies do not tell it.
        """
        self._request = request
        self._told = size
        body = bytes.fromhex(request[1:-2].decode())
        self._unit, self._pdu = body[0], body[1:-1]
        self._stream = AsciiStreamDecoder()

    @property
    def asked(self) -> str:
        """The unit, for a sentence."""
        return f"unit {self._unit}"

    @property
    def peer(self) -> bytes:
        """The unit that was asked."""
        return bytes((self._unit,))

    @property
    def likeness(self) -> bytes:
        """Unit, function and length, or what is repeated: the reply does not tell which addresses were read."""
        size = self._told or reply_bytes(self._pdu)
        repeated = self._pdu[1:] if self._pdu[0] in (5, 6, 15, 16, 22) else b""
        return bytes((self._unit, self._pdu[0])) + (size or 0).to_bytes(2, "big") + repeated[:4]

    @property
    def buffered(self) -> int:
        """Characters held back."""
        return self._stream.buffered

    @property
    def missing(self) -> int:
        """Characters without which the reply that has begun cannot be whole."""
        begun = self._stream.begun
        if not begun:
            return 0
        size = self._told or reply_bytes(self._pdu)
        if size is None or len(begun) < _UNIT_AND_FUNCTION or int(begun[3:5], 16) & EXCEPTION_FLAG:
            size = 2  # a refusal, the shortest of all
        return max(0, characters(size) - len(begun))

    def fresh(self) -> AsciiReplyDecoder:
        """Make an empty decoder for the same request."""
        return AsciiReplyDecoder(self._request, self._told)

    def feed(self, data: bytes) -> Iterator[AsciiFrame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        for event in self._stream.feed(data):
            yield self._match(event)

    def flush(self) -> Iterator[AsciiFrame | Noise]:
        """Give what is held back."""
        for event in self._stream.flush():
            yield self._match(event)

    def _match(self, event: AsciiFrame | Noise) -> AsciiFrame | Noise:
        if isinstance(event, Noise):
            return self._sorted(event)
        if event.unit == self._unit and self._answers(event.pdu):
            return event
        if event.raw == self._request:
            return Noise(raw=event.raw, reason=NoiseReason.ECHO)
        own = event.unit == self._unit
        return Noise(raw=event.raw, reason=NoiseReason.OTHER_REPLY if own else NoiseReason.OTHER_UNIT)

    def _sorted(self, noise: Noise) -> Noise:
        """Keep BAD_CHECKSUM for what may be the reply: an overheard frame of another with a wrong LRC is garbage."""
        head = b":" + bytes((self._unit, self._pdu[0])).hex().upper().encode()
        refusal = b":" + bytes((self._unit, self._pdu[0] | EXCEPTION_FLAG)).hex().upper().encode()
        if noise.reason is NoiseReason.BAD_CHECKSUM and not noise.raw.startswith((head, refusal)):
            return Noise(raw=noise.raw, reason=NoiseReason.GARBAGE)
        return noise

    def _answers(self, pdu: bytes) -> bool:
        function = self._pdu[0]
        if pdu[0] == function | EXCEPTION_FLAG:
            return len(pdu) == 2
        if pdu[0] != function:
            return False
        if self._told != len(pdu) if self._told else not has_due_length(self._pdu, pdu):
            return False
        if function in (1, 2, 3, 4, 23):
            return len(pdu) > 1 and pdu[1] == len(pdu) - 2
        return function not in (5, 6, 15, 16) or pdu == self._pdu[:5]
