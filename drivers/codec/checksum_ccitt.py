"""CRC-16 with the polynomial x^16 + x^12 + x^5 + 1, lowest bit first: HDLC, SML, DLMS. Pure functions."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

_MIRROR: Final = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def crc16_x25(data: bytes) -> int:
    """Give the CRC of ISO/IEC 13239 (HDLC), known as X-25: start FFFF, result inverted; sent low byte first."""
    return _mirrored(crc_hqx(data.translate(_MIRROR), 0xFFFF)) ^ 0xFFFF


def crc16_kermit(data: bytes) -> int:
    """Give the same CRC with start 0 and the result as it is; some SML meters have it."""
    return _mirrored(crc_hqx(data.translate(_MIRROR), 0))


def _mirrored(number: int) -> int:
    return _MIRROR[number >> 8] | _MIRROR[number & 0xFF] << 8
