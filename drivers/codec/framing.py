"""What every codec offers, and what the link and the conformance suite expect of it.

A codec is sans-io: any bytes in, frames and noise out. It never raises, never loses a byte and holds a bounded
number; ``conformance.check_codec`` checks that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar


class NoiseReason(Enum):
    """Why bytes are no part of a frame that was waited for; the value is the key of a counter."""

    GLITCH = "glitch"
    """Only 00, FE and FF: what a line without bias resistors makes of its turn-round."""
    ECHO = "echo"
    """Our own request, heard back."""
    OTHER_UNIT = "other-unit"
    """A whole reply of a unit that was not asked."""
    OTHER_REPLY = "other-reply"
    """A whole reply of the right unit to another request, such as a late one."""
    BAD_CHECKSUM = "bad-checksum"
    """The reply that was waited for, by shape, with a wrong checksum."""
    CUT_SHORT = "cut-short"
    """The beginning of a reply whose rest never came."""
    SURPLUS = "surplus"
    """The same reply once more."""
    GARBAGE = "garbage"
    """Nothing known."""


class Frame(Protocol):
    """One whole frame; codecs add their fields."""

    @property
    def raw(self) -> bytes:
        """The bytes as they were on the wire, checksum and all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Bytes that belong to no frame."""

    raw: bytes
    reason: NoiseReason


F = TypeVar("F", bound=Frame)
F_co = TypeVar("F_co", bound=Frame, covariant=True)


class Decoder(Protocol[F_co]):
    """Bytes to frames, in wire order. Total: no input makes it raise."""

    @property
    def buffered(self) -> int:
        """Bytes that are held back because they may become a frame."""
        ...

    def feed(self, data: bytes) -> Iterator[F_co | Noise]:
        """Give all that ``data`` completes. To be run to its end."""
        ...

    def flush(self) -> Iterator[F_co | Noise]:
        """Give what is held back, since no more bytes will come; afterwards nothing is buffered."""
        ...


class ReplyDecoder(Decoder[F_co], Protocol[F_co]):
    """A decoder made for the reply to one request; used for that exchange alone."""

    @property
    def asked(self) -> str:
        """Who was asked, for a sentence: ``unit 5``."""
        ...

    @property
    def peer(self) -> bytes:
        """Who was asked: key for what the link learns of a device."""
        ...

    @property
    def likeness(self) -> bytes:
        """What a reply shows of its request. Requests of one likeness have replies that cannot be told apart."""
        ...

    @property
    def missing(self) -> int:
        """Bytes without which the reply that has begun cannot be whole; 0 if none has, or if that is not known."""
        ...

    def fresh(self) -> ReplyDecoder[F_co]:
        """Make an empty decoder for the reply to the same request."""
        ...


class BufferingDecoder(ABC, Generic[F]):
    """A decoder that keeps what came in one buffer and looks through it whenever more comes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[F | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        self._buffer += data
        yield from self._scan(last=False)

    def flush(self) -> Iterator[F | Noise]:
        """Give what is held back: frames behind a false start, and noise."""
        yield from self._scan(last=True)

    @abstractmethod
    def _scan(self, *, last: bool) -> Iterator[F | Noise]:
        """Take out of the buffer what is decided, in wire order; all of it if ``last``, since nothing more comes."""


GLITCH_BYTES = frozenset(b"\x00\xfe\xff")


def is_glitch(data: bytes) -> bool:
    """Tell whether ``data`` is what an unbiased pair makes when a driver lets go: only 00, FE and FF."""
    return GLITCH_BYTES.issuperset(data)


def noise_of(raw: bytes, otherwise: NoiseReason = NoiseReason.GARBAGE) -> Noise:
    """Give ``raw`` as noise: a glitch if it can be one, else for the reason ``otherwise``."""
    return Noise(raw=raw, reason=NoiseReason.GLITCH if is_glitch(raw) else otherwise)


def cut_noise(buffer: bytearray, end: int, otherwise: NoiseReason = NoiseReason.GARBAGE) -> Iterator[Noise]:
    """Take the first ``end`` bytes out of ``buffer`` and give them as noise; nothing if there are none."""
    if end:
        raw = bytes(buffer[:end])
        del buffer[:end]
        yield noise_of(raw, otherwise)


def cut_overheard(
    buffer: bytearray, end: int, stream: Decoder[F], whole: Callable[[F], NoiseReason], otherwise: NoiseReason
) -> Iterator[Noise]:
    """Take bytes that are not the reply out of ``buffer`` and say what they were.

    Args:
        buffer: loses its first ``end`` bytes.
        end: how many.
        stream: a fresh decoder that finds whole frames among them.
        whole: why a whole frame is not the reply.
        otherwise: what bytes are that belong to no frame.
    """
    if not end:
        return
    raw = bytes(buffer[:end])
    del buffer[:end]
    for event in (*stream.feed(raw), *stream.flush()):
        if isinstance(event, Noise):
            yield noise_of(event.raw, otherwise)
        else:
            yield Noise(raw=event.raw, reason=whole(event))
