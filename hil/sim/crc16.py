"""CRC-16 of ISO/IEC 13239 (X-25) and its variant without start and final inversion (Kermit), bit by bit."""

from __future__ import annotations


def x25(data: bytes) -> bytes:
    """Give the check sequence of HDLC, low byte first."""
    return (_shifted(data, 0xFFFF) ^ 0xFFFF).to_bytes(2, "little")


def kermit(data: bytes) -> bytes:
    """Give what some meters send in its place, high byte first."""
    return _shifted(data, 0).to_bytes(2, "big")


def _shifted(data: bytes, register: int) -> int:
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return register
