"""HDLC frames of IEC 62056-46, 6.4, and values in A-XDR. Shares no code with the drivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hil.sim.crc16 import x25

FLAG: Final = b"\x7e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A whole frame: who to, who from, control byte, whether more segments follow, information."""

    to: bytes
    sender: bytes
    control: int
    segmented: bool
    information: bytes


def frame(to: bytes, sender: bytes, control: int, information: bytes = b"", *, segmented: bool = False) -> bytes:
    """Put a frame between flags; addresses as on the wire."""
    rest = bytes([control])
    size = 2 + len(to) + len(sender) + 1 + 2 + (len(information) + 2 if information else 0)
    head = bytes([0xA0 | (8 if segmented else 0) | size >> 8, size & 0xFF]) + to + sender + rest
    if information:
        head += x25(head) + information
    return FLAG + head + x25(head) + FLAG


def taken_apart(wire: bytes) -> Parts | None:
    """Give the parts of one frame between flags; None if it is damaged."""
    body = wire.strip(FLAG) if wire.startswith(FLAG) and wire.endswith(FLAG) else b""
    body = wire[1:-1] if body else b""
    if (
        len(body) < 7
        or body[0] & 0xF0 != 0xA0
        or (body[0] & 7) << 8 | body[1] != len(body)
        or x25(body[:-2]) != body[-2:]
    ):
        return None
    to, at = _address(body, 2)
    sender, at = _address(body, at)
    if not to or not sender or at >= len(body) - 2:
        return None
    information = body[at + 3 : -2] if len(body) > at + 3 else b""
    if information and x25(body[: at + 1]) != body[at + 1 : at + 3]:
        return None
    return Parts(to=to, sender=sender, control=body[at], segmented=bool(body[0] & 8), information=information)


def segments(to: bytes, sender: bytes, control: int, information: bytes, most: int) -> bytes:
    """Put information into frames one behind the other, each with at most ``most`` bytes of it."""
    parts = [information[at : at + most] for at in range(0, len(information), most)]
    return b"".join(
        frame(to, sender, control, part, segmented=number < len(parts)) for number, part in enumerate(parts, 1)
    )


def octets(data: bytes) -> bytes:
    """Encode an octet string (tag 9)."""
    return b"\x09" + sized(data)


def visible(text: str) -> bytes:
    """Encode a visible string (tag 10)."""
    return b"\x0a" + sized(text.encode("ascii"))


def sized(data: bytes) -> bytes:
    """Put the length in front."""
    count = len(data)
    return (bytes([count]) if count < 128 else b"\x82" + count.to_bytes(2, "big")) + data


def u32(value: int) -> bytes:
    """Encode a double-long-unsigned (tag 6)."""
    return b"\x06" + value.to_bytes(4, "big")


def i32(value: int) -> bytes:
    """Encode a double-long (tag 5)."""
    return b"\x05" + value.to_bytes(4, "big", signed=True)


def u16(value: int) -> bytes:
    """Encode a long-unsigned (tag 18)."""
    return b"\x12" + value.to_bytes(2, "big")


def i16(value: int) -> bytes:
    """Encode a long (tag 16)."""
    return b"\x10" + value.to_bytes(2, "big", signed=True)


def structure(*items: bytes) -> bytes:
    """Encode a structure (tag 2)."""
    return bytes([2, len(items)]) + b"".join(items)


def array(*items: bytes) -> bytes:
    """Encode an array (tag 1)."""
    return bytes([1, len(items)]) + b"".join(items)


def scaled(scaler: int, unit: int) -> bytes:
    """Encode scaler and unit."""
    return structure(b"\x0f" + scaler.to_bytes(1, "big", signed=True), bytes([0x16, unit]))


def date_time(seconds: int, deviation: int | None, status: int = 0) -> bytes:
    """Give the twelve bytes of a wall clock, ``seconds`` after 2025-01-01, a Wednesday; days within that month."""
    day, rest = divmod(seconds, 86400)
    assert day < 31
    minutes = (0x8000).to_bytes(2, "big") if deviation is None else deviation.to_bytes(2, "big", signed=True)
    head = bytes([0x07, 0xE9, 1, 1 + day, 1 + (2 + day) % 7, rest // 3600, rest // 60 % 60, rest % 60, 0xFF])
    return head + minutes + bytes([status])


def _address(body: bytes, at: int) -> tuple[bytes, int]:
    for end in range(at, min(at + 4, len(body))):
        if body[end] & 1:
            return body[at : end + 1], end + 1
    return b"", at
