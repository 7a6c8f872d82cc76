"""HJ 212 packets -> quantities, for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from drivers.captured import replies
from drivers.codec.hj212 import crc, stream_decoder
from drivers.codec.hj212_segment import Segment, joined, parse
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.sanitize import sanitize

_NUMBERS: Final = frozenset({
    "Rtd", "Min", "Avg", "Max", "Cou", "ZsRtd", "ZsMin", "ZsAvg", "ZsMax", "Ala", "UpValue", "LowValue", "Data",
    "DayData", "NightData", "RS", "RT",
})  # fmt: skip
"""Ends of field names whose values are numbers (table 9)."""
_LONGEST_NUMBER: Final = 40


def read_hj212(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read the packets of one capture; parts of one message are put together. Raises DecodeError."""
    del request, context  # a packet says all about itself
    packets = packets_of(response)
    checks: dict[Segment, str] = {}
    for said, check in packets:
        checks.setdefault(said, f"{check:04X}")
    whole = joined([said for said, _ in packets])
    return tuple(quantity for said in whole for quantity in _quantities(said, checks.get(said)))


def packets_of(response: bytes) -> tuple[tuple[Segment, int], ...]:
    """Give the packets of one capture, each with its CRC. Raises DecodeError."""
    packets = []
    for frame in replies(stream_decoder(), None, response, lambda _frame: True):
        said = parse(frame.segment)
        if said is None:
            raise DecodeError(DecodeFault.BAD_FRAME, "the data segment does not hold its items in CP=&& ... &&")
        packets.append((said, crc(frame.segment)))
    return tuple(packets)


def _quantities(said: Segment, check: str | None) -> Iterator[Quantity]:
    if check is not None:
        yield Quantity(quantity="crc", value=check)
    for name, value in said.header:
        yield Quantity(quantity=sanitize(name), value=sanitize(value))
    for item in said.items:
        for name, value in item:
            yield Quantity(quantity=sanitize(name), value=_value(name, value))


def _value(name: str, text: str) -> Decimal | str | None:
    _, dash, end = name.rpartition("-")
    return number(text) if dash and end in _NUMBERS else sanitize(text)


def number(text: str) -> Decimal | None:
    """Give the number of a data field; None for what is none, such as an empty field or dashes."""
    if len(text) > _LONGEST_NUMBER or not text.isascii():
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value.adjusted()) <= _LONGEST_NUMBER else None
