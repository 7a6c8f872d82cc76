"""What a client that only reads says to a DLMS meter (IEC 62056-5-3, 7): association, get request, next block."""

from __future__ import annotations

from typing import Final

LLC: Final = b"\xe6\xe6\x00"
"""In front of every request in an HDLC frame; the meter puts E6 E7 00 in front of its responses."""

GET_AND_BLOCKS: Final = bytes((0x00, 0x10, 0x10))
"""Conformance block: get, and block transfer with get. Nothing else is asked for."""

MOST_PASSWORD_BYTES: Final = 64
_LOGICAL_NAMES: Final = bytes.fromhex("A109060760857405080101")  # application context name
_LOW_LEVEL: Final = bytes.fromhex("8A0207808B0760857405080201")  # ACSE requirements, mechanism: low level security
_VERSION_6: Final = bytes.fromhex("01000000065F1F0400")  # InitiateRequest up to the conformance block
_GET_REQUEST: Final = 0xC0
_NORMAL, _NEXT = 1, 2
_HIGH_PRIORITY: Final = 0xC0  # priority high, service confirmed; the invoke id is below


def association_request(
    password: bytes = b"", *, conformance: bytes = GET_AND_BLOCKS, longest_pdu: int = 0xFFFF
) -> bytes:
    """Make an AARQ with logical names and without ciphering.

    Args:
        password: of low level security; empty for none.
        conformance: block of three bytes.
        longest_pdu: bytes that the client can receive.
    """
    user = bytes((0x04, len(_VERSION_6) + 5)) + _VERSION_6 + conformance + longest_pdu.to_bytes(2, "big")
    body = _LOGICAL_NAMES
    if password:
        body += _LOW_LEVEL + bytes((0xAC, len(password) + 2, 0x80, len(password))) + password
    body += bytes((0xBE, len(user))) + user
    return bytes((0x60, len(body))) + body


def get_request(invoke: int, class_id: int, obis: bytes, attribute: int) -> bytes:
    """Make a get request for one attribute; ``invoke`` is 0 to 15."""
    head = bytes((_GET_REQUEST, _NORMAL, _HIGH_PRIORITY | invoke))
    return head + class_id.to_bytes(2, "big") + obis + bytes((attribute, 0))


def next_block(invoke: int, block: int) -> bytes:
    """Ask for the block behind ``block`` of the answer to request ``invoke``."""
    return bytes((_GET_REQUEST, _NEXT, _HIGH_PRIORITY | invoke)) + block.to_bytes(4, "big")
