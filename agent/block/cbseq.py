"""``.cbseq`` files: a CBOR sequence (RFC 8742) of block messages as sent, read in the face of damage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from agent.block.cose import message_end
from agent.block.record import MAX_MESSAGE_BYTES

_MARK: Final = b"\xd2\x84"
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BadStretch:
    """Bytes of a file that belong to no message.

    Attributes:
        offset: of the first of them in the file.
        length: how many.
    """

    offset: int
    length: int


def write_cbseq(stream: BinaryIO, messages: Iterable[bytes]) -> int:
    """Append messages as they are; returns how many."""
    count = 0
    for message in messages:
        stream.write(message)
        count += 1
    return count


def read_cbseq(stream: BinaryIO) -> Iterator[bytes | BadStretch]:
    """Read messages and bad stretches in order; needs memory for about a megabyte, whatever the file.

    A message is what has the outer layout of one; what is in it is the verifier's question. After bytes that have
    none the reader goes on at the next ``d2 84`` that does. What the end of the file cuts off is a bad stretch.
    """
    buffer = bytearray()
    base = bad_from = 0
    pos = 0
    ended = False
    while True:
        if not ended and len(buffer) - pos < MAX_MESSAGE_BYTES:
            del buffer[:pos]
            base += pos
            pos = 0
            chunk = stream.read(_CHUNK_BYTES)
            ended = not chunk
            buffer += chunk
            if not ended:
                continue
        end = message_end(buffer, pos)
        if end is not None:
            if bad_from < base + pos:
                yield BadStretch(offset=bad_from, length=base + pos - bad_from)
            yield bytes(buffer[pos:end])
            pos = end
            bad_from = base + pos
            continue
        if pos >= len(buffer):
            break
        pos = _next_mark(buffer, pos + 1)
    if bad_from < base + pos:
        yield BadStretch(offset=bad_from, length=base + pos - bad_from)


def _next_mark(buffer: bytearray, start: int) -> int:
    """Where the next message may start: a mark, its first half at the end of what is read, or the end."""
    at = buffer.find(_MARK, start)
    if at >= 0:
        return at
    return len(buffer) - 1 if len(buffer) > start and buffer[-1] == _MARK[0] else len(buffer)
