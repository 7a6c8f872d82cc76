"""A captured Modbus exchange -> quantities, for ``tidegate decode``: no profile, no device, only the bytes.

Without a description of the points a reply gives ``reg_<address>`` (0-based, as on the wire) with raw integers, for
coils and inputs 0 or 1. With one, offsets count from the first address of the reply. A write gives ``write
reg_<address>`` with what was written, once the reply has confirmed it; a write without a reply, such as a broadcast,
gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from drivers.codec import modbus_answer, modbus_ascii, modbus_pdu, modbus_rtu, modbus_tcp
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.modbus_ascii import AsciiFrame
from drivers.codec.modbus_pdu import ExceptionReply, ReadReply
from drivers.codec.modbus_rtu import RtuFrame
from drivers.codec.modbus_tcp import TcpFrame
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import FrameError
from drivers.protocols import modbus_told
from drivers.protocols.modbus_layout import described

F = TypeVar("F", RtuFrame, TcpFrame, AsciiFrame)

_DATA_FUNCTIONS = modbus_pdu.READ_FUNCTIONS | {23}
_REASONS = (
    (NoiseReason.BAD_CHECKSUM, DecodeFault.BAD_CHECKSUM, "the checksum is wrong"),
    (NoiseReason.OTHER_UNIT, DecodeFault.REPLY_MISMATCH, "another unit answers here"),
    (NoiseReason.OTHER_REPLY, DecodeFault.REPLY_MISMATCH, "this answers another request"),
    (NoiseReason.CUT_SHORT, DecodeFault.BAD_FRAME, "the frame is cut short"),
    (NoiseReason.ECHO, DecodeFault.NO_REPLY, "there is nothing but the echo of the request"),
)


def read_rtu(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read an RTU reply; glitch bytes around it do no harm. Raises DecodeError."""
    return _quantities(*answer_rtu(request, response), context)


