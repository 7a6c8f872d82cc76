"""Checksums on the wire. Pure functions."""

from __future__ import annotations

from typing import Final

_MIRROR: Final = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_FOLDS: Final = tuple((15 * step, (1 << 15 * step) - 1, step) for step in (64, 32, 16, 8, 4, 2, 1))
_FACTOR: Final = 0x8003  # x^15 + x + 1


def crc16_modbus(data: bytes) -> int:
    """Give the CRC-16 of Modbus over serial line V1.02, 6.2.2: 0x8005 reflected, start 0xFFFF; sent low byte first.

    The polynomial x^16 + x^15 + x^2 + 1 is (x + 1)(x^15 + x + 1). Modulo the second factor x^15 = x + 1, so by
    squaring x^(15 * 2^k) = x^(2^k) + 1: a whole message held in one integer is folded by shifts and XOR, high part on
    low part, in a dozen steps instead of one step a byte. Modulo x + 1 a message is its number of ones, odd or even.
    Both together give the remainder. 255 bytes take 2.9 us, a table of 256 entries 12.7 (Python 3.11, one machine).
    """
    return _remainder(_mirrored(data) ^ (0xFFFF << 8 * len(data)))


def crc16_arc(data: bytes) -> int:
    """Give the same CRC-16 started at 0: SDI-12 (4.4.12), DSMR P1 (5.2.12)."""
    return _remainder(_mirrored(data))


def _mirrored(data: bytes) -> int:
    """Give ``data`` as one polynomial times x^16: first sent bit = highest power, so each byte is mirrored."""
    return int.from_bytes(data.translate(_MIRROR), "big") << 16


def _remainder(number: int) -> int:
    """Divide by 0x18005 and give the remainder in the order of the wire. A start value is XORed in before."""
    ones = number.bit_count()
    for width, low, step in _FOLDS:
        while high := number >> width:
            number = (number & low) ^ high ^ (high << step)
    if (ones ^ number.bit_count()) & 1:
        number ^= _FACTOR
    return _MIRROR[number >> 8] | _MIRROR[number & 0xFF] << 8


def crc16_modbus_bytes(data: bytes) -> bytes:
    """Give the two bytes that close an RTU frame holding ``data``."""
    return crc16_modbus(data).to_bytes(2, "little")
