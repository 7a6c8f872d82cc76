"""CJ/T 188 frames of water, gas and heat meters: ``FE.. 68 T address C L data sum 16``; data is sent as it is.

Addresses are written high byte first, fourteen digits, the maker's code leading; AA stands for any two digits, and as
type for any type. Data of a read is identifier, serial number, values. The two bytes of the identifier come in either
order, and a meter need not answer in the order it was asked in.
"""

from __future__ import annotations

from dataclasses import dataclass
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

LONGEST: Final = 13 + 255
OVERHEAD: Final = 13
WAKE_UP: Final = bytes((WAKE,)) * 3

ANY: Final = "AAAAAAAAAAAAAA"
"""Whoever is there answers; fit for a single meter on the line."""
ANY_TYPE: Final = 0xAA

FUNCTION: Final = 0x3F

READ_DATA: Final = 0x01
READ_ADDRESS: Final = 0x03
WRITE_DATA: Final = 0x04
_FUNCTIONS: Final = frozenset((0x01, 0x03, 0x04, 0x09, 0x15, 0x16))
_ADDRESS_IDENTIFIER: Final = "810A"
CLOCK_IDENTIFIER: Final = "A015"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cjt188Frame(MeterFrame):
    """One frame with a right sum; its address has fourteen digits.

    Attributes:
        type: kind of meter, 0x10 to 0x1F water, 0x20 to 0x2F heat, 0x30 to 0x3F gas.
    """

    type: int

    @property
    def function(self) -> int:
        """The function that was asked for."""
        return self.control & FUNCTION


def address_bytes(address: str) -> bytes:
    """Give the seven bytes of an address as on the wire."""
    return bytes.fromhex(address)[::-1]


def encode(type_: int, address: str, control: int, data: bytes = b"") -> bytes:
    """Make a frame without wake-up bytes; ``data`` is at most 255 bytes in wire order."""
    return closed(bytes((START, type_)) + address_bytes(address) + bytes((control, len(data))) + data)


def read_request(type_: int, address: str, identifier: str, serial: int, *, low_first: bool) -> bytes:
    """Ask for a data identifier, written as in the standard (``901F``); ``low_first`` sends ``1F 90``."""
    wire = bytes.fromhex(identifier)
    return encode(type_, address, READ_DATA, (wire[::-1] if low_first else wire) + bytes((serial,)))


def address_request(serial: int, *, low_first: bool) -> bytes:
    """Ask the only meter on the line for its address."""
    wire = bytes.fromhex(_ADDRESS_IDENTIFIER)
    return encode(ANY_TYPE, ANY, READ_ADDRESS, (wire[::-1] if low_first else wire) + bytes((serial,)))


def write_request(
    type_: int, address: str, identifier: str, serial: int, data: bytes, *, low_first: bool = True
) -> bytes:
    """Write under an identifier. Behind a command only."""
    wire = bytes.fromhex(identifier)
    head = (wire[::-1] if low_first else wire) + bytes((serial,))
    return encode(type_, address, WRITE_DATA, head + data)


def clock_request(
    type_: int,
    address: str,
    clock: tuple[int, int, int, int, int, int],
    serial: int,
    *,
    low_first: bool = True,
) -> bytes:
    """Set the clock: full year, month, day, hour, minute, second (identifier A015). Behind a command only."""
    year, *rest = clock
    bcd = bytes(n // 10 << 4 | n % 10 for n in (*reversed(rest), year % 100, year // 100))
    return write_request(type_, address, CLOCK_IDENTIFIER, serial, bcd, low_first=low_first)


def _size(head: bytes) -> int | None:
    if len(head) > 9 and head[9] & FUNCTION not in _FUNCTIONS:
        return None
    return OVERHEAD + head[10] if len(head) > 10 else 0


def _read(wake: bytes, body: bytes) -> Cjt188Frame:
    return Cjt188Frame(
        type=body[1], address=body[8:1:-1].hex().upper(), control=body[9], data=body[11:-2], raw=wake + body
    )


SHAPE: Final = Shape(longest=LONGEST, head=16, size=_size, read=_read)


def stream_decoder() -> SummedStreamDecoder[Cjt188Frame]:
    """Make a decoder for a line that is listened to, or a capture."""
    return SummedStreamDecoder(SHAPE)


def reply_decoder(request: bytes, *, any_serial: bool = False) -> SummedReplyDecoder[Cjt188Frame]:
    """Make a decoder for the reply to ``request``, a frame without wake-up bytes.

    Address and function have to be there, for a read or write the identifier too, in either order, and its serial
    number, unless ``any_serial`` says that this meter counts its own; the type need not: heat meters answer as 25 to
    a request for 20. A wildcard is answered by whatever fits.
    """
    asked = _read(b"", request)
    wire_address = request[2:9]
    reads = asked.function in (READ_DATA, WRITE_DATA) and len(asked.data) >= 3
    identifiers = (asked.data[:2], asked.data[1::-1])

    def begins(head: bytes) -> bool:
        if any(mine not in (0xAA, theirs) for mine, theirs in zip(wire_address, head[2:9], strict=False)):
            return False
        if len(head) > 9 and (not head[9] & FROM_METER or head[9] & FUNCTION != asked.function):
            return False
        if not reads or (len(head) > 9 and head[9] & REFUSED):
            return True
        begun = head[11:13]
        return any(identifier.startswith(begun) for identifier in identifiers)

    def answers(frame: Cjt188Frame) -> bool:
        if frame.is_refusal or not reads:
            return True
        if len(frame.data) < 3 or frame.data[:2] not in identifiers:
            return False
        return any_serial or frame.data[2] == asked.data[2]

    return SummedReplyDecoder(
        SHAPE,
        Asked(
            who=f"meter {asked.address}",
            peer=wire_address,
            likeness=request[2:10] + (min(identifiers) + (b"" if any_serial else asked.data[2:3]) if reads else b""),
            begins=begins,
            answers=answers,
            same_device=lambda frame: frame.address == asked.address,
            request=request,
        ),
    )
