"""DLMS/COSEM frames and APDUs -> quantities, for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.captured import first_frame, replies
from drivers.codec.axdr import AxdrError, Data, clock
from drivers.codec.cosem_units import ucum
from drivers.codec.dlms_apdu import (
    Apdu,
    Association,
    Attribute,
    ExceptionResponse,
    Get,
    GetResponse,
    Notification,
    UnreadError,
    read_apdu,
)
from drivers.codec.dlms_push import Pushed, pushed, scaler_and_unit
from drivers.codec.hdlc import FrameKind, HdlcFrame, joined, stream_decoder
from drivers.codec.obis import obis_text
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.sanitize import sanitize

LLC: Final = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
_RESULTS: Final = ("accepted", "rejected-permanent", "rejected-transient")
_FORMS: Final = {
    Get.NORMAL: "get-response-normal",
    Get.BLOCK: "get-response-with-datablock",
    Get.LIST: "get-response-with-list",
}
_LIMITS: Final = {5: "max_info_tx", 6: "max_info_rx", 7: "window_tx", 8: "window_rx"}
_REGISTERS: Final = (3, 4)
_CLOCK_CLASS: Final = 8
_INVOKE_ID: Final = 0x0F


def read_hdlc(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read the frames of one capture, segments put together. Raises DecodeError."""
    del context  # frames say all about themselves
    asked = None if request is None else _asked(_body(first_frame(stream_decoder(), request).information)[1])
    messages = joined(replies(stream_decoder(), None, response, lambda _frame: True))
    if messages is None:
        raise DecodeError(DecodeFault.BAD_FRAME, "the last segment of the information is missing")
    return tuple(quantity for frame, information in messages for quantity in _frame(frame, information, asked))


