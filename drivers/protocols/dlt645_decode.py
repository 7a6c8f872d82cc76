"""DL/T 645 frames -> quantities: for ``tidegate decode``, and what the polled device takes its values from."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from drivers.captured import first_frame, replies
from drivers.codec import dlt645
from drivers.codec.dlt645 import Dlt645Frame, Edition, reply_decoder, stream_decoder
from drivers.codec.dlt645_items import items
from drivers.codec.dlt645_load import is_load, load_values
from drivers.codec.summed import SummedReplyDecoder
from drivers.decoded import DecodeError, DecodeFault, FrameReader, Quantity

_WRITES = {
    0x14: "write_ack", 0x04: "write_ack", 0x15: "address_written", 0x0A: "address_written", 0x16: "freeze_ack",
    0x17: "baud_rate_ack", 0x0C: "baud_rate_ack", 0x18: "password_ack", 0x0F: "password_ack", 0x19: "demand_cleared",
    0x10: "demand_cleared", 0x1A: "meter_cleared", 0x1B: "events_cleared", 0x1C: "control_ack",
}  # fmt: skip


def reader(edition: Edition) -> FrameReader:
    """Make what reads captured replies of one edition; raises DecodeError for what is no reply."""

    def read(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:  # noqa: ARG001
        matching = None if request is None else _matching(edition, request)
        found: list[Quantity] = []
        for frame in replies(stream_decoder(), matching, response, lambda frame: frame.is_reply):
            found.append(Quantity(quantity="meter_address", value=frame.address))
            found += said(edition, frame)
        return tuple(found)

    return read


def said(edition: Edition, frame: Dlt645Frame) -> tuple[Quantity, ...]:
    """Give what one reply says, the address it comes from apart."""
    if frame.is_refusal:
        return (_refusal(edition, frame),)
    if frame.function in (edition.read, edition.follow):
        return _read_reply(edition, frame)
    if edition is Edition.V2007 and frame.function == dlt645.READ_ADDRESS:
        return (Quantity(quantity="address_read", value=frame.data[::-1].hex().upper() or None),)
    if frame.function in _WRITES:
        return (Quantity(quantity=_WRITES[frame.function], value=True),)
    raise DecodeError(DecodeFault.UNSUPPORTED_FUNCTION, f"control byte {frame.control:02X} has no known meaning")


def named_values(edition: Edition, identifier: str, data: bytes) -> tuple[Quantity, ...] | None:
    """Give what stands under an identifier, in order; None if it is not known or the length does not fit."""
    if edition is Edition.V2007 and is_load(identifier):
        return load_values(data) or None
    known = items(edition, identifier, len(data))
    if known is None:
        return None
    found: list[Quantity] = []
    for item in known:
        found.append(Quantity(quantity=item.name, value=item.value(data[: item.size]), unit=item.unit))
        data = data[item.size :]
    return tuple(found)


def _read_reply(edition: Edition, frame: Dlt645Frame) -> tuple[Quantity, ...]:
    size = edition.identifier_bytes
    if len(frame.data) < size:
        raise DecodeError(DecodeFault.BAD_FRAME, "the reply names no data identifier")
    identifier, data = frame.data[size - 1 :: -1].hex().upper(), frame.data[size:]
    raw = Quantity(quantity=f"di_{identifier}_raw", value=data.hex().upper())
    if frame.more_follows:
        return raw, Quantity(quantity="more_follows", value=True)
    if frame.function == edition.follow:
        return (raw,)
    return named_values(edition, identifier, data) or (raw,)


def _refusal(edition: Edition, frame: Dlt645Frame) -> Quantity:
    if edition is Edition.V2007 and len(frame.data) == 1:
        return Quantity(quantity="error_code", value=Decimal(frame.data[0]))
    return Quantity(quantity="exception", value=True)


def _matching(edition: Edition, request: bytes) -> SummedReplyDecoder[Dlt645Frame]:
    asked = first_frame(stream_decoder(), request)
    return reply_decoder(dlt645.encode(asked.address, asked.control, asked.data), edition)
