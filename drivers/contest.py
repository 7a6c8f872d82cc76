"""Which protocol the bytes of a line belong to, where several may speak on it. Pure, bounded, never raises.

Every protocol hears all bytes and claims what has the form and checksum of its frames. Of two claims on the same
bytes the one that reaches beyond the other at both ends wins - a meter's telegram inside the registers of a Modbus
reply is the reply's -, else the one with more proof. So nothing is given away while a frame that has begun may still
beat it. Bytes go to exactly one frame or to noise, in wire order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.codec.framing import Frame, Noise, NoiseReason, is_glitch
from drivers.listening import WEAK, FrameListener

MOST_BYTES: Final = 32768
"""More than the longest frame of all; what is held back beyond it is decided as it stands."""
_MOST_NOISE: Final = 256
_ENCLOSING: Final = 20  # bits without which a frame is not believed to hold another


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A frame that got its bytes, or noise.

    Attributes:
        name: of the listener; empty for noise.
        at_ns: when its last byte came.
    """

    name: str
    frame: Frame | Noise
    at_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class _Claim:
    """A frame at its place, counted in bytes since the beginning of the line."""

    start: int
    end: int
    frame: Frame
    proof: int
    ear: _Ear

    def beats(self, other: _Claim) -> bool:
        """Tell whether it gets the bytes that both claim."""
        if self.start < other.start and self.end > other.end and self.proof >= _ENCLOSING:
            return True
        if other.start < self.start and other.end > self.end and other.proof >= _ENCLOSING:
            return False
        return self.proof > other.proof


class _Ear:
    """One listener with its decoder.

    Attributes:
        at: place up to which it has decided: what lies before is claimed, or noise to it.
        deaf: its decoder is no longer in step with the line; it begins anew behind the next frame.
        damaged: where it has seen a wrong checksum.
    """

    __slots__ = ("at", "claims", "damaged", "deaf", "decoder", "listener", "name")

    def __init__(self, name: str, listener: FrameListener[Any]) -> None:
        self.name = name
        self.listener = listener
        self.claims: deque[_Claim] = deque()
        self.damaged: list[tuple[int, int]] = []
        self.begin(0)

    def begin(self, at: int) -> None:
        """Begin anew."""
        self.decoder = self.listener.decoder()
        self.at = at
        self.deaf = False
        self.claims.clear()

    def take(self, events: Iterable[Frame | Noise]) -> None:
        for event in events:
            end = self.at + len(event.raw)
            if not isinstance(event, Noise):
                self.claims.append(_Claim(self.at, end, event, self.listener.proof(event), self))
            elif event.reason is NoiseReason.BAD_CHECKSUM:
                self.damaged = [*self.damaged[-7:], (self.at, end)]
            self.at = end

    def is_clear_of(self, end: int) -> bool:
        """Tell whether nothing that it holds begins before ``end``."""
        return not self.deaf and self.at >= end and (not self.claims or self.claims[0].start >= end)

    def withdraw(self, claim: _Claim) -> None:
        """Give up a claim, and with it all that was found behind it."""
        while self.claims and self.claims[-1].start >= claim.start:
            self.claims.pop()
        self.at = claim.start
        self.deaf = True

    def decide_until(self, end: int, data: bytes) -> bool:
        """Decide on ``data``, which ends at ``end``, as if silence followed; True if there is a new claim."""
        before = len(self.claims)
        self.at = end - len(data)
        decoder = self.listener.decoder()
        self.take(tuple(decoder.feed(data)))
        self.take(tuple(decoder.flush()))
        self.deaf = True
        return len(self.claims) > before