def read_bare(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read one APDU without any frame. Raises DecodeError."""
    del context
    return tuple(_apdu(response, None if request is None else _asked(request)))


def _frame(frame: HdlcFrame, information: bytes, asked: Attribute | None) -> Iterator[Quantity]:
    yield Quantity(quantity="frame", value=frame.kind.value)
    if frame.kind in (FrameKind.UA, FrameKind.SNRM):
        yield from _negotiated(information)
    elif frame.kind in (FrameKind.I, FrameKind.UI):
        llc, body = _body(information)
        if llc:
            yield Quantity(quantity="llc", value=llc.hex().upper())
        yield from _apdu(body, asked)


def _body(information: bytes) -> tuple[bytes, bytes]:
    llc = information[:3] if information.startswith(LLC) else b""
    return llc, information[len(llc) :]


def _negotiated(information: bytes) -> Iterator[Quantity]:
    """Read what both ends agree on (IEC 62056-46, 6.4.4.4.3.2)."""
    if information[:2] != b"\x81\x80":
        return
    at = 3
    while at + 2 <= len(information):
        name, size = information[at], information[at + 1]
        content = information[at + 2 : at + 2 + size]
        if name in _LIMITS and len(content) == size:
            yield Quantity(quantity=_LIMITS[name], value=Decimal(int.from_bytes(content, "big")))
        at += 2 + size


def _asked(request: bytes) -> Attribute | None:
    try:
        apdu = read_apdu(request)
    except AxdrError:
        return None  # whatever it asks for, it does not name the answer
    return apdu if isinstance(apdu, Attribute) else None


def _apdu(data: bytes, asked: Attribute | None) -> tuple[Quantity, ...]:
    try:
        return tuple(quantities(read_apdu(data), asked))
    except UnreadError as error:
        raise DecodeError(DecodeFault.UNSUPPORTED_FUNCTION, str(error)) from error
    except AxdrError as error:
        raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error


def quantities(apdu: Apdu, asked: Attribute | None = None) -> Iterator[Quantity]:
    """Give what an APDU says.

    Args:
        apdu: from ``read_apdu``.
        asked: the attribute that was asked for, if it is known.

    Raises:
        DecodeError: it answers another request.
    """
    if isinstance(apdu, Association):
        yield from _association(apdu)
    elif isinstance(apdu, Attribute):
        yield Quantity(quantity="apdu", value="get-request-normal")
        yield Quantity(quantity="class_id", value=Decimal(apdu.class_id))
        yield Quantity(quantity="obis", value=obis_text(apdu.obis))
        yield Quantity(quantity="attribute", value=Decimal(apdu.attribute))
    elif isinstance(apdu, GetResponse):
        if asked is not None and (asked.invoke ^ apdu.invoke) & _INVOKE_ID:
            raise DecodeError(DecodeFault.REPLY_MISMATCH, "the response has another invoke id than the request")
        yield from _got(apdu, asked)
    elif isinstance(apdu, ExceptionResponse):
        yield Quantity(quantity="apdu", value="exception-response")
        yield Quantity(quantity="state_error", value=Decimal(apdu.state))
        yield Quantity(quantity="service_error", value=Decimal(apdu.service))
    else:
        yield from _notified(apdu)


def _association(apdu: Association) -> Iterator[Quantity]:
    yield Quantity(quantity="apdu", value="AARE" if apdu.response else "AARQ")
    if apdu.result is not None:
        known = apdu.result < len(_RESULTS)
        yield Quantity(quantity="result", value=_RESULTS[apdu.result] if known else str(apdu.result))
    elif apdu.conformance:
        yield Quantity(quantity="conformance", value=apdu.conformance.hex().upper())
    if apdu.max_pdu is not None:
        yield Quantity(quantity="max_pdu", value=Decimal(apdu.max_pdu))


def _got(apdu: GetResponse, asked: Attribute | None) -> Iterator[Quantity]:
    yield Quantity(quantity="apdu", value=_FORMS[apdu.form])
    if apdu.block is not None:
        number, last, content = apdu.block
        yield Quantity(quantity="block_number", value=Decimal(number))
        yield Quantity(quantity="last_block", value=last)
        if content:
            yield Quantity(quantity="raw", value=content.hex().upper())
    for number, result in enumerate(apdu.results, 1):
        end = f"_{number}" if apdu.form is Get.LIST else ""
        if isinstance(result, int):
            yield Quantity(quantity=f"data_access_error{end}", value=Decimal(result))
        else:
            yield from _result(result, f"value{end}", asked)


def _result(data: Data, name: str, asked: Attribute | None) -> Iterator[Quantity]:
    scaled = scaler_and_unit(data)
    if asked is not None and asked.class_id in _REGISTERS and asked.attribute == 3 and scaled is not None:
        yield Quantity(quantity="scaler", value=Decimal(scaled[0]))
        yield Quantity(quantity="unit", value=ucum(scaled[1]) or str(scaled[1]))
    elif asked is not None and asked.class_id == _CLOCK_CLASS and asked.attribute == 2:
        yield Quantity(quantity=name, value=clock(data.octets))
    elif data.is_list:
        for number, item in enumerate(data.items, 1):
            yield from _result(item, f"{name}_{number}", None)
    else:
        yield Quantity(quantity=name, value=plain(data))


def _notified(apdu: Notification) -> Iterator[Quantity]:
    yield Quantity(quantity="apdu", value="data-notification")
    if apdu.time:
        yield Quantity(quantity="date_time", value=clock(apdu.time))
    unnamed = 0
    for one in pushed(apdu.data):
        unnamed += not one.obis
        name = obis_text(one.obis) if one.obis else f"item_{unnamed}"
        if one.data.is_list:
            yield from _result(one.data, name, None)
        else:
            yield Quantity(quantity=name, value=exact(one), unit=ucum(one.unit))


def exact(one: Pushed) -> Decimal | bool | str | None:
    """Give a pushed value: a number times its power of ten, the time of a clock, a text."""
    if isinstance(one.data.value, Decimal):
        return one.data.value.scaleb(one.scaler)
    if one.obis[2:5] == b"\x01\x00\x00" and len(one.data.octets) == 12:
        return clock(one.data.octets)
    return plain(one.data)


def plain(data: Data) -> Decimal | bool | str | None:
    """Give a value as it is; bytes in hexadecimal."""
    if isinstance(data.value, bytes):
        return data.value.hex().upper()
    return sanitize(data.value) if isinstance(data.value, str) else data.value
