"""Checks by CBOR type: in Python ``False == 0`` and ``1.0 == 1``, in the format they are different things."""

from __future__ import annotations

from typing import Final, TypeGuard

U63_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)
UTC_MS_MIN: Final = 1099511627776
UTC_MS_MAX: Final = 9007199254740991
INT_MIN: Final = -(2**64)
UINT_MAX: Final = 2**64 - 1
"""Bounds of what CBOR holds without a bignum."""
SHORT_BYTES: Final = 255
LONG_BYTES: Final = 1024
ID_BYTES: Final = 8
HASH_BYTES: Final = 32


def is_int(value: object, low: int, high: int) -> TypeGuard[int]:
    """Whether this is an integer from ``low`` to ``high``; true and false are none."""
    return type(value) is int and low <= value <= high


def is_u63(value: object) -> TypeGuard[int]:
    """Whether this is an unsigned integer of 63 bits."""
    return type(value) is int and 0 <= value <= U63_MAX


def is_utc_ms(value: object) -> TypeGuard[int]:
    """Whether this is a UTC time of 2004 or later, in milliseconds."""
    return type(value) is int and UTC_MS_MIN <= value <= UTC_MS_MAX


def is_bytes(value: object, size: int) -> TypeGuard[bytes]:
    """Whether this is a byte string of exactly ``size`` bytes."""
    return type(value) is bytes and len(value) == size


def is_spki(value: object) -> TypeGuard[bytes]:
    """Whether this is a byte string as long as an SPKI may be."""
    return type(value) is bytes and 44 <= len(value) <= 91


def is_short(value: object) -> TypeGuard[str]:
    """Whether this is text of at most 255 bytes of UTF-8."""
    return is_text(value, SHORT_BYTES)


def is_text(value: object, most_bytes: int) -> TypeGuard[str]:
    """Whether this is text of at most ``most_bytes`` bytes of UTF-8 (CBOR counts bytes, Python characters)."""
    if type(value) is not str or len(value) > most_bytes:
        return False
    if value.isascii() or len(value) * 4 <= most_bytes:
        return True
    return len(value.encode("utf-8", "surrogatepass")) <= most_bytes
