"""Asking a meter for its list in SML (SML 1.04, 4 and 5): open, list request and close in one file."""

from __future__ import annotations

from typing import Final

from drivers.codec.checksum_ccitt import crc16_x25
from drivers.codec.sml import encode

_ABSENT: Final = b"\x01"
_OPEN, _CLOSE, _GET_LIST = 0x0100, 0x0200, 0x0700
_CLIENT: Final = b"tidegate"
_MOST_SHORT: Final = 15


def list_request(transaction: int, server_id: bytes = b"") -> bytes:
    """Make a whole file that asks for the meter's own list.

    Args:
        transaction: 0 to 2**32 - 2; that of the list request is the next one, and the response carries it.
        server_id: the meter, empty for whoever hears it.
    """
    who = _octets(server_id) if server_id else _ABSENT
    client = _octets(_CLIENT)
    opened = _list(_ABSENT, client, _octets(transaction.to_bytes(4, "big")), who, _ABSENT, _ABSENT, _ABSENT)
    asked = _list(client, who, _ABSENT, _ABSENT, _ABSENT)
    return encode(
        _message(transaction, _OPEN, opened)
        + _message(transaction + 1, _GET_LIST, asked)
        + _message((transaction + 2) % (1 << 32), _CLOSE, _list(_ABSENT))
    )


def _message(transaction: int, tag: int, body: bytes) -> bytes:
    choice = _list(_unsigned(tag, 2), body)
    start = b"\x76" + _octets(transaction.to_bytes(4, "big")) + _unsigned(0, 1) + _unsigned(0, 1) + choice
    return start + b"\x63" + crc16_x25(start).to_bytes(2, "little") + b"\x00"


def _octets(data: bytes) -> bytes:
    size = len(data) + 1
    if size <= _MOST_SHORT:
        return bytes((size,)) + data
    return bytes((0x80 | size + 1 >> 4, size + 1 & 0x0F)) + data


def _unsigned(value: int, size: int) -> bytes:
    return bytes((0x60 | size + 1,)) + value.to_bytes(size, "big")


def _list(*items: bytes) -> bytes:
    return bytes((0x70 | len(items),)) + b"".join(items)
