from __future__ import annotations

from random import Random

from drivers.codec.checksum import crc16_modbus, crc16_modbus_bytes


def bit_by_bit(data: bytes) -> int:
    """The algorithm as Modbus over serial line V1.02, 6.2.2, spells it out."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def test_the_check_value_of_the_catalogue() -> None:
    assert crc16_modbus(b"123456789") == 0x4B37  # Williams' check value for CRC-16/MODBUS


def test_the_frame_of_the_standard() -> None:
    assert crc16_modbus_bytes(bytes.fromhex("02 07")) == bytes.fromhex("41 12")  # 6.2.2, the example


def test_every_length_agrees_with_the_algorithm_of_the_standard() -> None:
    chance = Random(20)
    for length in range(600):
        for data in (bytes(length), b"\xff" * length, chance.randbytes(length)):
            assert crc16_modbus(data) == bit_by_bit(data)


def test_every_single_bit_at_every_place_agrees() -> None:
    """The sum is affine: agreement on zeros and on each single bit is agreement on every message of that length."""
    for length in (1, 2, 6, 8, 30, 31, 119, 121, 241, 256):
        for bit in range(8 * length):
            data = (1 << bit).to_bytes(length, "big")
            assert crc16_modbus(data) == bit_by_bit(data)


def test_a_whole_frame_leaves_nothing() -> None:
    for length in range(1, 255):
        data = Random(length).randbytes(length)
        assert crc16_modbus(data + crc16_modbus_bytes(data)) == 0
