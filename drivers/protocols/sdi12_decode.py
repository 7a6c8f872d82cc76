"""Captured SDI-12 answers -> quantities, for ``tidegate decode``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.sdi12 import Sdi12Decoder, Sdi12Frame
from drivers.codec.seven_bit import seven_bits
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.sanitize import sanitize

_COMMAND: Final = re.compile(r"([0-9A-Za-z?])([^!]*)!")
_TIMING: Final = re.compile(r"(\d{3})(\d{1,3})")
_TIMED: Final = re.compile(r"(?:[MC]C?\d?|V|H[AB]|I[MCV]C?\d?)")
_DATA: Final = re.compile(r"(?:D\d{1,3}|RC?\d)")
_IDENTITY: Final = (
    ("sdi12_version", 0, 2), ("vendor", 2, 10), ("model", 10, 16), ("firmware", 16, 19), ("serial", 19, None),
)  # fmt: skip
_IDENTIFIED: Final = re.compile(r"1\d.{17}")
"""How an identification begins, where the command is not known: with a version of 1.0 to 1.9."""
_REASONS: Final = (
    (NoiseReason.BAD_CHECKSUM, DecodeFault.BAD_CHECKSUM, "the CRC is wrong"),
    (NoiseReason.OTHER_UNIT, DecodeFault.REPLY_MISMATCH, "another sensor answered"),
    (NoiseReason.CUT_SHORT, DecodeFault.BAD_FRAME, "the answer does not end with CR LF"),
    (NoiseReason.ECHO, DecodeFault.NO_REPLY, "there is nothing but the echo of the command"),
)


def read_sdi12(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read one answer. Raises DecodeError."""
    del context
    address, body = _command(request)
    frame = _answer(request, response, address, crc=_guarded(body))
    found = [_text("address", frame.address), *_content(frame, body)]
    if frame.crc:
        found += [_text("crc", frame.crc), Quantity(quantity="crc_ok", value=True)]
    return tuple(found)


def _command(request: bytes | None) -> tuple[str | None, str | None]:
    if request is None:
        return None, None
    text = seven_bits(request)
    found = _COMMAND.fullmatch(text.lstrip(b"\x00").decode("ascii")) if text is not None else None
    if found is None:
        raise DecodeError(DecodeFault.BAD_FRAME, "the request is no SDI-12 command")
    return found[1], found[2]


def _guarded(body: str | None) -> bool | None:
    """Tell whether the answer itself to this command has a CRC; None if it shows.

    MC and CC order it for the data that D fetches, RC for its own answer. Nothing else has one.
    """
    if body is None or _DATA.fullmatch(body):
        return True if body is not None and body.startswith("RC") else None
    return False


def _answer(request: bytes | None, response: bytes, address: str | None, *, crc: bool | None) -> Sdi12Frame:
    decoder = Sdi12Decoder(address, crc=crc, command=request or b"")
    events = [*decoder.feed(response), *decoder.flush()]
    for event in events:
        if isinstance(event, Sdi12Frame):
            return event
    reasons = {event.reason for event in events if isinstance(event, Noise)}
    for reason, fault, detail in _REASONS:
        if reason in reasons:
            raise DecodeError(fault, detail)
    raise DecodeError(DecodeFault.BAD_FRAME, "there is no SDI-12 answer in these bytes")


def _content(frame: Sdi12Frame, command: str | None) -> Iterator[Quantity]:
    body = frame.body
    if frame.values or (command is not None and _DATA.fullmatch(command)) or (frame.crc and not body):
        yield from _values(frame)
    elif command == "I" or (command is None and _IDENTIFIED.match(body)):
        yield from _identity(body)
    elif body.isdigit() and (timing := _timing(body, command)):
        yield from timing
    elif body:
        yield _text("text", sanitize(body))
    else:
        yield Quantity(quantity="ack", value=True)


def _values(frame: Sdi12Frame) -> Iterator[Quantity]:
    """Give each value by its number and, for a list of its own, as plain ``value``."""
    if frame.body and not frame.values:
        raise DecodeError(DecodeFault.BAD_FRAME, "this is no list of values")
    numbers = [Decimal(value) for value in frame.values]
    for place, number in enumerate(numbers, 1):
        yield Quantity(quantity=f"v{place}", value=number)
    for number in numbers:
        yield Quantity(quantity="value", value=number)
    if not numbers:
        yield Quantity(quantity="values", value=Decimal(0))


def _timing(body: str, command: str | None) -> tuple[Quantity, ...]:
    """Read ``tttn``, ``tttnn`` or ``tttnnn``: seconds until the data are there, and how many values."""
    found = _TIMING.fullmatch(body)
    if found is None or (command is not None and not _TIMED.fullmatch(command)):
        return ()
    return (
        Quantity(quantity="seconds", value=Decimal(found[1])),
        Quantity(quantity="values", value=Decimal(found[2])),
    )


def identity_of(body: str) -> dict[str, str]:
    """Take an identification apart (4.4.2) and name its parts; empty if it is too short."""
    if len(body) < _IDENTITY[-1][1]:
        return {}
    parts = {name: sanitize(body[first:end].strip()) for name, first, end in _IDENTITY}
    return {name: text for name, text in parts.items() if text}


def _identity(body: str) -> Iterator[Quantity]:
    found = identity_of(body)
    if not found:
        raise DecodeError(DecodeFault.BAD_FRAME, "the identification is shorter than 19 characters")
    yield from (_text(name, text) for name, text in found.items())


def _text(name: str, value: str) -> Quantity:
    return Quantity(quantity=name, value=value)