def read_tcp(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read a Modbus TCP reply. Raises DecodeError."""
    return _quantities(*answer_tcp(request, response), context)


def read_ascii(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read a Modbus ASCII reply. Raises DecodeError."""
    return _quantities(*answer_ascii(request, response), context)


def read_ascii_request(request: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read a write request over Modbus ASCII that has no reply. Raises DecodeError."""
    return modbus_told.asked(_ascii_frame(request).pdu, context)


def read_rtu_request(request: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read a write request over RTU that has no reply. Raises DecodeError."""
    return modbus_told.asked(_request_frame(request).pdu, context)


def read_tcp_request(request: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read a write request over Modbus TCP that has no reply. Raises DecodeError."""
    stream = modbus_tcp.TcpStreamDecoder()
    return modbus_told.asked(_first(stream.feed(request), stream.flush(), request).pdu, context)


def answer_rtu(request: bytes | None, response: bytes) -> tuple[bytes | None, bytes]:
    """Give the PDUs of an RTU request and of the reply to it; without a request that of the first frame.

    Raises:
        DecodeError: there is no such reply.
    """
    if request is None:
        alone = modbus_rtu.RtuStreamDecoder()
        return None, _first(alone.feed(response), alone.flush(), response).pdu
    asked = _request_frame(request)
    decoder = modbus_rtu.RtuReplyDecoder(asked.raw)
    try:
        return asked.pdu, _first(decoder.feed(response), decoder.flush(), response).pdu
    except DecodeError as error:
        size = modbus_pdu.reply_bytes(asked.pdu, response[1:])
        if response[:2] == asked.raw[:2] and size is not None and len(response) >= size + modbus_rtu.OVERHEAD:
            raise DecodeError(DecodeFault.BAD_CHECKSUM, "the checksum is wrong") from error
        raise


def answer_tcp(request: bytes | None, response: bytes) -> tuple[bytes | None, bytes]:
    """Give the PDUs of a Modbus TCP request and of the reply to it; without a request that of the first frame.

    Raises:
        DecodeError: there is no such reply.
    """
    if request is None:
        alone = modbus_tcp.TcpStreamDecoder()
        return None, _first(alone.feed(response), alone.flush(), response).pdu
    stream = modbus_tcp.TcpStreamDecoder()
    asked = next((e for e in (*stream.feed(request), *stream.flush()) if isinstance(e, TcpFrame)), None)
    if asked is None:
        raise DecodeError(DecodeFault.BAD_FRAME, "the request is no Modbus TCP frame")
    decoder = modbus_tcp.TcpReplyDecoder(asked.raw)
    return asked.pdu, _first(decoder.feed(response), decoder.flush(), response).pdu


def answer_ascii(request: bytes | None, response: bytes) -> tuple[bytes | None, bytes]:
    """Give the PDUs of a Modbus ASCII request and of the reply to it; without a request that of the first frame.

    Raises:
        DecodeError: there is no such reply.
    """
    if request is None:
        return None, _ascii_frame(response).pdu
    asked = _ascii_frame(request)
    decoder = modbus_ascii.AsciiReplyDecoder(asked.raw)
    return asked.pdu, _first(decoder.feed(response), decoder.flush(), response).pdu


def _ascii_frame(data: bytes) -> AsciiFrame:
    decoder = modbus_ascii.AsciiStreamDecoder()
    return _first(decoder.feed(data), decoder.flush(), data)


def _request_frame(request: bytes) -> RtuFrame:
    decoder = modbus_rtu.RtuStreamDecoder()
    for event in (*decoder.feed(request), *decoder.flush()):
        if isinstance(event, RtuFrame):
            return event
    raise DecodeError(DecodeFault.BAD_CHECKSUM, "the request has no right checksum")


def _first(fed: Iterable[F | Noise], flushed: Iterable[F | Noise], response: bytes) -> F:
    """Give the first frame; without one a DecodeError that names the worst that was found instead."""
    reasons: set[NoiseReason] = set()
    for events in (fed, flushed):
        for event in events:
            if not isinstance(event, Noise):
                return event
            reasons.add(event.reason)
    for reason, fault, detail in _REASONS:
        if reason in reasons:
            raise DecodeError(fault, detail)
    raise DecodeError(DecodeFault.BAD_FRAME, f"there is no whole frame in these {len(response)} bytes")


def _quantities(request: bytes | None, reply: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    function = reply[0] & ~modbus_pdu.EXCEPTION_FLAG
    if reply[0] & modbus_pdu.EXCEPTION_FLAG and len(reply) == 2:
        return (Quantity(quantity="exception", value=Decimal(reply[1])),)
    if function == modbus_told.IDENTIFICATION:
        return modbus_told.identity(reply)
    if function in modbus_answer.WRITE_FUNCTIONS:
        return modbus_told.written(request, reply, context)
    if function not in _DATA_FUNCTIONS:
        raise DecodeError(DecodeFault.UNSUPPORTED_FUNCTION, f"function {function} has no known meaning")
    data = data_of(request, reply)
    is_bits = function in modbus_pdu.BIT_FUNCTIONS
    if "points" in context:
        return described(context["points"], data, is_bits=is_bits)
    if request is None:
        raise DecodeError(DecodeFault.REQUEST_NEEDED, "a Modbus reply does not tell which addresses it holds")
    first, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
    raw = _bits(data, count) if is_bits else _words(data)
    return tuple(Quantity(quantity=f"reg_{first + i}", value=Decimal(value)) for i, value in enumerate(raw))


def data_of(request: bytes | None, reply: bytes) -> bytes:
    """Give the registers or packed bits that a read reply PDU carries; it is no refusal.

    Raises:
        DecodeError: the lengths do not fit each other or the request.
    """
    if request is None:
        if (
            len(reply) < 3
            or reply[1] != len(reply) - 2
            or (reply[0] not in modbus_pdu.BIT_FUNCTIONS and reply[1] % 2)
        ):
            raise DecodeError(DecodeFault.NO_REPLY, "this looks like a request; a reply is needed")
        return reply[2:]
    if not modbus_pdu.is_read(request) and request[:1] != b"\x17":
        raise DecodeError(DecodeFault.BAD_FRAME, "the request is no whole read request")
    try:
        answer = modbus_answer.parse_answer(request, reply)
    except FrameError as error:
        raise DecodeError(DecodeFault.BAD_FRAME, "the reply is not as long as the request asks for") from error
    if isinstance(answer, ExceptionReply):
        raise DecodeError(DecodeFault.REPLY_MISMATCH, f"the device refused: exception {answer.code}")
    assert isinstance(answer, ReadReply)  # what functions 1 to 4 and 23 give
    return answer.data


def _words(data: bytes) -> Sequence[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def _bits(data: bytes, count: int) -> Sequence[int]:
    packed = int.from_bytes(data, "little")
    return [packed >> i & 1 for i in range(count)]
