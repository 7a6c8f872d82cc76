"""SML binary encoding (SML 1.04, 6): each value after a byte of type and length, lists of values, to any depth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

_MOST_DEPTH: Final = 16
_MOST_LENGTH_BYTES: Final = 4


class SmlError(ValueError):
    """Bytes that are no SML value."""


class Kind(Enum):
    """Type of a value; the number is that of the type byte's bits 6 to 4."""

    OCTETS = 0
    BOOL = 4
    SIGNED = 5
    UNSIGNED = 6
    LIST = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SmlValue:
    """One value.

    Attributes:
        kind: its type.
        content: its bytes without type and length; empty for a list and for an optional value that is absent.
        items: of a list.
        raw: as it was sent, type and length too.
    """

    kind: Kind
    content: bytes = b""
    items: tuple[SmlValue, ...] = ()
    raw: bytes

    @property
    def number(self) -> int | None:
        """The number, in two's complement if its type is signed; None for what is none. 1 to 8 bytes, any count."""
        if self.kind not in (Kind.SIGNED, Kind.UNSIGNED):
            return None
        return int.from_bytes(self.content, "big", signed=self.kind is Kind.SIGNED)

    @property
    def unsigned(self) -> int | None:
        """The number read as if it were unsigned: for meters that put 128 to 255 into one signed byte."""
        return None if self.number is None else int.from_bytes(self.content, "big")

    @property
    def octets(self) -> bytes:
        """The bytes of an octet string; empty for anything else."""
        return self.content if self.kind is Kind.OCTETS else b""


def parse(data: bytes) -> tuple[SmlValue, ...]:
    """Read values one after the other to the end.

    Raises:
        SmlError: they are none.
    """
    found: list[SmlValue] = []
    at = 0
    while at < len(data):
        value, at = _value(data, at, _MOST_DEPTH)
        found.append(value)
    return tuple(found)


def _value(data: bytes, at: int, depth: int) -> tuple[SmlValue, int]:
    if not depth:
        raise SmlError(f"lists lie deeper than {_MOST_DEPTH}")
    kind, length, start = _head(data, at)
    if kind is Kind.LIST:
        items: list[SmlValue] = []
        end = start
        for _ in range(length):
            item, end = _value(data, end, depth - 1)
            items.append(item)
        return SmlValue(kind=kind, items=tuple(items), raw=data[at:end]), end
    if length == 0 and start == at + 1:  # 00 ends a message
        return SmlValue(kind=Kind.OCTETS, raw=data[at:start]), start
    end = at + length
    if length < start - at or end > len(data):
        raise SmlError(f"byte {at} tells a length that does not fit")
    if kind is not Kind.OCTETS and not 1 <= end - start <= 8:
        raise SmlError(f"the number at byte {at} has {end - start} bytes")
    return SmlValue(kind=kind, content=data[start:end], raw=data[at:end]), end


def _head(data: bytes, at: int) -> tuple[Kind, int, int]:
    """Give type, length and the place behind them."""
    kind: Kind | None = None
    length = 0
    for place in range(at, min(at + _MOST_LENGTH_BYTES, len(data))):
        number = data[place] >> 4 & 7
        if kind is None:
            if number not in (0, 4, 5, 6, 7):
                raise SmlError(f"byte {at} is of no known type")
            kind = Kind(number)
        elif number:
            raise SmlError(f"the length at byte {at} is none")
        length = length << 4 | data[place] & 0x0F
        if not data[place] & 0x80:
            return kind, length, place + 1
    raise SmlError(f"the value at byte {at} is cut short")
