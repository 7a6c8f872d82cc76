"""The reply to one message of IEC 62056-21, as ``Link.exchange`` takes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.iec62056_21 import LONGEST, IecDecoder, IecFrame, Kind

ANSWER_TO: Final = {
    Kind.SIGN_ON: frozenset((Kind.IDENTIFICATION,)),
    Kind.OPTION: frozenset((Kind.BLOCK,)),
    Kind.ACK: frozenset((Kind.BLOCK,)),
    Kind.TELEGRAM: frozenset((Kind.TELEGRAM,)),
}
"""What comes back; TELEGRAM stands for saying nothing and listening."""


class IecReplyDecoder:
    """Finds the answer to a message of kind ``sent``; a block is proven by its BCC, an identification by its form.

    Args:
        sent: what was said.
        address: of the device, for sentences.
        longest: bytes of the longest answer.
        request: the message that was sent, to know its echo.
    """

    def __init__(self, sent: Kind, address: str = "", longest: int = LONGEST, request: bytes = b"") -> None:
        self._sent = sent
        self._address = address
        self._longest = longest
        self._request = request
        self._decoder = IecDecoder(ANSWER_TO[sent], longest)

    @property
    def asked(self) -> str:
        """The meter, for a sentence."""
        return f"meter {self._address}" if self._address else "the meter"

    @property
    def peer(self) -> bytes:
        """The meter that was asked."""
        return b"iec" + self._address.encode("ascii", errors="replace")

    @property
    def likeness(self) -> bytes:
        """What kind of answer it is: nothing in one tells its request."""
        return self._sent.value.encode("ascii")

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._decoder.buffered

    @property
    def missing(self) -> int:
        """Bytes without which the answer that has begun cannot be whole."""
        return self._decoder.missing

    def fresh(self) -> IecReplyDecoder:
        """Make an empty decoder for the same message."""
        return IecReplyDecoder(self._sent, self._address, self._longest, self._request)

    def feed(self, data: bytes) -> Iterator[IecFrame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        return map(self._sorted, self._decoder.feed(data))

    def flush(self) -> Iterator[IecFrame | Noise]:
        """Give what is left."""
        return map(self._sorted, self._decoder.flush())

    def _sorted(self, event: IecFrame | Noise) -> IecFrame | Noise:
        if isinstance(event, Noise) and event.raw == self._request:
            return Noise(raw=event.raw, reason=NoiseReason.ECHO)
        return event
