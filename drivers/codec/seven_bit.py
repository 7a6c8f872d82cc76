"""Characters of seven bits and even parity (7E1), also where a port without it gives them as eight bits.

Such a port reads the parity bit as bit 7. Whether it does is seen from the bytes: the two readings of one text
differ, unless every character has an even number of ones.
"""

from __future__ import annotations

from typing import Final

BAD: Final = 0xFF
"""What a byte becomes that is no such character."""

PLAIN: Final = bytes(byte if byte < 0x80 else BAD for byte in range(256))
"""Table for ``bytes.translate``: the port took the parity bit away."""

EVEN: Final = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else BAD for byte in range(256))
"""Table for ``bytes.translate``: the port left it in."""

READINGS: Final = (PLAIN, EVEN)
"""Both, the likelier first."""

_WITH_PARITY: Final = bytes(byte | (byte.bit_count() & 1) << 7 if byte < 0x80 else byte for byte in range(256))


def with_parity(text: bytes) -> bytes:
    """Give ``text`` as a port of eight bits without parity has to send it, to be read as 7E1."""
    return text.translate(_WITH_PARITY)


def seven_bits(data: bytes) -> bytes | None:
    """Give the characters of ``data`` in whichever reading all of them are whole; None if neither is."""
    for table in READINGS:
        text = data.translate(table)
        if BAD not in text:
            return text
    return None
