"""What came after a question, taken apart by a protocol's own decoder: whole frames, or what the rest looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from drivers.codec.framing import Decoder, Frame, Noise, NoiseReason, is_glitch
from drivers.scan.probe import Verdict

F = TypeVar("F", bound=Frame)
_SPOILT = frozenset((NoiseReason.BAD_CHECKSUM, NoiseReason.CUT_SHORT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened(Generic[F]):
    """What came.

    Attributes:
        echo: our own request came first.
        raw: all that came after it.
        frames: whole frames in it, in order.
        noise: what the bytes outside frames are, SILENCE if there are none.
    """

    echo: bool
    raw: bytes
    frames: tuple[F, ...]
    noise: Verdict

    @property
    def spoilt(self) -> bool:
        """Whether bytes came that several may have sent at once."""
        return self.noise in (Verdict.DAMAGED, Verdict.GARBAGE)


def listen(decoder: Decoder[F], request: bytes, data: bytes) -> Listened[F]:
    """Sort all that came after ``request``; ``decoder`` is a fresh one."""
    echo = bool(request) and data.startswith(request)
    raw = data[len(request) :] if echo else data
    frames: list[F] = []
    noise = Verdict.SILENCE
    for event in (*decoder.feed(raw), *decoder.flush()):
        if not isinstance(event, Noise):
            frames.append(event)
        elif is_glitch(event.raw):
            noise = Verdict.GLITCH if noise is Verdict.SILENCE else noise
        elif event.reason in _SPOILT:
            noise = Verdict.DAMAGED
        elif noise is not Verdict.DAMAGED:
            noise = Verdict.GARBAGE
    return Listened(echo=echo, raw=raw, frames=tuple(frames), noise=noise)
