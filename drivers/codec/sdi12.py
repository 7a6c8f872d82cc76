"""SDI-12 version 1.4: commands ``a..!``, answers ``a.. CR LF``, with or without a CRC of three characters.

A CRC is told from values by its characters: it uses 40 to 7F, values use digits, sign and point only. Where neither
is promised (identification, extended commands) the caller says whether a CRC belongs to the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.checksum import crc16_arc
from drivers.codec.framing import Noise, NoiseReason, cut_noise, noise_of
from drivers.codec.seven_bit import BAD, EVEN, PLAIN, READINGS, seven_bits

LONGEST: Final = 96  # bytes: address, 75 characters of values, CRC, CR LF (4.4); identifications and high volume fit
_END: Final = b"\r\n"
_CRC_CHARS: Final = 3
_NO_TEXT: Final = (BAD, 0x7F, 0x00, 0x0D, 0x0A)
_ADDRESS: Final = re.compile(rb"[0-9A-Za-z?]")
_VALUE: Final = re.compile(r"[+-](?:\d+\.?\d*|\.\d+)")
_VALUES: Final = re.compile(rb"(?:[+-](?:\d+\.?\d*|\.\d+))+")
_NO_PRINT: Final = re.compile(rb"[\x00-\x1f\x7f]")
_MOST_DIGITS: Final = 7
_CRC: Final = re.compile(rb"[\x40-\x4f][\x40-\x7f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdi12Frame:
    """One answer.

    Attributes:
        address: of the sensor, one character.
        body: what stands between address and CRC or end.
        crc: the three characters, which are right; empty if there is none.
        parity_bits: whether the bytes carry parity in bit 7.
        raw: the bytes on the wire.
    """

    address: str
    body: str
    crc: str = ""
    parity_bits: bool = False
    raw: bytes

    @property
    def values(self) -> tuple[str, ...]:
        """The numbers, each with its sign as sent; empty if the body is no list of them."""
        return tuple(_VALUE.findall(self.body)) if is_values(self.body) else ()


def is_values(body: str) -> bool:
    """Tell whether ``body`` is a list of at least one value of up to seven digits (4.4.8)."""
    data = body.encode("ascii", errors="replace")
    if not _VALUES.fullmatch(data):
        return False
    return all(sum(c.isdigit() for c in value) <= _MOST_DIGITS for value in _VALUE.findall(body))


def crc_characters(data: bytes) -> bytes:
    """Give the three characters that close an answer (4.4.12.2)."""
    crc = crc16_arc(data)
    return bytes((0x40 | crc >> 12, 0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F))


def encode(frame: Sdi12Frame) -> bytes:
    """Give the characters of an answer, without parity bits; a CRC of its own if ``frame`` has one."""
    data = (frame.address + frame.body).encode("ascii")
    return data + (crc_characters(data) if frame.crc else b"") + _END


def command(address: str, body: str = "") -> bytes:
    """Give the characters of a command, such as ``command("0", "D0")``.

    Raises:
        ValueError: no such address, or a character that ends commands.
    """
    if not _ADDRESS.fullmatch(address.encode("ascii", errors="replace")) or len(address) != 1:
        raise ValueError(f"{address!r} is no SDI-12 address")
    if not body.isascii() or "!" in body:
        raise ValueError(f"{body!r} is no SDI-12 command")
    return f"{address}{body}!".encode("ascii")


def parse_answer(raw: bytes, *, crc: bool | None = None) -> Sdi12Frame | NoiseReason:
    """Read one answer that ends in CR LF, or say what is wrong about it.

    Args:
        raw: the bytes on the wire.
        crc: whether it has to have a CRC; None to see it from the characters behind values.
    """
    text = seven_bits(raw)
    if text is None or not text.endswith(_END) or not _ADDRESS.match(text):
        return NoiseReason.GARBAGE
    data = text[: -len(_END)]
    body, tail = data[1:], data[-_CRC_CHARS:]
    if _NO_PRINT.search(body[:-_CRC_CHARS]):  # DEL may stand in a CRC
        return NoiseReason.GARBAGE
    guarded = crc if crc is not None else _has_crc(body)
    if guarded:
        if len(body) < _CRC_CHARS or tail != crc_characters(data[:-_CRC_CHARS]):
            return NoiseReason.BAD_CHECKSUM
        body = body[:-_CRC_CHARS]
    elif _NO_PRINT.search(body) or (body[:1] in (b"+", b"-") and not is_values(body.decode("ascii"))):
        return NoiseReason.GARBAGE
    return Sdi12Frame(
        address=chr(text[0]),
        body=body.decode("ascii"),
        crc=tail.decode("ascii") if guarded else "",
        parity_bits=text != raw,
        raw=raw,
    )


def _has_crc(body: bytes) -> bool:
    """Tell whether three CRC characters stand where only values may: behind some, or alone."""
    values, tail = body[:-_CRC_CHARS], body[-_CRC_CHARS:]
    if values[:1] in (b"+", b"-"):
        return not tail[-1:].isdigit() and tail[-1:] != b"."
    return not values and bool(_CRC.fullmatch(tail))


class Sdi12Decoder:
    """Finds answers in what a line brings: from an address character to CR LF.

    Args:
        address: the sensor that was asked; None for any.
        crc: whether its answer has a CRC; None to see it from the answer.
        command: what was sent, to know its echo.
    """

    def __init__(self, address: str | None = None, *, crc: bool | None = None, command: bytes = b"") -> None:
        self._address = address if address != "?" else None
        self._crc = crc
        self._command = command
        self._buffer = bytearray()

    @property
    def asked(self) -> str:
        """The sensor, for a sentence."""
        return f"sensor {self._address or '?'}"

    @property
    def peer(self) -> bytes:
        """The sensor that was asked."""
        return (self._address or "?").encode("ascii", errors="replace")

    @property
    def likeness(self) -> bytes:
        """Nothing in an answer tells which command it answers."""
        return b""

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """An answer does not tell its length."""
        return 0

    def fresh(self) -> Sdi12Decoder:
        """Make an empty decoder for the same command."""
        return Sdi12Decoder(self._address, crc=self._crc, command=self._command)

    def feed(self, data: bytes) -> Iterator[Sdi12Frame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        self._buffer += data
        while (end := self._end()) > 0:
            raw = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield from self._line(raw)
        if len(self._buffer) > 2 * LONGEST:
            yield from cut_noise(self._buffer, len(self._buffer) - LONGEST, NoiseReason.GARBAGE)

    def flush(self) -> Iterator[Sdi12Frame | Noise]:
        """Give what is held back: it never ended."""
        yield from cut_noise(self._buffer, len(self._buffer), NoiseReason.CUT_SHORT)

    def _end(self) -> int:
        """Find the end of the first line in either reading; 0 if there is none."""
        ends = [self._buffer.translate(table).find(_END) for table in (PLAIN, EVEN)]
        return min((end + len(_END) for end in ends if end >= 0), default=0)

    def _line(self, raw: bytes) -> Iterator[Sdi12Frame | Noise]:
        """Take the longest answer that ends with ``raw``; what stands before it is noise.

        A right CRC proves the start of an answer. One without begins a line, or stands behind what is no character.
        """
        worst = NoiseReason.GARBAGE
        begin = len(self._command) if raw.startswith(self._command) else 0
        for start in range(max(begin, len(raw) - LONGEST), len(raw) - len(_END)):
            found = parse_answer(raw[start:], crc=self._crc)
            if isinstance(found, Sdi12Frame) and (found.crc or self._may_begin(raw, start)):
                yield from self._noise(raw[:start])
                yield self._sorted(found)
                return
            if found is NoiseReason.BAD_CHECKSUM:
                worst = found
        yield noise_of(raw, worst)

    def _may_begin(self, raw: bytes, start: int) -> bool:
        before = raw[:start]
        return before in (b"", self._command) or all(
            before[-1:].translate(table)[0] in _NO_TEXT for table in READINGS
        )

    def _sorted(self, frame: Sdi12Frame) -> Sdi12Frame | Noise:
        if self._address is not None and frame.address != self._address:
            return Noise(raw=frame.raw, reason=NoiseReason.OTHER_UNIT)
        return frame

    def _noise(self, raw: bytes) -> Iterator[Noise]:
        if raw:
            yield Noise(raw=raw, reason=NoiseReason.ECHO) if raw == self._command else noise_of(raw)
