"""M-Bus frames (EN 13757-2, format class FT 1.2): E5, short, long; sum of the bytes modulo 256.

A long frame without data is called a control frame. The single character E5 has no checksum: it is taken for an
acknowledgement only where nothing but glitches came before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.codec.framing import BufferingDecoder, Noise, NoiseReason, cut_noise, is_glitch

LONGEST: Final = 261  # bytes of a frame: 255 counted, four before, two behind
MOST_DATA: Final = 252
ACK: Final = 0xE5
_SHORT, _LONG, _STOP = 0x10, 0x68, 0x16
_SHORT_BYTES: Final = 5
_BEGINNING: Final = 7  # start, length twice, start, C, A, CI
_OVERHEAD: Final = 6  # 68 L L 68, checksum, 16
_FROM_CLIENT: Final = 0x40
_FCB: Final = 0x20

UNCONFIGURED: Final = 0
LAST_PRIMARY: Final = 250
SELECTED: Final = 253
"""The unit that was selected by its secondary address."""
EVERY: Final = 254
"""All units, and each answers: for a line with one unit."""
BROADCAST: Final = 255


class Function(IntEnum):
    """C field without FCB, ACD and DFC (EN 13757-2, 5.3)."""

    SND_NKE = 0x40
    SND_UD = 0x53
    REQ_UD1 = 0x5A
    REQ_UD2 = 0x5B
    RSP_UD = 0x08


@dataclass(frozen=True, slots=True, kw_only=True)
class MbusFrame:
    """One frame.

    Attributes:
        control: C field; None in an acknowledgement.
        address: A field; None in an acknowledgement.
        ci: CI field of a long or control frame.
        data: what follows CI.
        raw: the whole frame.
    """

    control: int | None = None
    address: int | None = None
    ci: int | None = None
    data: bytes = b""
    raw: bytes

    @property
    def is_ack(self) -> bool:
        """Whether this is the single character E5."""
        return self.control is None

    @property
    def from_client(self) -> bool:
        """Whether a client asks rather than a meter answers."""
        return self.control is not None and bool(self.control & _FROM_CLIENT)

    @property
    def function(self) -> Function | None:
        """What it is for; None for an acknowledgement or an unknown C field."""
        if self.control is None:
            return None
        for known in Function:
            # client: bit 5 is the frame count bit (SND_NKE has none); meter: bits 5 and 4 are ACD and DFC
            mask = 0xFF if known is Function.SND_NKE else 0xDF if known & _FROM_CLIENT else 0xCF
            if self.control & mask == known & mask:
                return known
        return None


def encode(frame: MbusFrame) -> bytes:
    """Give the bytes of ``frame``, whatever its ``raw``."""
    if frame.control is None or frame.address is None:
        return bytes((ACK,))
    if frame.ci is None:
        return short(frame.control, frame.address)
    return long(frame.control, frame.address, frame.ci, frame.data)


def short(control: int, address: int) -> bytes:
    """Give a short frame, such as REQ_UD2 to a primary address."""
    return bytes((_SHORT, control, address, (control + address) & 0xFF, _STOP))


def long(control: int, address: int, ci: int, data: bytes = b"") -> bytes:
    """Give a long frame, a control frame without ``data``.

    Raises:
        ValueError: more than 252 bytes of data.
    """
    if len(data) > MOST_DATA:
        raise ValueError(f"{len(data)} bytes do not fit into an M-Bus frame")
    body = bytes((control, address, ci)) + data
    return bytes((_LONG, len(body), len(body), _LONG)) + body + bytes((sum(body) & 0xFF, _STOP))


def with_count_bit(control: int, *, on: bool) -> int:
    """Give a REQ_UD2, REQ_UD1 or SND_UD control field with its frame count bit set or not.

    A meter repeats its last telegram while the bit stays, and gives the next one when it changes.
    """
    return control | _FCB if on else control & ~_FCB


def _size(head: bytes) -> int | None:
    """Length of the frame that begins with ``head``: 0 if that is not clear yet, None if none can."""
    if head[0] == _SHORT:
        return _SHORT_BYTES
    if head[0] != _LONG:
        return None
    if len(head) > 1 and head[1] < 3:
        return None
    if (len(head) > 2 and head[2] != head[1]) or (len(head) > 3 and head[3] != _LONG):
        return None
    return head[1] + _OVERHEAD if len(head) > 3 else 0


def _frame(raw: bytes) -> MbusFrame | None:
    """Give the frame that ``raw`` is, of the right length; None if its checksum or end is wrong.

    A sum modulo 256 lets one in 256 through: a reply that breaks off and is begun anew would now and then make a
    frame of its two halves. So a frame does not hold its own beginning again.
    """
    if raw[-1] != _STOP:
        return None
    if raw[0] == _SHORT:
        body, sums = raw[1:3], raw[3]
    else:
        body, sums = raw[4:-2], raw[-2]
    if sum(body) & 0xFF != sums or raw.find(raw[:_BEGINNING], 1) > 0:
        return None
    if raw[0] == _SHORT:
        return MbusFrame(control=body[0], address=body[1], raw=raw)
    return MbusFrame(control=body[0], address=body[1], ci=body[2], data=body[3:], raw=raw)


class MbusStreamDecoder(BufferingDecoder[MbusFrame]):
    """Finds frames of both directions, on a line that is listened to or in a capture.

    A false start may claim up to 261 bytes; ``flush`` at a silence sets the line free.
    """

    def __init__(self) -> None:
        super().__init__()
        self._torn = False  # garbage since the last frame: an E5 in it is a byte of something
        self._missing = 0

    @property
    def missing(self) -> int:
        """Bytes without which the frame that has begun cannot be whole."""
        return self._missing

    def flush(self) -> Iterator[MbusFrame | Noise]:
        """Give what is held back."""
        yield from super().flush()
        self._torn = False

    def _scan(self, *, last: bool) -> Iterator[MbusFrame | Noise]:
        buffer = self._buffer
        at = self._missing = 0
        reason = NoiseReason.GARBAGE
        while at < len(buffer):
            if buffer[at] == ACK and not self._torn and is_glitch(bytes(buffer[:at])):
                yield from self._noise(at, reason)
                del buffer[:1]
                yield MbusFrame(raw=bytes((ACK,)))
                at, reason = 0, NoiseReason.GARBAGE
                continue
            size = _size(bytes(buffer[at : at + 4]))
            short_of = size is not None and (size == 0 or at + size > len(buffer))
            if short_of and not last:
                self._missing = max(1, at + (size or _OVERHEAD + 3) - len(buffer))
                break
            if size is None or short_of:
                if short_of and at + 1 < len(buffer):
                    reason = _worse(reason, NoiseReason.CUT_SHORT)
                at += 1
                continue
            raw = bytes(buffer[at : at + size])
            frame = _frame(raw)
            if frame is None:
                if raw[-1] == _STOP:
                    reason = NoiseReason.BAD_CHECKSUM
                at += 1
                continue
            yield from self._noise(at, reason)
            del buffer[:size]
            self._torn = False
            yield frame
            at, reason = 0, NoiseReason.GARBAGE
        yield from self._noise(at, reason)

    def _noise(self, end: int, reason: NoiseReason) -> Iterator[Noise]:
        for noise in cut_noise(self._buffer, end, reason):
            self._torn |= noise.reason is not NoiseReason.GLITCH
            yield noise


def _worse(one: NoiseReason, two: NoiseReason) -> NoiseReason:
    return one if one is NoiseReason.BAD_CHECKSUM else two


class MbusReplyDecoder:
    """Finds the reply to one request: E5 to what is sent, RSP_UD of the unit asked to what is requested.

    When all that came is one reply with a wrong checksum, ``BAD_CHECKSUM`` comes at once.

    Args:
        request: the whole frame that was sent, one of ours.
        peer: who is meant where address 253 does not tell: the secondary address.
    """

    def __init__(self, request: bytes, peer: bytes = b"") -> None:
        self._request = request
        self._secondary = peer
        asked = next(iter(MbusStreamDecoder().feed(request)))
        assert isinstance(asked, MbusFrame)  # our own
        assert asked.address is not None
        self._address = asked.address
        self._wants_ack = asked.function in (Function.SND_NKE, Function.SND_UD)
        self._stream = MbusStreamDecoder()

    @property
    def asked(self) -> str:
        """The unit, for a sentence."""
        return f"meter {self._secondary.hex().upper()}" if self._secondary else f"unit {self._address}"

    @property
    def peer(self) -> bytes:
        """The unit that was asked."""
        return bytes((self._address,)) + self._secondary

    @property
    def likeness(self) -> bytes:
        """Whether E5 or data answers: a reply tells neither its request nor its frame count bit."""
        return b"ack" if self._wants_ack else b"data"

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._stream.buffered

    @property
    def missing(self) -> int:
        """Bytes without which the reply that has begun cannot be whole."""
        return self._stream.missing if self._stream.buffered else 0

    def fresh(self) -> MbusReplyDecoder:
        """Make an empty decoder for the same request."""
        return MbusReplyDecoder(self._request, self._secondary)

    def feed(self, data: bytes) -> Iterator[MbusFrame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        for event in self._stream.feed(data):
            yield self._sorted(event)

    def flush(self) -> Iterator[MbusFrame | Noise]:
        """Give what is left."""
        for event in self._stream.flush():
            yield self._sorted(event)

    def _sorted(self, event: MbusFrame | Noise) -> MbusFrame | Noise:
        if isinstance(event, Noise):
            return event
        if event.raw == self._request:
            return Noise(raw=event.raw, reason=NoiseReason.ECHO)
        if event.is_ack or self._wants_ack:
            right = event.is_ack and self._wants_ack
            return event if right else Noise(raw=event.raw, reason=NoiseReason.OTHER_REPLY)
        if event.function is not Function.RSP_UD:
            return Noise(raw=event.raw, reason=NoiseReason.OTHER_REPLY)
        if self._address not in (event.address, SELECTED, EVERY):
            return Noise(raw=event.raw, reason=NoiseReason.OTHER_UNIT)
        return event
