"""Captured M-Bus frames -> quantities, for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.mbus import Function, MbusFrame, MbusReplyDecoder, MbusStreamDecoder
from drivers.codec.mbus_header import Ci, FixedCounter, Header, parse_fixed, split_header
from drivers.codec.mbus_record import parse_records
from drivers.codec.mbus_search import selection
from drivers.codec.mbus_value import MbusValue, Number
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import FrameError
from drivers.protocols.mbus_meaning import tell
from drivers.sanitize import sanitize

_WILD: Final = "wildcard"
_REASONS: Final = (
    (NoiseReason.BAD_CHECKSUM, DecodeFault.BAD_CHECKSUM, "the checksum is wrong"),
    (NoiseReason.OTHER_UNIT, DecodeFault.REPLY_MISMATCH, "another unit answered"),
    (NoiseReason.OTHER_REPLY, DecodeFault.REPLY_MISMATCH, "this answers another request"),
    (NoiseReason.CUT_SHORT, DecodeFault.BAD_FRAME, "the frame is cut short"),
    (NoiseReason.ECHO, DecodeFault.NO_REPLY, "there is nothing but the echo of the request"),
)
_FIXED_UNITS: Final = (
    # first code, codes, unit, exponent of the first: EN 13757-3, annex C
    (0x02, 9, "W.h", 0), (0x0B, 9, "J", 3), (0x14, 9, "W", 0), (0x1D, 9, "J/h", 3), (0x26, 9, "m3", -6),
    (0x2F, 9, "m3/h", -6), (0x38, 1, "Cel", -3),
)  # fmt: skip


def read_mbus(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read one answer, or the several telegrams of one. Raises DecodeError."""
    del context  # an M-Bus telegram describes itself
    asked = None if request is None else _only_frame(request)
    found: list[Quantity] = []
    seen: dict[str, int] = {}
    for frame in answers(request, response):
        if asked is not None and frame.is_ack:
            found += _selected(asked)
        found += quantities(frame, seen)
    return tuple(found)


