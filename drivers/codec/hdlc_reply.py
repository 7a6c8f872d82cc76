"""The reply to one HDLC frame of a client, as ``Link.exchange`` takes it (IEC 62056-46, 6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.hdlc import FrameKind, HdlcFrame, stream_decoder

_POLL_FINAL: Final = 0x10
_ENDED: Final = frozenset((FrameKind.DM, FrameKind.FRMR))


def snrm() -> int:
    """Control byte that asks for a connection."""
    return 0x83 | _POLL_FINAL


def disc() -> int:
    """Control byte that ends one."""
    return 0x43 | _POLL_FINAL


def information(sent: int, received: int) -> int:
    """Control byte of a numbered frame: its own number and that of the one expected next, 0 to 7."""
    return received << 5 | _POLL_FINAL | sent << 1


def ready(received: int) -> int:
    """Control byte that asks for the next segment: the number expected next."""
    return received << 5 | _POLL_FINAL | 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Both addresses, as on the wire."""

    client: bytes
    server: bytes


class HdlcReplyDecoder:
    """Finds the reply to a frame with a control byte, or that the meter has lost the connection (DM, FRMR).

    Args:
        ends: who asks whom.
        control: of the request.
        expected: control byte of the reply, UA for a connection or its end; a numbered frame has to be this one.
        name: of the meter, for sentences.
    """

    def __init__(self, ends: Ends, control: int, expected: int, name: str) -> None:
        self._ends = ends
        self._control = control
        self._expected = expected
        self._name = name
        self._decoder = stream_decoder()

    @property
    def asked(self) -> str:
        """The meter, for a sentence."""
        return self._name

    @property
    def peer(self) -> bytes:
        """The meter that is asked, and by whom."""
        return b"hdlc" + self._ends.server + self._ends.client

    @property
    def likeness(self) -> bytes:
        """The number of the reply: another one is not taken for it."""
        return bytes((self._expected,))

    @property
    def missing(self) -> int:
        """Not told."""
        return 0

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._decoder.buffered

    def fresh(self) -> HdlcReplyDecoder:
        """Make an empty decoder for the same reply."""
        return HdlcReplyDecoder(self._ends, self._control, self._expected, self._name)

    def feed(self, data: bytes) -> Iterator[HdlcFrame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        for event in self._decoder.feed(data):
            yield self._sorted(event)

    def flush(self) -> Iterator[HdlcFrame | Noise]:
        """Give what is left."""
        for event in self._decoder.flush():
            yield self._sorted(event)

    def _sorted(self, event: HdlcFrame | Noise) -> HdlcFrame | Noise:
        if isinstance(event, Noise):
            return event
        if (event.source, event.destination) == (self._ends.client, self._ends.server):
            return Noise(raw=event.raw, reason=NoiseReason.ECHO)
        if (event.source, event.destination) != (self._ends.server, self._ends.client):
            return Noise(raw=event.raw, reason=NoiseReason.OTHER_UNIT)
        if event.kind in _ENDED or event.control | _POLL_FINAL == self._expected:
            return event
        return Noise(raw=event.raw, reason=NoiseReason.OTHER_REPLY)
