"""What is said on a line that is only listened to: frames, who answers whom, silence and noise. Pure.

Bytes from a tap come with their direction, and each request is one piece. On a foreign line the direction is made
out: a frame is the reply to the one before if unit, function and length fit, else it is a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, reply_bytes
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder, RtuStreamDecoder

PATIENCE_NS: Final = 1_000_000_000
_SHORTEST: Final = 4


class Kind(Enum):
    """What was heard; the value is the word of JSON lines."""

    REQUEST = "request"
    REPLY = "reply"
    NO_REPLY = "no-reply"
    NOISE = "noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that was said.

    Attributes:
        at_ns: when it ended; of the clock of whoever feeds.
        raw: the bytes, checksum and all; empty for NO_REPLY.
        unit: who is asked or answers, None for noise.
        request: the request that a REPLY or NO_REPLY belongs to, checksum and all; empty otherwise.
        after_ns: from request to reply, or how long was waited.
        reason: of noise.
    """

    kind: Kind
    at_ns: int
    raw: bytes = b""
    unit: int | None = None
    request: bytes = b""
    after_ns: int | None = None
    reason: NoiseReason | None = None

    @property
    def function(self) -> int | None:
        """Modbus function, without the mark of a refusal."""
        return self.raw[1] & ~EXCEPTION_FLAG if self.unit is not None and len(self.raw) > 1 else None

    @property
    def refusal(self) -> int | None:
        """Exception code of a refusal."""
        refused = self.kind is Kind.REPLY and len(self.raw) > 2 and self.raw[1] & EXCEPTION_FLAG
        return self.raw[2] if refused else None


class Overhearing:
    """Takes bytes in the order they passed and gives what was said. Bounded memory, never raises."""

    def __init__(self) -> None:
        self._asked = b""
        self._asked_ns = 0
        self._stream = RtuStreamDecoder()
        self._reply: RtuReplyDecoder | None = None

    def sent(self, data: bytes, at_ns: int) -> Iterator[Said]:
        """Take a request that we sent, in one piece."""
        yield from self.idle(at_ns, silence=True)
        if len(data) >= _SHORTEST:
            self._begin(data, at_ns)
            self._reply = RtuReplyDecoder(data)
            yield Said(kind=Kind.REQUEST, at_ns=at_ns, raw=data, unit=data[0])
        else:
            yield Said(kind=Kind.NOISE, at_ns=at_ns, raw=data, reason=NoiseReason.GARBAGE)

    def received(self, data: bytes, at_ns: int) -> Iterator[Said]:
        """Take bytes from the line, after a request of ours."""
        if self._reply is None:
            yield from self.heard(data, at_ns)
            return
        for event in tuple(self._reply.feed(data)):
            yield from self._answer(event, at_ns)

    def heard(self, data: bytes, at_ns: int) -> Iterator[Said]:
        """Take bytes from a line on which others speak."""
        for event in tuple(self._stream.feed(data)):
            yield from self._foreign(event, at_ns)

    def idle(self, at_ns: int, *, silence: bool = False) -> Iterator[Said]:
        """Say that nothing came until ``at_ns``; with ``silence`` nothing of what is held back will go on.

        A request that stays without a reply for a second, or until the next request, is told once.
        """
        if silence:
            if self._reply is not None:
                for event in tuple(self._reply.flush()):
                    yield from self._answer(event, at_ns)
            for event in tuple(self._stream.flush()):
                yield from self._foreign(event, at_ns)
        if self._asked and (at_ns - self._asked_ns >= PATIENCE_NS or (silence and self._reply is not None)):
            yield self._unanswered(at_ns)

    def _begin(self, request: bytes, at_ns: int) -> None:
        self._asked, self._asked_ns = request, at_ns

    def _unanswered(self, at_ns: int) -> Said:
        request, self._asked = self._asked, b""
        return Said(
            kind=Kind.NO_REPLY, at_ns=at_ns, unit=request[0], request=request, after_ns=at_ns - self._asked_ns
        )

    def _answer(self, event: RtuFrame | Noise, at_ns: int) -> Iterator[Said]:
        if isinstance(event, Noise):
            yield Said(kind=Kind.NOISE, at_ns=at_ns, raw=event.raw, reason=event.reason)
        else:
            yield self._replied(event, at_ns)

    def _replied(self, frame: RtuFrame, at_ns: int) -> Said:
        request, self._asked = self._asked, b""
        after_ns = at_ns - self._asked_ns if request else None
        return Said(kind=Kind.REPLY, at_ns=at_ns, raw=frame.raw, unit=frame.unit, request=request, after_ns=after_ns)

    def _foreign(self, event: RtuFrame | Noise, at_ns: int) -> Iterator[Said]:
        if isinstance(event, Noise):
            yield Said(kind=Kind.NOISE, at_ns=at_ns, raw=event.raw, reason=event.reason)
        elif self._asked and _fits(self._asked, event):
            yield self._replied(event, at_ns)
        else:
            if self._asked:
                yield self._unanswered(at_ns)
            self._begin(event.raw, at_ns)
            yield Said(kind=Kind.REQUEST, at_ns=at_ns, raw=event.raw, unit=event.unit)


def _fits(request: bytes, frame: RtuFrame) -> bool:
    """Tell whether ``frame`` can be the reply to ``request``."""
    if frame.unit != request[0] or frame.pdu[0] & ~EXCEPTION_FLAG != request[1]:
        return False
    size = reply_bytes(request[1:-2], frame.pdu)
    return size is None or size == len(frame.pdu)
