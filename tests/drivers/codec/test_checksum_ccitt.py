"""X-25 and Kermit against check values of the catalogue of parametrised CRC algorithms, and bit by bit."""

from __future__ import annotations

from random import Random

from drivers.codec.checksum_ccitt import crc16_kermit, crc16_x25


def bitwise(data: bytes, start: int) -> int:
    register = start
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return register


def test_check_values() -> None:
    assert crc16_x25(b"123456789") == 0x906E
    assert crc16_kermit(b"123456789") == 0x2189


def test_they_are_those_of_the_definition(seed: int) -> None:
    dice = Random(seed)
    for size in range(200):
        data = dice.randbytes(size)
        assert crc16_x25(data) == bitwise(data, 0xFFFF) ^ 0xFFFF
        assert crc16_kermit(data) == bitwise(data, 0)
