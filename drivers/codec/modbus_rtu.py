"""Modbus RTU frames (Modbus over serial line V1.02, 2.5.1): unit, PDU, CRC-16 with the low byte first.

Frames are found by length and checksum, never by silence: on Linux nobody sees t1.5. A reply is known by what was
asked; an overheard line is tried against every shape that the functions allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.checksum import crc16_modbus, crc16_modbus_bytes
from drivers.codec.framing import BufferingDecoder, Noise, NoiseReason, cut_noise, cut_overheard, is_glitch
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, is_read, payload_bytes, reply_bytes

LONGEST: Final = 256  # bytes of a frame (2.5.1.1)
OVERHEAD: Final = 3  # unit and CRC
_EXCEPTION_BYTES: Final = 5
_MOST_DATA: Final = 250  # bytes that one reply holds (V1.1b3, 6.3, 6.17)


@dataclass(frozen=True, slots=True, kw_only=True)
class RtuFrame:
    """One frame with a right checksum.

    Attributes:
        unit: Modbus address, 0 is a broadcast.
        pdu: function code and what follows, without the checksum.
        raw: the whole frame.
    """

    unit: int
    pdu: bytes
    raw: bytes


def encode(unit: int, pdu: bytes) -> bytes:
    """Put ``pdu`` into a frame for or from ``unit``."""
    body = bytes((unit,)) + pdu
    return body + crc16_modbus_bytes(body)


def _frame(raw: bytes) -> RtuFrame:
    return RtuFrame(unit=raw[0], pdu=raw[1:-2], raw=raw)


class RtuReplyDecoder(BufferingDecoder[RtuFrame]):
    """Finds the reply to one request among whatever the line brings.

    Noise before the reply comes with the reply or with the flush, sorted by what it is. When all that came is a reply
    of the right shape with a wrong checksum, glitches apart, ``BAD_CHECKSUM`` comes at once: waiting on is of no use.
    The same inside other bytes may be part of something else, such as a late reply, and is told by the flush.
    """

    def __init__(self, request: bytes, size: int | None = None) -> None:
        """Take the whole request frame, checksum and all.

        Args:
            request: the frame.
            size: length of the good reply PDU, for a vendor's function whose replies do not tell it.
        """
        self._request = request
        self._told = size
        pdu = request[1:-2]
        self._pdu = pdu
        if is_read(pdu) or (pdu[:1] == b"\x17" and len(pdu) > 4 and payload_bytes(pdu) <= _MOST_DATA):
            self._prefix = request[:2] + bytes((payload_bytes(pdu),))  # 23 reads too
        else:  # 5, 6, 15, 16 and 22 repeat what they wrote; the rest shows its function only
            self._prefix = request[:6] if pdu[:1] in (b"\x05", b"\x06", b"\x0f", b"\x10", b"\x16") else request[:2]
        self._refusal = bytes((request[0], request[1] | EXCEPTION_FLAG))
        super().__init__()
        self._missing = 0

    @property
    def asked(self) -> str:
        """The unit, for a sentence."""
        return f"unit {self._request[0]}"

    @property
    def peer(self) -> bytes:
        """The unit that was asked."""
        return self._request[:1]

    @property
    def likeness(self) -> bytes:
        """Unit, function and length: an RTU reply does not tell which addresses were read."""
        return self._prefix

    @property
    def missing(self) -> int:
        """Bytes without which the reply that has begun cannot be whole."""
        return self._missing

    def fresh(self) -> RtuReplyDecoder:
        """Make an empty decoder for the same request."""
        return RtuReplyDecoder(self._request, self._told)

    def _scan(self, *, last: bool) -> Iterator[RtuFrame | Noise]:
        at = self._missing = 0
        failed = certain = cut_short = False
        while (at := self._buffer.find(self._prefix[0], at)) >= 0:
            size = self._size(at)
            if size is None:
                at += 1
            elif size == 0 or at + size > len(self._buffer):
                if not last:
                    self._missing = max(0, at + (size or _EXCEPTION_BYTES) - len(self._buffer))
                    break
                cut_short |= at + 1 < len(self._buffer)  # the unit alone may be any glitch
                at += 1
            elif crc16_modbus(raw := bytes(self._buffer[at : at + size])):
                failed = True
                certain |= is_glitch(bytes(self._buffer[:at])) and is_glitch(bytes(self._buffer[at + size :]))
                at += 1
            else:
                yield from self._noise(at)
                del self._buffer[:size]
                yield _frame(raw)
                at = 0
                failed = certain = cut_short = False
        if (last and failed) or (at < 0 and certain):
            yield Noise(raw=self._take(), reason=NoiseReason.BAD_CHECKSUM)
        elif last or (at < 0 and len(self._buffer) > LONGEST):
            yield from self._noise(len(self._buffer), NoiseReason.CUT_SHORT if cut_short else NoiseReason.GARBAGE)
        elif len(self._buffer) > 2 * LONGEST:
            yield from self._noise(at)

    def _size(self, at: int) -> int | None:
        """Length of the reply that begins at ``at``: 0 if that is not clear yet, None if none can."""
        head = bytes(self._buffer[at : at + len(self._prefix)])
        if head[:2] == self._refusal:
            return _EXCEPTION_BYTES
        if head != self._prefix[: len(head)]:
            return 0 if len(head) == 1 else None
        if len(head) < len(self._prefix):
            return 0
        size = self._told or reply_bytes(self._pdu, bytes(self._buffer[at + 1 : at + LONGEST]))
        if size is None:
            return 0 if len(self._buffer) - at < LONGEST else None  # no frame is longer, so none tells its end later
        return size + OVERHEAD if size + OVERHEAD <= LONGEST else None

    def _noise(self, end: int, otherwise: NoiseReason = NoiseReason.GARBAGE) -> Iterator[Noise]:
        """Drop the first ``end`` bytes and say what they were."""
        return cut_overheard(self._buffer, end, RtuStreamDecoder(), self._whole, otherwise)

    def _take(self) -> bytes:
        raw = bytes(self._buffer)
        self._buffer.clear()
        return raw

    def _whole(self, frame: RtuFrame) -> NoiseReason:
        if frame.raw == self._request:
            return NoiseReason.ECHO
        return NoiseReason.OTHER_REPLY if frame.unit == self._request[0] else NoiseReason.OTHER_UNIT


class RtuStreamDecoder(BufferingDecoder[RtuFrame]):
    """Finds frames of both directions on a line that is only listened to, or in a capture.

    A false start may claim up to 256 bytes; ``flush`` at a silence sets the line free.
    """

    def _scan(self, *, last: bool) -> Iterator[RtuFrame | Noise]:
        at = 0
        while at < len(self._buffer):
            sizes, complete = shapes(bytes(self._buffer[at : at + LONGEST]))
            whole = next((size for size in sizes if not crc16_modbus(bytes(self._buffer[at : at + size]))), 0)
            if whole:
                yield from self._noise(at)
                yield _frame(bytes(self._buffer[:whole]))
                del self._buffer[:whole]
                at = 0
            elif complete or last:
                at += 1
            else:
                break
        yield from self._noise(at)

    def _noise(self, end: int) -> Iterator[Noise]:
        return cut_noise(self._buffer, end)


def shapes(head: bytes) -> tuple[tuple[int, ...], bool]:
    """Give the lengths, ascending, that a frame beginning with ``head`` may have and that ``head`` covers.

    The second item tells whether that is all: False means that more bytes may still make a frame of it.
    """
    if len(head) < 2:
        return (), False
    function = head[1]
    if function & EXCEPTION_FLAG:
        known = {_EXCEPTION_BYTES} if 0x81 <= function <= 0xAB else set()
        return _covered(head, known, undecided=False)
    fixed, counters = _SHAPES.get(function, ((), ()))
    known = set(fixed)
    undecided = False
    for position, rest in counters:
        if position < len(head):
            known.add(head[position] + rest)
        else:
            undecided = True
    if function == 43:
        size = reply_bytes(b"\x2b", head[1:])
        known |= set() if size is None else {size + OVERHEAD}
        undecided = size is None and len(head) < LONGEST
    return _covered(head, known, undecided=undecided)


def _covered(head: bytes, known: set[int], *, undecided: bool) -> tuple[tuple[int, ...], bool]:
    possible = sorted(size for size in known if size <= LONGEST)
    covered = tuple(size for size in possible if size <= len(head))
    return covered, not undecided and len(covered) == len(possible)


_SHAPES: Final[dict[int, tuple[tuple[int, ...], tuple[tuple[int, int], ...]]]] = {
    # function: lengths that are fixed, then (position of a byte count, length of the rest); requests and replies
    1: ((8,), ((2, 5),)),
    2: ((8,), ((2, 5),)),
    3: ((8,), ((2, 5),)),
    4: ((8,), ((2, 5),)),
    5: ((8,), ()),
    6: ((8,), ()),
    7: ((4, 5), ()),
    8: ((8,), ()),
    15: ((8,), ((6, 9),)),
    16: ((8,), ((6, 9),)),
    17: ((4,), ((2, 5),)),
    22: ((10,), ()),
    23: ((), ((2, 5), (10, 13))),
    43: ((7,), ()),
}