class Contest:
    """Gives each byte of a line to one of several protocols, or to none."""

    def __init__(self, listeners: Mapping[str, FrameListener[Any]]) -> None:
        self._ears = [_Ear(name, listener) for name, listener in listeners.items()]
        self._buffer = bytearray()
        self._base = 0  # place of the first byte of the buffer
        self._times: deque[tuple[int, int]] = deque()
        self._torn = False  # since the last frame there was more than glitches

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return len(self._buffer)

    def feed(self, data: bytes, at_ns: int) -> Iterator[Found]:
        """Give what is decided now that ``data`` has come. To be run to its end."""
        if not data:
            return
        self._buffer += data
        self._times.append((self._end, at_ns))
        for ear in self._ears:
            if not ear.deaf:
                ear.take(tuple(ear.decoder.feed(data)))
        yield from self._settle(last=False)
        if len(self._buffer) > MOST_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[Found]:
        """Give all that is held back, since nothing of it will go on."""
        if not self._buffer:
            self._torn = False
            return
        for ear in self._ears:
            if not ear.deaf:
                ear.take(tuple(ear.decoder.flush()))
        yield from self._settle(last=True)
        yield from self._noise(self._end)
        self._torn = False
        for ear in self._ears:
            ear.begin(self._end)

    @property
    def _end(self) -> int:
        return self._base + len(self._buffer)

    def _settle(self, *, last: bool) -> Iterator[Found]:
        while (claim := self._first()) is not None:
            if any(other.beats(claim) for other in self._against(claim)):
                claim.ear.withdraw(claim)
                continue
            if not last and self._may_be_beaten(claim):
                return
            if claim.proof < WEAK:
                clear = self._stands_clear(claim, last=last)
                if clear is None:
                    return
                if not clear:
                    claim.ear.claims.popleft()
                    continue
            if self._found_before(claim.start):
                continue
            yield from self._noise(claim.start)
            yield Found(name=claim.ear.name, frame=claim.frame, at_ns=self._time(claim.end))
            self._drop(claim.end)
            self._torn = False
            self._go_on_behind(claim, last=last)
        decided = min((ear.at for ear in self._ears if not ear.deaf), default=self._end)
        if decided - self._base > _MOST_NOISE:
            yield from self._noise(decided)

    def _first(self) -> _Claim | None:
        heads = [ear.claims[0] for ear in self._ears if ear.claims]
        return min(heads, key=lambda claim: (claim.start, -claim.proof)) if heads else None

    def _against(self, claim: _Claim) -> Iterator[_Claim]:
        for ear in self._ears:
            if ear is not claim.ear:
                yield from (other for other in ear.claims if other.start < claim.end and other.end > claim.start)

    def _may_be_beaten(self, claim: _Claim) -> bool:
        """Tell whether a frame that has begun may still get bytes of ``claim``."""
        return any(
            ear.listener.strictest > claim.proof or (ear.at < claim.start and ear.listener.strictest >= _ENCLOSING)
            for ear in self._ears
            if ear is not claim.ear and not ear.deaf and ear.at < claim.end
        )

    def _stands_clear(self, claim: _Claim, *, last: bool) -> bool | None:
        """Tell whether only glitches, silence and frames stand around a weak claim; None if that is not known yet."""
        if self._torn or not is_glitch(self._between(self._base, claim.start)):
            return False
        if claim.end == self._end:
            return True if last else None
        follows = [other for ear in self._ears for other in ear.claims if other.start >= claim.end]
        nearest = min((other.start for other in follows), default=self._end if last else None)
        if nearest is not None:
            return is_glitch(self._between(claim.end, nearest))
        return None if any(not ear.deaf and ear.at <= claim.end for ear in self._ears) else False

    def _found_before(self, start: int) -> bool:
        """Let those that still wait decide on what lies before ``start``; True if that brought a claim."""
        found = False
        for ear in self._ears:
            if ear.at < start:
                found |= ear.decide_until(start, self._between(max(ear.at, self._base), start))
        return found

    def _go_on_behind(self, claim: _Claim, *, last: bool) -> None:
        if claim.ear.claims and claim.ear.claims[0] is claim:
            claim.ear.claims.popleft()
        rest = bytes(self._buffer)
        for ear in self._ears:
            if ear.is_clear_of(claim.end):
                continue
            ear.begin(claim.end)
            ear.take(tuple(ear.decoder.feed(rest)))
            if last:
                ear.take(tuple(ear.decoder.flush()))

    def _between(self, start: int, end: int) -> bytes:
        return bytes(self._buffer[start - self._base : end - self._base])

    def _noise(self, end: int) -> Iterator[Found]:
        if end <= self._base:
            return
        raw, at_ns = self._between(self._base, end), self._time(end)
        damaged = any(low < end and high > self._base for ear in self._ears for low, high in ear.damaged)
        reason = NoiseReason.BAD_CHECKSUM if damaged else NoiseReason.GARBAGE
        glitch = is_glitch(raw)
        self._torn |= not glitch
        self._drop(end)
        yield Found(name="", frame=Noise(raw=raw, reason=NoiseReason.GLITCH if glitch else reason), at_ns=at_ns)

    def _time(self, end: int) -> int:
        """When the byte before ``end`` came."""
        return next((at_ns for upto, at_ns in self._times if upto >= end), self._times[-1][1])

    def _drop(self, end: int) -> None:
        del self._buffer[: end - self._base]
        self._base = end
        while len(self._times) > 1 and self._times[0][0] <= end:
            self._times.popleft()
