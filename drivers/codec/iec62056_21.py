"""IEC 62056-21 (formerly IEC 1107), modes A to D: sign-on, identification, option, blocks with BCC, pushed telegrams.

A block check character is the XOR of everything behind its start character up to and with its end: it finds every
single damaged bit and one in 128 of larger damage stays unseen, so the grammar of the content is checked too. Lines
and telegrams of mode D have nothing of the kind, except for the CRC that DSMR meters put behind the ``!``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from operator import xor
from typing import Final

from drivers.codec.checksum import crc16_arc
from drivers.codec.framing import BufferingDecoder, Noise, NoiseReason, cut_noise
from drivers.codec.seven_bit import BAD, EVEN, PLAIN, with_parity

LONGEST: Final = 16384  # bytes of a readout: a year of stored values
_LONGEST_LINE: Final = 64
SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15
_STARTS: Final = re.compile(rb"[\x01\x02\x06\x15/\x81\x82\x95\xaf]")
_NO_CONTENT: Final = re.compile(rb"[^\x20-\x7e\r\n]")
_IDENTIFICATION: Final = re.compile(rb"/([A-Za-z]{3}[\x21-\x7e][\x20-\x7e]*)\r\n")
_SIGN_ON: Final = re.compile(rb"/\?([0-9A-Za-z ]{0,32})!\r\n")
_OPTION: Final = re.compile(rb"\x06([\x21-\x7e]{3})\r\n")
_COMMAND: Final = re.compile(rb"([A-Z][0-9])(?:\x02(.*))?", re.DOTALL)
_NEXT_TELEGRAM: Final = re.compile(rb"\n/[A-Za-z]{3}")  # no data set begins with the start character
_TELEGRAM_END: Final = re.compile(rb"\n!([0-9A-F]{4})?\r\n")


class Kind(Enum):
    """What a message is for."""

    SIGN_ON = "sign-on"
    IDENTIFICATION = "identification"
    OPTION = "option"
    BLOCK = "block"
    """STX data ETX BCC: a readout, or data in programming mode."""
    COMMAND = "command"
    """SOH command [STX data] ETX BCC."""
    TELEGRAM = "telegram"
    """Identification and data unasked, mode D."""
    ACK = "ack"
    NAK = "nak"


@dataclass(frozen=True, slots=True, kw_only=True)
class IecFrame:
    """One message.

    Attributes:
        kind: what it is.
        text: what it says: the device address of a sign-on, an identification without ``/``, the three characters of
            an option, the data of a block, command or telegram.
        command: ``P0``, ``R1`` ... of a command; identification of a telegram.
        check: the BCC, or the CRC of a telegram; None without one.
        more: whether the block ends in EOT: another one follows when this is acknowledged.
        parity_bits: whether the bytes carry parity in bit 7.
        raw: the bytes on the wire.
    """

    kind: Kind
    text: str = ""
    command: str = ""
    check: int | None = None
    more: bool = False
    parity_bits: bool = False
    raw: bytes


def bcc(data: bytes) -> int:
    """Give the block check character of what stands behind the start character, end character included."""
    return reduce(xor, data, 0)


def encode(frame: IecFrame) -> bytes:
    """Give the bytes of ``frame``, whatever its ``raw`` and ``check``."""
    text = frame.text.encode("ascii")
    end = bytes((EOT if frame.more else ETX,))
    match frame.kind:
        case Kind.SIGN_ON:
            data = b"/?" + text + b"!\r\n"
        case Kind.IDENTIFICATION:
            data = b"/" + text + b"\r\n"
        case Kind.OPTION:
            data = bytes((ACK,)) + text + b"\r\n"
        case Kind.BLOCK:
            data = bytes((STX,)) + text + end + bytes((bcc(text + end),))
        case Kind.COMMAND:
            body = frame.command.encode("ascii") + (bytes((STX,)) + text if text else b"") + end
            data = bytes((SOH,)) + body + bytes((bcc(body),))
        case Kind.TELEGRAM:
            data = b"/" + frame.command.encode("ascii") + b"\r\n" + text + b"!"
            data += (b"" if frame.check is None else b"%04X" % crc16_arc(data)) + b"\r\n"
        case Kind.ACK:
            data = bytes((ACK,))
        case Kind.NAK:
            data = bytes((NAK,))
    return with_parity(data) if frame.parity_bits else data


@dataclass(frozen=True, slots=True)
class _Pending:
    """More bytes may still make a message of it; ``missing`` of them at least."""

    missing: int = 1


_Found = IecFrame | _Pending | NoiseReason


class IecDecoder(BufferingDecoder[IecFrame]):
    """Finds messages of the kinds that are waited for; all else is noise.

    Args:
        kinds: what is waited for. A telegram begins as an identification does, so not both.
        longest: bytes of the longest message.
    """

    def __init__(self, kinds: frozenset[Kind], longest: int = LONGEST) -> None:
        self._kinds = kinds
        self._longest = longest
        self._long = bytes((SOH, STX, 0x80 | SOH, 0x80 | STX)) + (b"/\xaf" if Kind.TELEGRAM in kinds else b"")
        super().__init__()
        self._missing = 0

    @property
    def missing(self) -> int:
        """Bytes without which the message that has begun cannot be whole."""
        return self._missing

    def _scan(self, *, last: bool) -> Iterator[IecFrame | Noise]:
        at = self._missing = 0
        reason = NoiseReason.GARBAGE
        while (start := _STARTS.search(self._buffer, at)) is not None:
            at = start.start()
            span = self._longest if self._buffer[at] in self._long else _LONGEST_LINE
            found = self._at(bytes(self._buffer[at : at + span]))
            if isinstance(found, IecFrame):
                yield from self._noise(at, reason)
                del self._buffer[: len(found.raw)]
                yield found
                at, reason = 0, NoiseReason.GARBAGE
                continue
            if isinstance(found, _Pending):
                if not last and len(self._buffer) - at < self._longest:
                    self._missing = found.missing
                    yield from self._noise(at, reason)
                    return
                found = NoiseReason.CUT_SHORT
            if reason is not NoiseReason.BAD_CHECKSUM and found is not NoiseReason.GARBAGE:
                reason = found
            at += 1
        yield from self._noise(len(self._buffer), reason)

    def _at(self, raw: bytes) -> _Found:
        """Tell what begins with ``raw``. The start character shows whether parity is in bit 7, ACK apart."""
        first = raw[0] & 0x7F
        if first == ACK:
            return self._acknowledgement(raw)
        table = EVEN if raw[0] & 0x80 else PLAIN
        text = raw.translate(table)
        if first == NAK:
            return IecFrame(kind=Kind.NAK, raw=raw[:1]) if Kind.NAK in self._kinds else NoiseReason.GARBAGE
        if first in (SOH, STX):
            kind = Kind.BLOCK if first == STX else Kind.COMMAND
            return _block(kind, text, raw) if kind in self._kinds else NoiseReason.GARBAGE
        for kind, form in ((Kind.SIGN_ON, _SIGN_ON), (Kind.IDENTIFICATION, _IDENTIFICATION)):
            if kind in self._kinds and not isinstance(found := _line(kind, form, text, raw), NoiseReason):
                return found
        return _telegram(text, raw) if Kind.TELEGRAM in self._kinds else NoiseReason.GARBAGE

    def _acknowledgement(self, raw: bytes) -> _Found:
        if Kind.OPTION not in self._kinds:
            return IecFrame(kind=Kind.ACK, raw=raw[:1]) if Kind.ACK in self._kinds else NoiseReason.GARBAGE
        found = [_line(Kind.OPTION, _OPTION, raw.translate(table), raw) for table in (PLAIN, EVEN)]
        return next((one for kind in (IecFrame, _Pending) for one in found if isinstance(one, kind)), found[0])

    def _noise(self, end: int, reason: NoiseReason) -> Iterator[Noise]:
        return cut_noise(self._buffer, end, reason)


def _line(kind: Kind, form: re.Pattern[bytes], text: bytes, raw: bytes) -> _Found:
    end = text.find(b"\n", 0, _LONGEST_LINE)
    if end < 0:
        cut = text[1:].rstrip(b"\r")
        broken = len(text) >= _LONGEST_LINE or any(byte < 0x20 or byte > 0x7E for byte in cut)
        return NoiseReason.GARBAGE if broken else _Pending()
    found = form.fullmatch(text[: end + 1])
    if found is None:
        return NoiseReason.GARBAGE
    raw = raw[: end + 1]
    return IecFrame(kind=kind, text=found[1].decode("ascii"), parity_bits=text[: end + 1] != raw, raw=raw)


def _block(kind: Kind, text: bytes, raw: bytes) -> _Found:
    """Read from STX or SOH on; in a command STX may stand behind the two characters of its name."""
    start = 4 if kind is Kind.COMMAND and text[3:4] == bytes((STX,)) else 1
    stop = _NO_CONTENT.search(text, start)
    if stop is None:
        return _Pending(missing=2)
    end = stop.start()
    if text[end] not in (ETX, EOT):
        return NoiseReason.GARBAGE
    if end + 1 == len(text):
        return _Pending()
    content = text[1:end]
    if text[end + 1] == BAD or bcc(text[1 : end + 1]) != text[end + 1]:
        return NoiseReason.BAD_CHECKSUM
    name = b""
    if kind is Kind.COMMAND:
        parts = _COMMAND.fullmatch(content)
        if parts is None:
            return NoiseReason.GARBAGE
        name, content = parts[1], parts[2] or b""
    return IecFrame(
        kind=kind,
        text=content.decode("ascii"),
        command=name.decode("ascii"),
        check=text[end + 1],
        more=text[end] == EOT,
        parity_bits=text[: end + 2] != raw[: end + 2],
        raw=raw[: end + 2],
    )


def _telegram(text: bytes, raw: bytes) -> _Found:
    head = _line(Kind.IDENTIFICATION, _IDENTIFICATION, text, raw)
    if not isinstance(head, IecFrame):
        return head
    begin = len(head.raw)
    stop = _NO_CONTENT.search(text)
    last = _TELEGRAM_END.search(text, begin - 1, len(text) if stop is None else stop.start())
    if _NEXT_TELEGRAM.search(text, begin - 1, len(text) if last is None else last.start()) is not None:
        return NoiseReason.CUT_SHORT
    if last is None:
        return _Pending() if stop is None else NoiseReason.GARBAGE
    checked = last.start() + 2
    check = None if last[1] is None else int(last[1], 16)
    if check is not None and crc16_arc(text[:checked]) != check:
        return NoiseReason.BAD_CHECKSUM
    return IecFrame(
        kind=Kind.TELEGRAM,
        text=text[begin : checked - 1].decode("ascii"),
        command=head.text,
        check=check,
        parity_bits=text[: last.end()] != raw[: last.end()],
        raw=raw[: last.end()],
    )
