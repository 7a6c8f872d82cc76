"""DL/T 645-2007 and -1997 frames: ``FE.. 68 address 68 C L data sum 16``, low bytes first, data plus 33 hex.

Control byte C: bit 7 from the meter, bit 6 a refusal, bit 5 more frames follow, bits 4 to 0 the function. Addresses
are written as on the plate, twelve digits, high ones first; AA stands for any two digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.codec.summed import (
    FROM_METER,
    REFUSED,
    START,
    WAKE,
    Asked,
    MeterFrame,
    Shape,
    SummedReplyDecoder,
    SummedStreamDecoder,
    closed,
)

LONGEST: Final = 12 + 255
OVERHEAD: Final = 12
WAKE_UP: Final = bytes((WAKE,)) * 4

ANY: Final = "AAAAAAAAAAAA"
"""Whoever is there answers; fit for a single meter on the line."""
EVERYBODY: Final = "999999999999"
"""Everybody listens, nobody answers."""

MORE: Final = 0x20
FUNCTION: Final = 0x1F

_OFFSET: Final = 0x33
_PLUS: Final = bytes((value + _OFFSET) & 0xFF for value in range(256))
_MINUS: Final = bytes((value - _OFFSET) & 0xFF for value in range(256))
_WILD: Final = 0xAA


class Edition(Enum):
    """Edition of the standard; the value is the protocol's name."""

    V1997 = "dlt645-1997"
    V2007 = "dlt645-2007"

    @property
    def read(self) -> int:
        """Control byte of a read."""
        return 0x11 if self is Edition.V2007 else 0x01

    @property
    def follow(self) -> int:
        """Control byte of a read of what follows."""
        return 0x12 if self is Edition.V2007 else 0x02

    @property
    def identifier_bytes(self) -> int:
        """Length of a data identifier."""
        return 4 if self is Edition.V2007 else 2


READ_ADDRESS: Final = 0x13
BROADCAST_TIME: Final = 0x08
WRITE: Final = 0x14
FREEZE: Final = 0x16


@dataclass(frozen=True, slots=True, kw_only=True)
class Dlt645Frame(MeterFrame):
    """One frame with a right sum; its address has twelve digits, and 33 hex are taken off its data."""

    @property
    def more_follows(self) -> bool:
        """Whether the rest has to be asked for."""
        return bool(self.control & FROM_METER and self.control & MORE)

    @property
    def function(self) -> int:
        """The function that was asked for."""
        return self.control & FUNCTION


def address_bytes(address: str) -> bytes:
    """Give the six bytes of an address as on the wire."""
    return bytes.fromhex(address)[::-1]


def encode(address: str, control: int, data: bytes = b"") -> bytes:
    """Make a frame without wake-up bytes; ``data`` is plain, at most 255 bytes in wire order."""
    start = bytes((START,))
    body = start + address_bytes(address) + start + bytes((control, len(data))) + data.translate(_PLUS)
    return closed(body)


def read_request(edition: Edition, address: str, identifier: str, extra: bytes = b"") -> bytes:
    """Ask for a data identifier, written high byte first as in the standard's tables."""
    return encode(address, edition.read, bytes.fromhex(identifier)[::-1] + extra)


def follow_request(edition: Edition, address: str, identifier: str, sequence: int) -> bytes:
    """Ask for frame ``sequence``, 1 to 255, of a reply that did not fit into one; 1997 has no numbers."""
    number = bytes((sequence,)) if edition is Edition.V2007 else b""
    return encode(address, edition.follow, bytes.fromhex(identifier)[::-1] + number)


def address_request() -> bytes:
    """Ask the only meter on the line for its address (2007)."""
    return encode(ANY, READ_ADDRESS)


def broadcast_time(clock: tuple[int, int, int, int, int, int]) -> bytes:
    """Set every meter's clock: year in the century, month, day, hour, minute, second. Nobody answers.

    A meter takes it once a day and corrects at most five minutes.
    """
    return encode(EVERYBODY, BROADCAST_TIME, bytes(_to_bcd(part) for part in reversed(clock)))


def write_request(address: str, identifier: str, password: bytes, operator: bytes, data: bytes) -> bytes:
    """Write under an identifier (2007, function 14): password and operator are four bytes each, in wire order."""
    return encode(address, WRITE, bytes.fromhex(identifier)[::-1] + password + operator + data)


def date_and_time(clock: tuple[int, int, int, int, int, int], weekday: int) -> bytes:
    """Give what stands under 0400010C: seven bytes YYMMDDWWhhmmss, low byte first; 0 is Sunday."""
    year, month, day, hour, minute, second = clock
    return bytes(_to_bcd(part) for part in (second, minute, hour, weekday, day, month, year))


def freeze_request(address: str, month: int = 99, day: int = 99, hour: int = 99, minute: int = 99) -> bytes:
    """Let a meter, or everybody, keep its readings (2007): 99 for each, each month, day or hour; all 99 for now."""
    return encode(address, FREEZE, bytes(_to_bcd(part) for part in (minute, hour, day, month)))


def _to_bcd(number: int) -> int:
    return number // 10 << 4 | number % 10


def _size(head: bytes) -> int | None:
    if len(head) > 7 and head[7] != START:
        return None
    return OVERHEAD + head[9] if len(head) > 9 else 0


def _read(wake: bytes, body: bytes) -> Dlt645Frame:
    return Dlt645Frame(
        address=body[6:0:-1].hex().upper(),
        control=body[8],
        data=body[10:-2].translate(_MINUS),
        raw=wake + body,
    )


SHAPE: Final = Shape(longest=LONGEST, head=16, size=_size, read=_read)


def stream_decoder() -> SummedStreamDecoder[Dlt645Frame]:
    """Make a decoder for a line that is listened to, or a capture."""
    return SummedStreamDecoder(SHAPE)


def reply_decoder(request: bytes, edition: Edition) -> SummedReplyDecoder[Dlt645Frame]:
    """Make a decoder for the reply to ``request``, a frame without wake-up bytes.

    Its address - for a wildcard any that fits, or the wildcard itself - and function have to be there, for what was
    read the identifier too, and the number of a following frame. A refusal shows address and function alone.
    """
    asked = _read(b"", request)
    wire_address = request[1:7]
    names = asked.function in (edition.read, edition.follow)
    echoed = request[10 : 10 + edition.identifier_bytes] if names else b""
    numbered = names and edition is Edition.V2007 and asked.function == edition.follow

    def begins(head: bytes) -> bool:
        address = head[1:7]
        if any(mine not in (_WILD, theirs) for mine, theirs in zip(wire_address, address, strict=False)):
            return False
        if len(head) > 8:
            control = head[8]
            if not control & FROM_METER or control & FUNCTION != asked.control & FUNCTION:
                return False
            if control & REFUSED:
                return True
        identifier = head[10 : 10 + len(echoed)]
        return echoed.startswith(identifier)

    def answers(frame: Dlt645Frame) -> bool:
        if frame.is_refusal:
            return True
        if len(frame.data) < len(echoed):
            return False
        return not numbered or (len(frame.data) > len(echoed) and frame.data[-1] == asked.data[-1])

    return SummedReplyDecoder(
        SHAPE,
        Asked(
            who=f"meter {asked.address}",
            peer=wire_address,
            likeness=request[1:9] + (asked.data if names else b""),
            begins=begins,
            answers=answers,
            same_device=lambda frame: frame.address == asked.address,
            request=request,
        ),
    )
