"""SDI-12 on lines that are only listened to: commands up to ``!`` and answers up to CR LF, as 7E1 or eight bits.

Only data behind a CRC order has a checksum. All else counts where silence or another message stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.codec.framing import Decoder, Noise, is_glitch, noise_of
from drivers.codec.sdi12 import LONGEST, Sdi12Decoder, Sdi12Frame
from drivers.codec.seven_bit import EVEN, PLAIN
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning

_ENDS: Final = frozenset((0x21, 0x0A))
_COMMAND: Final = re.compile(rb"([0-9A-Za-z?])([A-Z][0-9A-Za-z]{0,8})?!")
_CRC_BITS: Final = 24
_TABLES: Final = (PLAIN, EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdi12Command:
    """A command: one address character and what is wanted of the sensor."""

    address: str
    body: str
    raw: bytes


Message: TypeAlias = Sdi12Command | Sdi12Frame


class Sdi12LineDecoder:
    """Finds commands and answers: what stands between two ends is one or the other, or noise."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Message | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        self._buffer += data
        while (end := self._end()) > 0:
            raw = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield from self._piece(raw)
        if len(self._buffer) > 2 * LONGEST:
            yield from self._drop(len(self._buffer) - LONGEST)

    def flush(self) -> Iterator[Message | Noise]:
        """Give what is held back: it never ended."""
        yield from self._drop(len(self._buffer))

    def _end(self) -> int:
        ends = [at for table in _TABLES for at, byte in enumerate(self._buffer.translate(table)) if byte in _ENDS]
        return min(ends, default=-1) + 1

    def _piece(self, raw: bytes) -> Iterator[Message | Noise]:
        command = next((one for table in _TABLES if (one := _command(raw, table)) is not None), None)
        if command is not None:
            before = raw[: len(raw) - len(command.raw)]
            if before:
                yield noise_of(before)
            yield command
            return
        decoder = Sdi12Decoder()
        yield from decoder.feed(raw)
        yield from decoder.flush()

    def _drop(self, end: int) -> Iterator[Noise]:
        raw = bytes(self._buffer[:end])
        del self._buffer[:end]
        if raw:
            yield noise_of(raw)


def _command(raw: bytes, table: bytes) -> Sdi12Command | None:
    """Read a command that ends ``raw`` and has nothing but glitches before it."""
    text = raw.translate(table)
    found = _COMMAND.search(text)
    while found is not None and found.end() != len(text):
        found = _COMMAND.search(text, found.start() + 1)
    if found is None or not is_glitch(raw[: found.start()]):
        return None
    body = (found[2] or b"").decode("ascii")
    return Sdi12Command(address=found[1].decode("ascii"), body=body, raw=raw[found.start() :])


class Sdi12Listener(FrameListener[Message]):
    """The protocol on one line."""

    strictest = _CRC_BITS

    def decoder(self) -> Decoder[Message]:
        """Make an empty decoder."""
        return Sdi12LineDecoder()

    def proof(self, frame: Message) -> int:
        """None without a CRC."""
        return _CRC_BITS if isinstance(frame, Sdi12Frame) and frame.crc else 0

    def meaning(self, frame: Message, asked: Message | None) -> Meaning:
        """Tell a command from an answer."""
        if isinstance(frame, Sdi12Command):
            return Meaning(kind=Kind.REQUEST, address=frame.address, act=Act.ASK, what=frame.body or "active")
        answers = isinstance(asked, Sdi12Command) and asked.address in ("?", frame.address)
        return Meaning(
            kind=Kind.REPLY,
            address=frame.address,
            act=Act.DATA if frame.body else Act.CONFIRM,
            what=frame.body if not frame.values else f"{len(frame.values)} values",
            data_bytes=len(frame.body),
            answers=answers,
        )


LISTENING: Final = {"sdi12": Listening(listeners={"sdi12": Sdi12Listener})}
