"""Data records of the M-Bus application layer (EN 13757-3, 6.3): DIF, DIFE, VIF, VIFE and the bytes of the value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.errors import FrameError

EXTENSION: Final = 0x80
MOST_EXTENSIONS: Final = 10
PLAIN_TEXT: Final = 0x7C
MANUFACTURER_VIF: Final = 0x7F

_MANUFACTURER, _MORE, _FILLER, _READOUT = 0x0F, 0x1F, 0x2F, 0x7F
_VARIABLE: Final = 0x0D
_SPECIAL: Final = 0x0F
_LENGTHS: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_LONG_BINARY: Final = {0xF5: 48, 0xF6: 64}


class Aggregate(IntEnum):
    """Function field of the DIF: what a value is of its quantity."""

    INSTANT = 0
    MAXIMUM = 1
    MINIMUM = 2
    ERROR = 3
    """The value while the meter was in an error state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One data record.

    Attributes:
        aggregate: instantaneous, maximum, minimum, or during an error.
        storage: 0 is now, others are stored values, such as that of the due date.
        tariff: 0 is the total.
        subunit: 0 is the meter itself.
        coding: data field of the DIF, 0 to 14.
        lvar: length byte of a value of variable length; None for other codings.
        vif: VIF and VIFE as on the wire, extension bits included.
        text: the unit in plain text, if that is how the VIF gives it.
        data: bytes of the value, least significant first, without the length byte.
    """

    aggregate: Aggregate = Aggregate.INSTANT
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    coding: int
    lvar: int | None = None
    vif: bytes
    text: str = ""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the records part of one telegram holds.

    Attributes:
        manufacturer: what follows DIF 0F or 1F, in the manufacturer's own form.
        more: whether the next telegram carries on (DIF 1F).
    """

    records: tuple[Record, ...]
    manufacturer: bytes = b""
    more: bool = False


def parse_records(data: bytes) -> Records:
    """Take the records of one telegram apart.

    Raises:
        FrameError: a record is cut short or of no known form.
    """
    reader = _Reader(data)
    records = tuple(reader.records())
    return Records(records=records, manufacturer=reader.manufacturer, more=reader.more)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.manufacturer = b""
        self.more = False

    def records(self) -> Iterator[Record]:
        while self._at < len(self._data):
            dif = self._byte()
            if dif in (_MANUFACTURER, _MORE):
                self.more = dif == _MORE
                self.manufacturer = self._take(len(self._data) - self._at)
            elif dif & 0x0F != _SPECIAL:
                yield self._record(dif)
            elif dif not in (_FILLER, _READOUT):
                raise self._fault(f"DIF {dif:02X} is reserved")

    def _record(self, dif: int) -> Record:
        storage, tariff, subunit = dif >> 6 & 1, 0, 0
        for number, dife in enumerate(self._extensions(dif)):
            storage |= (dife & 0x0F) << 1 + 4 * number
            tariff |= (dife >> 4 & 3) << 2 * number
            subunit |= (dife >> 6 & 1) << number
        vif, text = self._vif()
        coding = dif & 0x0F
        lvar = self._byte() if coding == _VARIABLE else None
        size = _LENGTHS[coding] if lvar is None else self._variable(lvar)
        return Record(
            aggregate=Aggregate(dif >> 4 & 3),
            storage=storage,
            tariff=tariff,
            subunit=subunit,
            coding=coding,
            lvar=lvar,
            vif=vif,
            text=text,
            data=self._take(size),
        )

    def _vif(self) -> tuple[bytes, str]:
        """Read VIF, VIFE and a unit in plain text.

        The text stands behind the VIFE in EN 13757-3:2013 and right behind the VIF in older meters. A length with as
        many printable characters behind it shows the older order: no VIFE looks so.
        """
        vif = self._byte()
        if vif & ~EXTENSION != PLAIN_TEXT:
            return bytes((vif, *self._extensions(vif))), ""
        if not vif & EXTENSION or self._text_is_next():
            text = self._text()
            return bytes((vif, *self._extensions(vif))), text
        whole = bytes((vif, *self._extensions(vif)))
        return whole, self._text()

    def _text_is_next(self) -> bool:
        size = self._data[self._at] if self._at < len(self._data) else 0
        text = self._data[self._at + 1 : self._at + 1 + size]
        return 0 < size == len(text) and text.isascii() and text.decode("ascii").isprintable()

    def _text(self) -> str:
        return self._take(self._byte())[::-1].decode("latin-1")

    def _extensions(self, byte: int) -> list[int]:
        found: list[int] = []
        while byte & EXTENSION:
            if len(found) == MOST_EXTENSIONS:
                raise self._fault(f"more than {MOST_EXTENSIONS} extensions in a row")
            byte = self._byte()
            found.append(byte)
        return found

    def _variable(self, lvar: int) -> int:
        if lvar < 0xC0:
            return lvar
        if lvar < 0xF0:
            return lvar & 0x0F
        if lvar < 0xF5:
            return 4 * (lvar - 0xEC)
        if lvar in _LONG_BINARY:
            return _LONG_BINARY[lvar]
        raise self._fault(f"LVAR {lvar:02X} is reserved")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise self._fault("the last record is cut short")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _fault(self, what: str) -> FrameError:
        return FrameError(f"M-Bus records: {what} (byte {self._at})", self._data)
