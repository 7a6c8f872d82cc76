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
LONGEST_PDU: Final = 253  # bytes (4.1)
_READ: Final = struct.Struct(">BHH")
_MOST_DATA: Final = 250  # bytes in the reply to a read
_ECHOING: Final = frozenset((5, 6, 8, 15, 16))  # the normal reply has five bytes, as its request's first five
_IDENTIFICATION: Final = b"\x2b\x0e"
_COUNTED: Final = frozenset((17,))  # the second byte of the reply counts what follows


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
    """Tell whether ``request`` is a whole read PDU of functions 1 to 4, with a count that a reply can hold."""
    return len(request) == _READ.size and request[0] in READ_FUNCTIONS and 0 < payload_bytes(request) <= _MOST_DATA


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
    if function == 23 and len(request) >= _READ.size:  # the request says how much is read
        return 2 + 2 * (request[3] << 8 | request[4])
    if function in _COUNTED:
        return 2 + reply[1] if len(reply) > 1 else None
    if function == 43:
        return _identification_bytes(reply)
    return None


def has_due_length(request: bytes, reply: bytes) -> bool:
    """Tell whether the whole PDU ``reply`` is as long as it has to be; always where nothing tells how long that is.

    One that ends before it has told its length is too short.
    """
    size = reply_bytes(request, reply)
    if size is None:
        return request[0] not in _COUNTED and request[:2] != _IDENTIFICATION
    return size == len(reply)


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
        pdu.verifyCount(1968 if table.is_bits else 123, len(values))
    except ModbusException as error:
        raise ValueError(f"no write request for {len(values)} values at {address}: {error}") from error
    return _encoded(pdu, f"no write request for {len(values)} values at {address}")


def mask_write_request(address: int, *, keep: int, put: int) -> bytes:
    """Build function 22 (6.16): the register becomes ``(it & keep) | (put & ~keep)``, in the device, at once.

    Raises:
        ValueError: a number is not one of 16 bits.
    """
    from pymodbus.pdu.register_message import MaskWriteRegisterRequest  # noqa: PLC0415 - on first use

    pdu = MaskWriteRegisterRequest(address=address, and_mask=keep, or_mask=put)
    return _encoded(pdu, f"no mask write of {keep:#x}, {put:#x} at {address}")


def read_write_request(address: int, count: int, write_address: int, values: Sequence[int]) -> bytes:
    """Build function 23 (6.17): registers are written, then ``count`` from ``address`` are read, in one exchange.

    Raises:
        ValueError: more than 121 written or 125 read, a range or a value that does not fit.
    """
    from pymodbus.pdu.register_message import ReadWriteMultipleRegistersRequest  # noqa: PLC0415 - on first use

    if max(address + count, write_address + len(values)) > 0x10000:
        raise ValueError(f"{count} registers at {address}, {len(values)} at {write_address}: 0 to 65535 exist")
    pdu = ReadWriteMultipleRegistersRequest(address, count, write_address, list(values))
    return _encoded(pdu, f"no exchange of {count} registers at {address} for {len(values)} at {write_address}")


def raw_write_request(function: int, address: int, raw: int) -> bytes:
    """Build a write of functions 5 and 6 with 16 bits as they are: some relay boards want 0x0100 for ON.

    Raises:
        ValueError: another function, or a number that does not fit.
    """
    if function not in (5, 6) or not 0 <= address <= 0xFFFF or not 0 <= raw <= 0xFFFF:
        raise ValueError(f"no single write of {raw:#x} at {address} by function {function}")
    return _READ.pack(function, address, raw)


def raw_request(pdu: bytes) -> bytes:
    """Give a vendor's own PDU back if it is one: a function from 1 to 127, at most 253 bytes in all (4.1).

    Raises:
        ValueError: it cannot be sent.
    """
    if not 1 <= len(pdu) <= LONGEST_PDU or not 0 < pdu[0] < EXCEPTION_FLAG:
        raise ValueError(f"{pdu.hex(' ').upper() or 'nothing'} is no request PDU")
    return pdu


def _encoded(pdu: ModbusPDU, otherwise: str) -> bytes:
    from pymodbus.exceptions import ModbusException  # noqa: PLC0415 - on first use

    try:
        return bytes([pdu.function_code]) + pdu.encode()
    except (ModbusException, struct.error) as error:
        raise ValueError(f"{otherwise}: {error}") from error


def identification_request(first_object: int = 0, level: int = 1) -> bytes:
    """Build 43/14 (6.21), 'read device identification'.

    Args:
        first_object: where a stream begins, or which object ``level`` 4 asks for.
        level: 1 basic, 2 regular, 3 extended stream, 4 one object.
    """
    from pymodbus.pdu.mei_message import ReadDeviceInformationRequest  # noqa: PLC0415 - on first use

    if not 1 <= level <= 4 or not 0 <= first_object <= 0xFF:
        raise ValueError(f"no identification request of level {level} from object {first_object}")
    return _encoded(
        ReadDeviceInformationRequest(read_code=level, object_id=first_object), "no identification request"
    )


def next_object(reply: bytes) -> int | None:
    """Give the object with which the stream of a whole identification reply goes on; None at its end."""
    return reply[5] if len(reply) > 6 and reply[4] == 0xFF else None


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