def read_mbus_request(request: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read a request that says something by itself: a selection. Raises DecodeError."""
    del context
    frame = _only_frame(request)
    found = _selected(frame)
    if not found:
        raise DecodeError(DecodeFault.NO_REPLY, "there is no reply to read")
    return found


def quantities(frame: MbusFrame, seen: dict[str, int]) -> tuple[Quantity, ...]:
    """Give everything that ``frame`` says.

    Args:
        frame: one telegram of an answer.
        seen: for the telegrams of one answer the same, at first empty; see ``mbus_meaning.tell``.

    Raises:
        DecodeError: its content is not what its CI field says.
    """
    if frame.is_ack:
        return (Quantity(quantity="ack", value=True),)
    if frame.from_client:
        raise DecodeError(DecodeFault.NO_REPLY, "this is a request; a reply is needed")
    if frame.ci is None:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "a short frame from a meter holds no data")
    try:
        content = tuple(_content(frame.ci, frame.data, seen))
    except FrameError as error:
        raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
    return (_number("a_field", frame.address), _text("ci", _hex(frame.ci)), *content)


def _content(ci: int, data: bytes, seen: dict[str, int]) -> Iterator[Quantity]:
    if ci == Ci.APPLICATION_ERROR:
        yield _number("application_error", data[0] if data else None)
    elif ci == Ci.FIXED:
        yield from _fixed(data)
    else:
        header, records = split_header(ci, data)
        yield from _header(header)
        if header.encrypted:
            raise DecodeError(DecodeFault.UNSUPPORTED_FUNCTION, "the records are encrypted")
        yield from _records(records, seen)


def _records(data: bytes, seen: dict[str, int]) -> Iterator[Quantity]:
    parsed = parse_records(data)
    for one in tell(parsed.records, seen):
        yield Quantity(quantity=one.name, value=_exact(one.value), unit=one.unit)
    if parsed.manufacturer:
        yield _text("manufacturer_data", parsed.manufacturer.hex().upper())
    if parsed.more:
        yield Quantity(quantity="more_follows", value=True)


def _header(header: Header) -> Iterator[Quantity]:
    meter = header.meter
    if meter is not None:
        yield _text("id", meter.id)
        yield Quantity(quantity="manufacturer", value=meter.manufacturer)
        yield _number("version", meter.version)
        yield Quantity(quantity="medium", value=None if meter.medium is None else _hex(meter.medium))
    if header.status is not None:
        yield _number("access_no", header.access_no)
        yield _text("status", _hex(header.status))


def _fixed(data: bytes) -> Iterator[Quantity]:
    fixed = parse_fixed(data)
    yield _text("id", fixed.id)
    yield _number("access_no", fixed.access_no)
    yield _text("status", _hex(fixed.status))
    yield _text("medium", _hex(fixed.medium))
    for number, counter in enumerate(fixed.counters, 1):
        yield _number(f"counter{number}_raw", counter.raw)
    for number, counter in enumerate(fixed.counters, 1):
        yield from _scaled(f"counter{number}", counter)


def _scaled(name: str, counter: FixedCounter) -> Iterator[Quantity]:
    for first, count, unit, exponent in _FIXED_UNITS:
        if first <= counter.unit < first + count:
            power = exponent + counter.unit - first
            value = None if counter.raw is None else Decimal(f"{counter.raw}E{power}")
            yield Quantity(quantity=name, value=value, unit=unit)


def _selected(asked: MbusFrame) -> tuple[Quantity, ...]:
    if asked.function is not Function.SND_UD or asked.ci != Ci.SELECT:
        return ()
    meter = selection(asked.data)
    if meter is None:
        raise DecodeError(DecodeFault.BAD_FRAME, "the selection is shorter than a secondary address")
    version = _WILD if meter.version is None else Decimal(meter.version)
    return (
        _text("select_id", meter.id),
        _text("select_manufacturer", meter.manufacturer or _WILD),
        Quantity(quantity="select_version", value=version),
        _text("select_medium", _WILD if meter.medium is None else _hex(meter.medium)),
    )


def answers(request: bytes | None, response: bytes) -> list[MbusFrame]:
    """Give the frames of an answer, at least one, none of them damaged.

    Raises:
        DecodeError: there is none, or a damaged one among them.
    """
    decoder = MbusStreamDecoder() if request is None else MbusReplyDecoder(request)
    events = [*decoder.feed(response), *decoder.flush()]
    frames = [event for event in events if isinstance(event, MbusFrame)]
    reasons = {event.reason for event in events if isinstance(event, Noise)}
    if frames and NoiseReason.BAD_CHECKSUM not in reasons:
        return frames
    for reason, fault, detail in _REASONS:
        if reason in reasons:
            raise DecodeError(fault, detail)
    raise DecodeError(DecodeFault.BAD_FRAME, f"there is no whole frame in these {len(response)} bytes")


def _only_frame(request: bytes) -> MbusFrame:
    decoder = MbusStreamDecoder()
    for event in (*decoder.feed(request), *decoder.flush()):
        if isinstance(event, MbusFrame) and event.raw == request and not event.is_ack:
            return event
    raise DecodeError(DecodeFault.BAD_FRAME, "the request is no whole M-Bus frame")


def _exact(value: MbusValue) -> Decimal | str | None:
    if isinstance(value, Number):
        return Decimal(f"{value.mantissa}E{value.exponent}")
    return value if value is None else sanitize(value)


def _number(name: str, value: int | None) -> Quantity:
    return Quantity(quantity=name, value=None if value is None else Decimal(value))


def _text(name: str, value: str) -> Quantity:
    return Quantity(quantity=name, value=value)


def _hex(number: int) -> str:
    return f"0x{number:02X}"
