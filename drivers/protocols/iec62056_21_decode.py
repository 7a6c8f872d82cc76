"""Captured messages of IEC 62056-21 -> quantities: for ``tidegate decode``, and what polled values are taken from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.iec62056_21 import IecDecoder, IecFrame, Kind
from drivers.codec.iec62056_21_baud import OPTIONS, option_baud, parse_identification
from drivers.codec.iec62056_21_data import DataSet, Group, parse_data, ucum
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import FrameError
from drivers.sanitize import sanitize

ANSWERS: Final = frozenset((Kind.IDENTIFICATION, Kind.BLOCK, Kind.COMMAND, Kind.ACK, Kind.NAK))
PUSHED: Final = frozenset((Kind.TELEGRAM, Kind.BLOCK))
REQUESTS: Final = frozenset((Kind.SIGN_ON, Kind.OPTION, Kind.COMMAND))
_PLAIN_ERROR: Final = "ER"
_REASONS: Final = (
    (NoiseReason.BAD_CHECKSUM, DecodeFault.BAD_CHECKSUM, "the block check character or CRC is wrong"),
    (NoiseReason.CUT_SHORT, DecodeFault.BAD_FRAME, "the message is cut short"),
)


def read_iec(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read what a meter says: an identification, a readout with or without one, a reply in programming mode.

    Raises:
        DecodeError: nothing whole is there, or something beside it is damaged.
    """
    del context
    if request is not None and response.startswith(request):
        response = response[len(request) :]  # optical heads give back what they send
    pushed = _frames(response, PUSHED)
    if any(frame.kind is Kind.TELEGRAM for frame in pushed[0]):
        return _all(*pushed)
    return _all(*_frames(response, ANSWERS))


def read_iec_request(request: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read what a client says: sign-on, option, command. Raises DecodeError."""
    del context
    return _all(*_frames(request, REQUESTS))


def said(frame: IecFrame) -> tuple[Quantity, ...]:
    """Give everything that ``frame`` says.

    Raises:
        DecodeError: its data cannot be taken apart.
    """
    try:
        return tuple(_said(frame))
    except FrameError as error:
        raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error


def _frames(data: bytes, kinds: frozenset[Kind]) -> tuple[list[IecFrame], set[NoiseReason]]:
    decoder = IecDecoder(kinds)
    events = [*decoder.feed(data), *decoder.flush()]
    noise = {event.reason for event in events if isinstance(event, Noise)}
    return [event for event in events if isinstance(event, IecFrame)], noise


def _all(frames: list[IecFrame], noise: set[NoiseReason]) -> tuple[Quantity, ...]:
    """Give what all frames say; damage beside it spoils a message, where no check speaks for that one."""
    for reason, fault, detail in _REASONS:
        if reason in noise:
            raise DecodeError(fault, detail)
    if not frames or (NoiseReason.GARBAGE in noise and all(frame.check is None for frame in frames)):
        raise DecodeError(DecodeFault.BAD_FRAME, "there is no whole message of IEC 62056-21 in these bytes")
    return tuple(quantity for frame in frames for quantity in said(frame))


def _said(frame: IecFrame) -> Iterator[Quantity]:
    match frame.kind:
        case Kind.IDENTIFICATION:
            yield from _identification(frame.text)
        case Kind.SIGN_ON:
            yield _text("sign_on", frame.text)
        case Kind.OPTION:
            yield from _option(frame.text)
        case Kind.BLOCK:
            yield from _block(frame)
        case Kind.COMMAND:
            yield _text("command", frame.command)
            if frame.text:
                yield _text("data", _bare(frame.text))
            yield from _check(frame)
        case Kind.TELEGRAM:
            yield _text("id", frame.command)
            if frame.check is not None:
                yield _text("crc16", f"{frame.check:04X}")
            yield from _sets(parse_data(frame.text))
        case Kind.ACK | Kind.NAK:
            yield Quantity(quantity=frame.kind.value, value=True)


def _identification(line: str) -> Iterator[Quantity]:
    known = parse_identification(line)
    yield _text("id", line)
    yield _text("manufacturer", known.manufacturer)
    yield _text("baud_char", known.baud_char)
    yield Quantity(quantity="baud", value=Decimal(known.baud))
    yield _text("identification", known.text)
    if known.enhanced:
        yield _text("enhanced_capability", known.enhanced)


def _option(text: str) -> Iterator[Quantity]:
    purpose = text[2]
    baud = option_baud(text[1])
    yield _text("ack_protocol", text[0])
    yield Quantity(quantity="ack_baud", value=None if baud is None else Decimal(baud))
    yield _text("ack_mode", OPTIONS.get(purpose, f"option {purpose}"))


def _block(frame: IecFrame) -> Iterator[Quantity]:
    """Read a readout, or what a command brought: data, or an error message in parentheses."""
    bare = _bare(frame.text)
    if bare.startswith(_PLAIN_ERROR) and f"({bare})" == frame.text:
        yield _text("error", bare)
    else:
        yield from _sets(parse_data(frame.text))
    yield from _check(frame)
    if frame.more:
        yield Quantity(quantity="more_follows", value=True)


def _check(frame: IecFrame) -> Iterator[Quantity]:
    if frame.check is not None:
        yield _text("bcc", f"0x{frame.check:02X}")


def _sets(sets: tuple[DataSet, ...]) -> Iterator[Quantity]:
    """Give each id its value; a time beside it as ``id.time``, other groups as ``id#2`` and so on by their place."""
    for one in sets:
        name = sanitize(one.id)
        for place, group in enumerate(one.groups, 1):
            if group is one.value:
                yield _value(name, group)
            elif group.is_moment:
                yield _value(f"{name}.time", group)
            else:
                yield _value(f"{name}#{place}", group)


def _value(name: str, group: Group) -> Quantity:
    number = group.number
    value = number if number is not None else sanitize(group.text)
    return Quantity(quantity=name, value=value, unit=ucum(group.unit) if number is not None else None)


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


def _text(name: str, value: str) -> Quantity:
    return Quantity(quantity=name, value=sanitize(value))
