"""HDLC segments -> whole messages (IEC 62056-46, 6.4.3.4): information that did not fit into one frame.

Segments follow each other from one sender to one receiver; whatever comes in between ends the message unfinished.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.hdlc import FrameKind, HdlcFrame, stream_decoder

MOST_BYTES: Final = 16384
"""Bytes of the longest message with its frames; what is longer is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HdlcMessage:
    """The information of one frame, or of several that belong together.

    Attributes:
        first: the frame that began it.
        information: all of it.
        raw: all frames as on the wire.
    """

    first: HdlcFrame
    information: bytes
    raw: bytes = field(compare=False)


class MessageDecoder:
    """Finds the messages of a stream, whoever sent them; frames that carry no information are told as they are."""

    def __init__(self) -> None:
        self._frames = stream_decoder()
        self._held: list[HdlcFrame] = []
        self._held_bytes = 0

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._held_bytes + self._frames.buffered

    def feed(self, data: bytes) -> Iterator[HdlcMessage | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        for event in self._frames.feed(data):
            yield from self._take(event)

    def flush(self) -> Iterator[HdlcMessage | Noise]:
        """Give what is held back."""
        for event in self._frames.flush():
            yield from self._take(event)
        yield from self._drop()

    def _take(self, event: HdlcFrame | Noise) -> Iterator[HdlcMessage | Noise]:
        if isinstance(event, Noise):
            yield from self._drop()
            yield event
            return
        if self._held and not self._continues(event):
            yield from self._drop()
        self._held.append(event)
        self._held_bytes += len(event.raw)
        if event.segmented and event.kind in (FrameKind.I, FrameKind.UI):
            if self._held_bytes > MOST_BYTES:
                yield from self._drop()
            return
        frames, self._held, self._held_bytes = self._held, [], 0
        yield HdlcMessage(
            first=frames[0],
            information=b"".join(frame.information for frame in frames),
            raw=b"".join(frame.raw for frame in frames),
        )

    def _continues(self, frame: HdlcFrame) -> bool:
        first = self._held[0]
        return (frame.source, frame.destination, frame.kind) == (first.source, first.destination, first.kind)

    def _drop(self) -> Iterator[Noise]:
        if self._held:
            raw = b"".join(frame.raw for frame in self._held)
            self._held, self._held_bytes = [], 0
            yield Noise(raw=raw, reason=NoiseReason.CUT_SHORT)
