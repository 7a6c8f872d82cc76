"""Writes and identifications of a captured Modbus exchange -> quantities, for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from drivers.codec import modbus_pdu
from drivers.codec.modbus_answer import WRITE_FUNCTIONS, WrittenRange, parse_answer, written_range
from drivers.codec.modbus_pdu import ExceptionReply
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import FrameError
from drivers.protocols.modbus_layout import described
from drivers.sanitize import sanitize

IDENTIFICATION: Final = 43
_MASK_BYTES: Final = 7
_COIL_VALUES: Final = {0xFF00: 1, 0x0000: 0}
_OBJECTS: Final = (
    "vendor_name", "product_code", "major_minor_revision", "vendor_url", "product_name", "model_name",
    "user_application_name",
)  # fmt: skip


def written(request: bytes | None, reply: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Give what a write has written, now that ``reply`` confirms it.

    Without a request, functions 5, 6 and 22 still tell all in their reply; 15 and 16 only where and how much.

    Raises:
        DecodeError: the reply confirms something else, or the bytes are no whole write.
    """
    if request is None:
        if reply[0] in (15, 16) and len(reply) == 5:
            raise DecodeError(DecodeFault.REQUEST_NEEDED, "this reply does not repeat what was written")
        return asked(reply, context)
    try:
        answer = parse_answer(request, reply)
    except FrameError as error:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, str(error)) from error
    if isinstance(answer, ExceptionReply):
        return (Quantity(quantity="exception", value=Decimal(answer.code)),)
    return asked(request, context)


def asked(request: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Give what the write request PDU wants written.

    Raises:
        DecodeError: NO_REPLY for a request that is no write, BAD_FRAME for one that is not whole.
    """
    function = request[0]
    if function not in WRITE_FUNCTIONS:
        raise DecodeError(DecodeFault.NO_REPLY, "there is no reply to read")
    if function == 22:
        return _masked(request)
    try:
        where = written_range(request)
    except FrameError as error:
        raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
    if "points" in context:
        is_bits = where.is_bits and function == 15
        return described(context["points"], where.data, is_bits=is_bits)
    values = _values(where, function)
    return tuple(
        Quantity(quantity=f"write reg_{where.address + i}", value=Decimal(value)) for i, value in enumerate(values)
    )


def identity(reply: bytes) -> tuple[Quantity, ...]:
    """Give the texts of a reply to 43/14 under the names of the standard (6.21).

    Raises:
        DecodeError: it is none, or cut short.
    """
    try:
        objects = modbus_pdu.parse_identification(reply)
    except FrameError as error:
        raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
    return tuple(
        Quantity(
            quantity=_OBJECTS[number] if number < len(_OBJECTS) else f"object_{number}",
            value=sanitize(text.decode("utf-8", errors="backslashreplace")),
        )
        for number, text in objects
    )


def _values(where: WrittenRange, function: int) -> list[int]:
    if function == 5:
        raw = int.from_bytes(where.data, "big")
        return [_COIL_VALUES.get(raw, raw)]  # a board with its own idea of ON shows it
    if where.is_bits:
        packed = int.from_bytes(where.data, "little")
        return [packed >> i & 1 for i in range(where.count)]
    return [int.from_bytes(where.data[i : i + 2], "big") for i in range(0, len(where.data), 2)]


def _masked(request: bytes) -> tuple[Quantity, ...]:
    if len(request) != _MASK_BYTES:
        raise DecodeError(DecodeFault.BAD_FRAME, "this is no whole mask write")
    address, keep, put = (int.from_bytes(request[at : at + 2], "big") for at in (1, 3, 5))
    return (
        Quantity(quantity=f"write reg_{address} and", value=Decimal(keep)),
        Quantity(quantity=f"write reg_{address} or", value=Decimal(put)),
    )
