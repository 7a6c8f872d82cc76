"""CJ/T 188 frames -> quantities, for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.captured import first_frame, replies
from drivers.codec import cjt188
from drivers.codec.cjt188 import Cjt188Frame, reply_decoder, stream_decoder
from drivers.codec.cjt188_layout import canonical, layout_of, values
from drivers.codec.summed import SummedReplyDecoder
from drivers.decoded import DecodeError, DecodeFault, Quantity

_ACKS = {0x04: "write_ack", 0x15: "address_written", 0x16: "motor_synchronised"}
_HEAD = 3  # identifier and serial number


def read(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:  # noqa: ARG001
    """Read captured replies; glitch bytes around them do no harm. Raises DecodeError."""
    matching = None if request is None else _matching(request)
    found: list[Quantity] = []
    for frame in replies(stream_decoder(), matching, response, lambda frame: frame.is_reply):
        found.append(Quantity(quantity="meter_type", value=f"0x{frame.type:02X}"))
        found.append(Quantity(quantity="meter_address", value=frame.address))
        found += _said(frame)
    return tuple(found)


def _said(frame: Cjt188Frame) -> tuple[Quantity, ...]:
    if frame.is_refusal:
        return (Quantity(quantity="error", value=frame.data.hex().upper()),)
    if frame.function == cjt188.READ_ADDRESS:
        return (Quantity(quantity="address_read", value=frame.address),)
    if frame.function in _ACKS:
        return (Quantity(quantity=_ACKS[frame.function], value=True),)
    if frame.function != cjt188.READ_DATA:
        raise DecodeError(DecodeFault.UNSUPPORTED_FUNCTION, f"control byte {frame.control:02X} has no known meaning")
    if len(frame.data) < _HEAD:
        raise DecodeError(DecodeFault.BAD_FRAME, "the reply names no data identifier")
    identifier, data = canonical(frame.data[:2]), frame.data[_HEAD:]
    known = values(layout_of(frame.type), identifier, data)
    return known or (Quantity(quantity=f"di_{identifier}_raw", value=data.hex().upper()),)


def _matching(request: bytes) -> SummedReplyDecoder[Cjt188Frame]:
    asked = first_frame(stream_decoder(), request)
    return reply_decoder(cjt188.encode(asked.type, asked.address, asked.control, asked.data), any_serial=True)
