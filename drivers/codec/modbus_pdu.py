"""Modbus PDUs (Modbus Application Protocol V1.1b3, section 6).

Reads (functions 1 to 4) are built and taken apart here: five bytes out, a slice back. The rest - writes,
identification, names of exceptions - is pymodbus, imported on first use: 2 MiB and 16 ms that an agent which only
reads never pays. This is the only file that knows pymodbus.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.errors import FrameError
from drivers.profile import Table

if TYPE_CHECKING:
    from pymodbus.pdu import ModbusPDU

READ_FUNCTIONS: Final = frozenset((1, 2, 3, 4))
BIT_FUNCTIONS: Final = frozenset((1, 2))
EXCEPTION_FLAG: Final = 0x80  # set in the function code of a refusal (7)
MOST_REGISTERS: Final = 125  # in one read (6.3, 6.4)
MOST_BITS: Final = 2000  # in one read (6.1, 6.2)
_READ: Final = struct.Struct(">BHH")
_ECHOING: Final = frozenset((5, 6, 8, 15, 16))  # the normal reply has five bytes, as its request's first five
_COUNTED: Final = frozenset((17, 23))  # the second byte of the reply counts what follows


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply:
    """The payload of a good answer to a read.

    Attributes:
        data: registers big-endian in order of address, or bits packed from the least significant; padding is kept.
    """

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionReply:
    """The device refused.

    Attributes:
        code: exception code (7): 1 illegal function, 2 illegal address, 3 illegal value, 4 device failure, 6 busy ...
    """

    code: int


def read_request(table: Table, address: int, count: int) -> bytes:
    """Build the PDU that reads ``count`` addresses of ``table`` from ``address`` (0-based, as on the wire).

    Raises:
        ValueError: the range leaves 0..65535 or is more than one read may ask for; a plan never does that.
    """
    most = MOST_BITS if table.is_bits else MOST_REGISTERS
    if not 1 <= count <= most:
        raise ValueError(f"{count} addresses in one read of {table.name}: 1 to {most} are allowed")
    if not 0 <= address <= 0x10000 - count:
        raise ValueError(f"addresses {address} to {address + count - 1} of {table.name}: 0 to 65535 exist")
    return _READ.pack(table.value, address, count)


def is_read(request: bytes) -> bool:
    """Tell whether ``request`` is a whole read PDU of functions 1 to 4."""
    return len(request) == _READ.size and request[0] in READ_FUNCTIONS


def payload_bytes(request: bytes) -> int:
    """Give the byte count of the good reply to the read PDU ``request``."""
    count = request[3] << 8 | request[4]
    return (count + 7) // 8 if request[0] in BIT_FUNCTIONS else 2 * count


def reply_bytes(request: bytes, reply: bytes = b"") -> int | None:
    """Give the length of the reply PDU to ``request``; None while ``reply``, its beginning, does not tell yet.

    A function whose replies do not tell their length gives None for good.
    """
    if reply and reply[0] & EXCEPTION_FLAG:
        return 2
    if is_read(request):
        return 2 + payload_bytes(request)
    function = request[0] if request else 0
    if function in _ECHOING:
        return 5
    if function == 22:  # mask write: the reply is the request
        return 7
    if function == 7:
        return 2
    if function in _COUNTED:
        return 2 + reply[1] if len(reply) > 1 else None
    if function == 43:
        return _identification_bytes(reply)
    return None


def _identification_bytes(reply: bytes) -> int | None:
    """Length of a reply to 43/14 (6.21): seven bytes, then objects of number, length and text."""
    if len(reply) < 7:
        return None
    position = 7
    for _ in range(reply[6]):
        if len(reply) < position + 2:
            return None
        position += 2 + reply[position + 1]
    return position


def parse_reply(request: bytes, reply: bytes) -> ReadReply | ExceptionReply:
    """Match the reply PDU of a read to its request and give what it carries.

    Raises:
        FrameError: ``reply`` is no reply to ``request``: wrong function, wrong length, wrong byte count.
    """
    if len(reply) == 2 and reply[0] == request[0] | EXCEPTION_FLAG:
        return ExceptionReply(code=reply[1])
    wanted = payload_bytes(request)
    if len(reply) == 2 + wanted and reply[0] == request[0] and reply[1] == wanted:
        return ReadReply(data=reply[2:])
    raise FrameError(f"a Modbus reply of function {request[0]} with {wanted} data bytes was due", reply)


def write_request(table: Table, address: int, values: Sequence[int], *, single: bool) -> bytes:
    """Build the PDU that writes ``values`` from ``address``: functions 5 and 6 if ``single``, else 15 and 16.

    Args:
        table: coils (values 0 and 1) or holding registers (0 to 65535); nothing else can be written.
        address: 0-based, as on the wire.
        values: one or more; exactly one if ``single``.
        single: for devices that know only the single form, or only the multiple one.

    Raises:
        ValueError: the table cannot be written, or the range or a value does not fit.
    """
    from pymodbus.exceptions import ModbusException  # noqa: PLC0415 - on first use
    from pymodbus.pdu import bit_message, register_message  # noqa: PLC0415 - on first use

    if single and len(values) != 1:
        raise ValueError(f"{len(values)} values in a single write")
    if not 0 <= address <= 0x10000 - len(values):
        raise ValueError(f"addresses {address} to {address + len(values) - 1}: 0 to 65535 exist")
    pdu: ModbusPDU
    if table is Table.COIL and all(value in (0, 1) for value in values):
        bits = [bool(value) for value in values]
        pdu = (bit_message.WriteSingleCoilRequest if single else bit_message.WriteMultipleCoilsRequest)(
            address=address, bits=bits
        )
    elif table is Table.HOLDING_REGISTER and all(0 <= value <= 0xFFFF for value in values):
        pdu = (
            register_message.WriteSingleRegisterRequest if single else register_message.WriteMultipleRegistersRequest
        )(address=address, registers=list(values))
    else:
        raise ValueError(f"{table.name} cannot hold {list(values)}")
    try:
        pdu.verifyCount(2000 if table.is_bits else 123, len(values))
        return bytes([pdu.function_code]) + pdu.encode()
    except (ModbusException, struct.error) as error:
        raise ValueError(f"no write request for {len(values)} values at {address}: {error}") from error


def is_written(request: bytes, reply: bytes) -> bool:
    """Tell whether ``reply`` confirms the write ``request``: functions 5 and 6 echo it, 15 and 16 its range."""
    return len(request) >= 5 and reply == request[:5]


def identification_request(first_object: int = 0) -> bytes:
    """Build 43/14 (6.21), 'read device identification', basic stream, from object ``first_object``."""
    from pymodbus.pdu.mei_message import ReadDeviceInformationRequest  # noqa: PLC0415 - on first use

    pdu = ReadDeviceInformationRequest(read_code=1, object_id=first_object)
    return bytes([pdu.function_code]) + pdu.encode()


def parse_identification(reply: bytes) -> tuple[tuple[int, bytes], ...]:
    """Give (object number, text) for each object of a reply to 43/14: 0 vendor, 1 product code, 2 revision.

    Raises:
        FrameError: no such reply, or cut short.
    """
    from pymodbus.exceptions import ModbusException  # noqa: PLC0415 - on first use
    from pymodbus.pdu.mei_message import ReadDeviceInformationResponse  # noqa: PLC0415 - on first use

    if len(reply) < 7 or reply[:2] != b"\x2b\x0e" or _identification_bytes(reply) != len(reply):
        raise FrameError("no whole answer to a Modbus identification request", reply)
    pdu = ReadDeviceInformationResponse()
    try:
        pdu.decode(reply[1:])
    except (ModbusException, struct.error, IndexError, ValueError) as error:
        raise FrameError(f"the answer to a Modbus identification request is malformed ({error})", reply) from error
    objects: list[tuple[int, bytes]] = []
    for number, held in pdu.information.items():
        objects += ((number, text) for text in (held if isinstance(held, list) else [held]))
    return tuple(objects)


def exception_name(code: int) -> str:
    """Name an exception code for a person: ``illegal address``; ``exception 99`` if the standard has none."""
    from pymodbus.constants import ExcCodes  # noqa: PLC0415 - on first use

    try:
        return ExcCodes(code).name.lower().replace("_", " ")
    except ValueError:
        return f"exception {code}"
