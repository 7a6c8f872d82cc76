"""Frames that begin with a fixed byte, tell their length in the head, and end with an 8-bit sum and 16 hex.

DL/T 645 and CJ/T 188 are of this shape; ``Shape`` says what differs. FE bytes in front of a frame wake the receiver
up: they belong to the frame's ``raw``, since they take time on the wire, and are not summed. A sum of 8 bits lets one
damaged frame in 256 through, so everything else about a frame has to fit too, and after a failure the search starts
again at the very next byte: a start byte may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from drivers.codec.framing import BufferingDecoder, Frame, Noise, NoiseReason, cut_noise, cut_overheard, is_glitch

F = TypeVar("F", bound=Frame)

START: Final = 0x68
END: Final = 0x16
WAKE: Final = 0xFE
MOST_WAKES: Final = 32
"""Wake-up bytes that are taken for a part of the frame; 13 have been seen."""


FROM_METER: Final = 0x80
REFUSED: Final = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFrame:
    """What frames of both protocols carry.

    Attributes:
        address: digits, high ones first; hexadecimal, since wildcards and odd meters are.
        control: the control byte.
        data: what it carries, in wire order, as the protocol means it.
        raw: as on the wire, wake-up bytes too; two frames that differ in it alone are equal.
    """

    address: str
    control: int
    data: bytes
    raw: bytes = field(compare=False)

    @property
    def is_reply(self) -> bool:
        """Whether a meter sent it."""
        return bool(self.control & FROM_METER)

    @property
    def is_refusal(self) -> bool:
        """Whether the meter said no."""
        return bool(self.control & FROM_METER and self.control & REFUSED)


def check_sum(body: bytes) -> int:
    """Give the sum of all bytes modulo 256."""
    return sum(body) & 0xFF


def closed(body: bytes) -> bytes:
    """Put sum and end byte behind ``body``, which starts with the start byte."""
    return body + bytes((check_sum(body), END))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Generic[F]):
    """What differs between protocols.

    Attributes:
        longest: bytes of the longest frame, wake-up apart.
        head: bytes that ``size`` needs at most.
        size: length of the frame that begins with these bytes; 0 if they are too few to tell, None if none does.
        read: the frame of wake-up bytes and whole, summed body; None if it cannot be one after all.
    """

    longest: int
    head: int
    size: Callable[[bytes], int | None]
    read: Callable[[bytes, bytes], F | None]

    def whole(self, wake: bytes, body: bytes) -> F | None:
        """Give the frame if sum and end are right."""
        if body[-1] != END or check_sum(body[:-2]) != body[-2]:
            return None
        return self.read(wake, body)


class SummedStreamDecoder(BufferingDecoder[F]):
    """Finds frames of both directions on a line that is only listened to, or in a capture."""

    def __init__(self, shape: Shape[F]) -> None:
        self._shape = shape
        super().__init__()
        self._failed = False

    def _scan(self, *, last: bool) -> Iterator[F | Noise]:
        at = 0
        while (at := self._buffer.find(START, at)) >= 0:
            size = self._shape.size(bytes(self._buffer[at : at + self._shape.head]))
            if size is not None and (size == 0 or at + size > len(self._buffer)) and not last:
                break
            if not size or at + size > len(self._buffer):
                at += 1
                continue
            awake = wakes_before(self._buffer, at)
            body = bytes(self._buffer[at : at + size])
            frame = self._shape.whole(bytes(self._buffer[awake:at]), body)
            if frame is None:
                self._failed |= body[-1] == END
                at += 1
                continue
            yield from self._noise(awake)
            del self._buffer[: at + size - awake]
            yield frame
            at = 0
        end = len(self._buffer) if at < 0 else at
        yield from self._noise(end if last else wakes_before(self._buffer, end))

    def _noise(self, end: int) -> Iterator[Noise]:
        failed, self._failed = self._failed, self._failed and not end
        yield from cut_noise(self._buffer, end, NoiseReason.BAD_CHECKSUM if failed else NoiseReason.GARBAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[F]):
    """What a reply decoder knows of its request.

    Attributes:
        who: for a sentence, such as ``meter 000014359743``.
        peer: key for what the link learns of the device.
        likeness: what a reply shows of its request.
        begins: whether the reply may begin with these bytes, start byte first; at most ``Shape.head`` are given.
        answers: whether a whole frame is the reply.
        same_device: whether a whole frame comes from the device that was asked.
        request: the frame that was sent, wake-up apart, to know its echo.
    """

    who: str
    peer: bytes
    likeness: bytes
    begins: Callable[[bytes], bool]
    answers: Callable[[F], bool]
    same_device: Callable[[F], bool]
    request: bytes


class SummedReplyDecoder(BufferingDecoder[F]):
    """Finds the reply to one request among whatever the line brings.

    A whole reply with a wrong sum, glitches apart all that came, is told at once; in the middle of other bytes it may
    be part of something else and is told by the flush.
    """

    def __init__(self, shape: Shape[F], asked: Asked[F]) -> None:
        self._shape = shape
        self._asked = asked
        super().__init__()
        self._missing = 0

    @property
    def asked(self) -> str:
        """Who was asked, for a sentence."""
        return self._asked.who

    @property
    def peer(self) -> bytes:
        """Who was asked."""
        return self._asked.peer

    @property
    def likeness(self) -> bytes:
        """What the reply shows of its request."""
        return self._asked.likeness

    @property
    def missing(self) -> int:
        """Bytes without which the reply that has begun cannot be whole."""
        return self._missing

    def fresh(self) -> SummedReplyDecoder[F]:
        """Make an empty decoder for the same request."""
        return SummedReplyDecoder(self._shape, self._asked)

    def _scan(self, *, last: bool) -> Iterator[F | Noise]:
        at = self._missing = 0
        failed = certain = cut_short = False
        while (at := self._buffer.find(START, at)) >= 0:
            size = self._size(at)
            if size is None:
                at += 1
            elif size == 0 or at + size > len(self._buffer):
                if not last:
                    self._missing = max(0, at + size - len(self._buffer))
                    break
                cut_short |= at + 1 < len(self._buffer)
                at += 1
            else:
                awake = wakes_before(self._buffer, at)
                body = bytes(self._buffer[at : at + size])
                frame = self._shape.whole(bytes(self._buffer[awake:at]), body)
                if frame is None:
                    ends = body[-1] == END
                    failed |= ends
                    surplus = bytes(self._buffer[at + size :])
                    certain |= ends and is_glitch(bytes(self._buffer[:at])) and is_glitch(surplus)
                    at += 1
                elif not self._asked.answers(frame):
                    at += size
                else:
                    yield from self._noise(awake)
                    del self._buffer[: at + size - awake]
                    yield frame
                    at = 0
                    failed = certain = cut_short = False
        if (last and failed) or (at < 0 and certain):
            yield from self._failure()
        elif last or (at < 0 and len(self._buffer) > self._shape.longest):
            yield from self._noise(len(self._buffer), NoiseReason.CUT_SHORT if cut_short else NoiseReason.GARBAGE)
        elif len(self._buffer) > 2 * self._shape.longest:
            yield from self._noise(at)

    def _size(self, at: int) -> int | None:
        head = bytes(self._buffer[at : at + self._shape.head])
        return self._shape.size(head) if self._asked.begins(head) else None

    def _failure(self) -> Iterator[Noise]:
        raw = bytes(self._buffer)
        self._buffer.clear()
        yield Noise(raw=raw, reason=NoiseReason.BAD_CHECKSUM)

    def _noise(self, end: int, otherwise: NoiseReason = NoiseReason.GARBAGE) -> Iterator[Noise]:
        """Drop the first ``end`` bytes and say what they were."""
        stream: SummedStreamDecoder[F] = SummedStreamDecoder(self._shape)
        return cut_overheard(self._buffer, end, stream, self._whole, otherwise)

    def _whole(self, frame: F) -> NoiseReason:
        if frame.raw.endswith(self._asked.request):
            return NoiseReason.ECHO
        return NoiseReason.OTHER_REPLY if self._asked.same_device(frame) else NoiseReason.OTHER_UNIT


def wakes_before(buffer: bytearray, at: int) -> int:
    """Give where the wake-up bytes in front of ``at`` begin."""
    start = at
    while start and buffer[start - 1] == WAKE and at - start < MOST_WAKES:
        start -= 1
    return start
