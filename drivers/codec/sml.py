"""SML transport (BSI TR-03109-1, SML 1.04, 8): escape sequences around messages, and a CRC.

``1B1B1B1B 01010101`` begins, ``1B1B1B1B 1A``, a count of padding bytes and the CRC end; the same four bytes inside
are doubled. The CRC is X-25, low byte first; some meters send its Kermit variant, high byte first, so each is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.codec.checksum_ccitt import crc16_kermit, crc16_x25
from drivers.codec.searched import Form, Look, SearchDecoder

LONGEST: Final = 8192
_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
_START: Final = _ESCAPE + b"\x01\x01\x01\x01"
_END: Final = 0x1A
_MOST_PADDING: Final = 3


class Check(Enum):
    """Which CRC a meter uses."""

    X25 = "x25"
    KERMIT = "kermit"

    def of(self, data: bytes) -> bytes:
        """Give the two bytes that close ``data``."""
        if self is Check.X25:
            return crc16_x25(data).to_bytes(2, "little")
        return crc16_kermit(data).to_bytes(2, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmlFrame:
    """One SML file with a right CRC.

    Attributes:
        payload: its messages, without escapes and padding.
        check: which CRC it was right by.
        raw: as on the wire.
    """

    payload: bytes
    check: Check
    raw: bytes = field(compare=False)


def encode(payload: bytes, check: Check = Check.X25) -> bytes:
    """Put messages, which end with 00, between escapes."""
    body = payload.replace(_ESCAPE, 2 * _ESCAPE)
    padding = -len(body) % 4
    wire = _START + body + bytes(padding) + _ESCAPE + bytes((_END, padding))
    return wire + check.of(wire)


def stream_decoder() -> SearchDecoder[SmlFrame]:
    """Make a decoder for what a meter pushes."""
    return SearchDecoder(Form(mark=_START, look=_look))


def _look(buffer: bytearray, at: int) -> SmlFrame | Look:
    place = at + len(_START)
    while (place := buffer.find(_ESCAPE, place, at + LONGEST - 4)) >= 0:
        code = bytes(buffer[place + 4 : place + 8])
        if len(code) < len(_ESCAPE):
            return Look.MORE
        if code != _ESCAPE:
            return _whole(bytes(buffer[at : place + 8])) if code[0] == _END else Look.NOTHING
        place += 8
    return Look.MORE if len(buffer) - at < LONGEST else Look.NOTHING


def _whole(raw: bytes) -> SmlFrame | Look:
    padding, told = raw[-3], raw[-2:]
    body = raw[len(_START) : -8]
    if padding > _MOST_PADDING or len(body) < padding or any(body[len(body) - padding :]):
        return Look.NOTHING
    for check in Check:
        if check.of(raw[:-2]) == told:
            payload = body[: len(body) - padding].replace(2 * _ESCAPE, _ESCAPE)
            return SmlFrame(payload=payload, check=check, raw=raw)
    return Look.DAMAGED
