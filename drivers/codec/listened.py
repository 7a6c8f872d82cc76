"""Frames that a meter sends by itself, as ``Link.exchange`` takes them: nothing is asked, the first one counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from drivers.codec.framing import Decoder, Frame, Noise

F = TypeVar("F", bound=Frame)


class ListeningDecoder(Generic[F]):
    """A stream decoder in the place of one that waits for a reply.

    Args:
        make: makes the stream decoder.
        asked: who is listened to, for a sentence.
        peer: the same, for what the link learns of it; of a protocol whose meters may be asked for what they send.
    """

    def __init__(self, make: Callable[[], Decoder[F]], asked: str = "the meter", peer: bytes = b"unasked") -> None:
        self._make = make
        self._asked = asked
        self._peer = peer
        self._decoder = make()

    @property
    def asked(self) -> str:
        """Who is listened to, for a sentence."""
        return self._asked

    @property
    def peer(self) -> bytes:
        """Whoever sends."""
        return self._peer

    @property
    def likeness(self) -> bytes:
        """All frames answer the same silence, or the same question."""
        return b""

    @property
    def missing(self) -> int:
        """Not known: a frame may be shorter than the one before."""
        return 0

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._decoder.buffered

    def fresh(self) -> ListeningDecoder[F]:
        """Make an empty decoder for the same."""
        return ListeningDecoder(self._make, self._asked, self._peer)

    def feed(self, data: bytes) -> Iterator[F | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        return self._decoder.feed(data)

    def flush(self) -> Iterator[F | Noise]:
        """Give what is left."""
        return self._decoder.flush()
