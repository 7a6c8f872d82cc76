"""What the reply PDU to any request means: data, a confirmation, a refusal, or an error of the device.

Sans-io like the rest of the codec, and total: a reply that is not exactly what its request calls for is a FrameError
with the bytes, never half an answer. A write counts as confirmed only if the device repeats what was written
(functions 5, 6 and 22) or where and how much (15 and 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.codec.modbus_pdu import (
    EXCEPTION_FLAG,
    ExceptionReply,
    ReadReply,
    has_due_length,
    is_read,
    parse_reply,
)
from drivers.errors import FrameError

WRITE_FUNCTIONS: Final = frozenset((5, 6, 15, 16, 22))
"""Functions whose good reply confirms and carries no data."""

_SINGLE: Final = frozenset((5, 6))
_CONFIRMED_BYTES: Final = 5
_MASK_BYTES: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The device says that it has taken a write. Whether it acts on it, a read-back tells."""

    function: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """The good reply to a function that this product does not know by itself.

    Attributes:
        data: what follows the function code.
    """

    data: bytes


Answer: TypeAlias = ReadReply | Written | RawReply | ExceptionReply


def parse_answer(request: bytes, reply: bytes) -> Answer:
    """Match ``reply`` to ``request``, both PDUs, and give what it says.

    Functions 1 to 4 and 23 give a ReadReply, writes a Written, everything else a RawReply.

    Raises:
        FrameError: it answers another request, has the wrong length, or confirms something else than was written.
    """
    if not request:
        raise FrameError("there is no request that this could answer", reply)
    function = request[0]
    if len(reply) == 2 and reply[0] == function | EXCEPTION_FLAG:
        return ExceptionReply(code=reply[1])
    if is_read(request):
        return parse_reply(request, reply)
    if reply[:1] != request[:1]:
        raise FrameError(f"a Modbus reply of function {function} was due", reply)
    if function in WRITE_FUNCTIONS:
        if reply != confirmation(request):
            raise FrameError(f"the device confirms something else than function {function} has written", reply)
        return Written(function=function)
    if not has_due_length(request, reply):
        raise FrameError(f"a Modbus reply of function {function} of another length was due", reply)
    if function == 23:
        if len(reply) < 2 or reply[1] != len(reply) - 2:
            raise FrameError("the byte count of a Modbus reply of function 23 is wrong", reply)
        return ReadReply(data=reply[2:])
    return RawReply(data=reply[1:])


def confirmation(request: bytes) -> bytes:
    """Give the reply PDU that confirms the write ``request`` (6.5, 6.6, 6.11, 6.12, 6.16)."""
    return request[: _MASK_BYTES if request[0] == 22 else _CONFIRMED_BYTES]


def is_written(request: bytes, reply: bytes) -> bool:
    """Tell whether ``reply`` confirms the write ``request``."""
    return len(request) >= _CONFIRMED_BYTES and request[0] in WRITE_FUNCTIONS and reply == confirmation(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRange:
    """What a write request asks for.

    Attributes:
        address: first coil or register, 0-based.
        count: how many.
        data: registers big-endian, or bits packed from the least significant.
        is_bits: whether coils are written.
    """

    address: int
    count: int
    data: bytes
    is_bits: bool


def written_range(request: bytes) -> WrittenRange:
    """Take the write request PDU of functions 5, 6, 15, 16 or 23 apart.

    A coil written by function 5 keeps its two bytes: FF00 and 0000 are the standard's, some boards have others.

    Raises:
        FrameError: it is none, or its counts do not agree with each other.
    """
    function = request[0] if request else 0
    if function in _SINGLE and len(request) == _CONFIRMED_BYTES:
        return WrittenRange(
            address=int.from_bytes(request[1:3], "big"), count=1, data=request[3:5], is_bits=function == 5
        )
    start = 5 if function == 23 else 1
    if function not in (15, 16, 23) or len(request) < start + 6:
        raise FrameError("this is no whole Modbus write request", request)
    address = int.from_bytes(request[start : start + 2], "big")
    count = int.from_bytes(request[start + 2 : start + 4], "big")
    size, data = request[start + 4], request[start + 5 :]
    due = (count + 7) // 8 if function == 15 else 2 * count
    if not count or size != due or len(data) != due:
        raise FrameError(f"{count} written by function {function} take {due} bytes, not {len(data)}", request)
    return WrittenRange(address=address, count=count, data=data, is_bits=function == 15)
