"""Checksums as the standards describe them, written here and shared with no codec: what the fuzz targets judge by."""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Final


def _shifted(value: int, polynomial: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ polynomial if value & 1 else value >> 1
    return value


_IBM: Final = [_shifted(value, 0xA001) for value in range(256)]
_CCITT: Final = [_shifted(value, 0x8408) for value in range(256)]


def _reflected(data: bytes, register: int, table: list[int]) -> int:
    for byte in data:
        register = register >> 8 ^ table[(register ^ byte) & 0xFF]
    return register


def modbus(data: bytes) -> bytes:
    """The two bytes that close an RTU frame (Modbus over serial line V1.02, 6.2.2)."""
    return _reflected(data, 0xFFFF, _IBM).to_bytes(2, "little")


def x25(data: bytes) -> bytes:
    """FCS and HCS of HDLC (ISO/IEC 13239, 4.2.5), CRC of SML; low byte first."""
    return (_reflected(data, 0xFFFF, _CCITT) ^ 0xFFFF).to_bytes(2, "little")


def kermit(data: bytes) -> bytes:
    """CRC of the SML meters that start at 0 and do not invert; high byte first."""
    return _reflected(data, 0, _CCITT).to_bytes(2, "big")


def dsmr(data: bytes) -> bytes:
    """Four hex digits behind the ``!`` of a telegram (DSMR P1 5.0.2, 5.2.12)."""
    return b"%04X" % _reflected(data, 0, _IBM)


def sdi12(data: bytes) -> bytes:
    """Three characters in front of CR LF (SDI-12 1.4, 4.4.12)."""
    crc = _reflected(data, 0, _IBM)
    return bytes((0x40 | crc >> 12, 0x40 | (crc >> 6) & 0x3F, 0x40 | crc & 0x3F))


def hj212(data: bytes) -> bytes:
    """Four hex digits in capitals (HJ 212-2017, annex A): the high byte alone goes on."""
    register = 0xFFFF
    for byte in data:
        register = _IBM[register >> 8 ^ byte]
    return b"%04X" % register


def total(data: bytes) -> int:
    """Sum modulo 256: DL/T 645, CJ/T 188, M-Bus."""
    return sum(data) % 256


def lrc(data: bytes) -> int:
    """Modbus ASCII (6.2.1): what brings the sum to 0."""
    return (256 - sum(data) % 256) % 256


def bcc(data: bytes) -> int:
    """IEC 62056-21 (annex D.2): XOR of all bytes."""
    return reduce(xor, data, 0)


def even(text: bytes) -> bytes:
    """Seven bits with even parity in the eighth."""
    return bytes(byte & 0x7F | ((byte & 0x7F).bit_count() % 2) << 7 for byte in text)
