"""What stands before the records of an M-Bus answer (EN 13757-3, 5 and 6.2), and the secondary address in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.errors import FrameError

WILD_BYTE: Final = 0xFF
_ID, _MAKER = 4, 2
ADDRESS_BYTES: Final = 8
_LONG_HEADER: Final = 12
_SHORT_HEADER: Final = 4
_FIXED: Final = 16
_ENCRYPTED: Final = frozenset((2, 3, 4, 5, 7, 8, 9, 10, 13))
_PLAIN_START: Final = b"\x2f\x2f"
_BINARY_BIT: Final = 0x01
_STORED_BIT: Final = 0x02


class Ci(IntEnum):
    """CI fields that this codec knows."""

    APPLICATION_RESET = 0x50
    DATA_SEND = 0x51
    SELECT = 0x52
    APPLICATION_ERROR = 0x70
    VARIABLE = 0x72
    FIXED = 0x73
    VARIABLE_NO_HEADER = 0x78
    VARIABLE_SHORT_HEADER = 0x7A


_HEADERS: Final[dict[int, int]] = {Ci.VARIABLE: _LONG_HEADER, Ci.VARIABLE_SHORT_HEADER: _SHORT_HEADER}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryAddress:
    """Who a meter is, or a pattern for that.

    Attributes:
        id: eight digits, F for any; a few meters have letters in theirs.
        manufacturer: three letters; None for any.
        version: generation; None for any.
        medium: device type, 0x04 is heat; None for any.
    """

    id: str
    manufacturer: str | None = None
    version: int | None = None
    medium: int | None = None

    def encode(self) -> bytes:
        """Give the eight bytes as they stand in a selection and in a header."""
        maker = b"\xff\xff" if self.manufacturer is None else manufacturer_bytes(self.manufacturer)
        version = WILD_BYTE if self.version is None else self.version
        medium = WILD_BYTE if self.medium is None else self.medium
        return bytes.fromhex(self.id)[::-1] + maker + bytes((version, medium))


def parse_address(data: bytes) -> SecondaryAddress:
    """Read eight bytes of a selection or header; never raises on that many."""
    maker = data[4:6]
    return SecondaryAddress(
        id=data[3::-1].hex().upper(),
        manufacturer=None if maker == b"\xff\xff" else manufacturer_letters(maker),
        version=None if data[6] == WILD_BYTE else data[6],
        medium=None if data[7] == WILD_BYTE else data[7],
    )


def manufacturer_letters(data: bytes) -> str:
    """Give the three letters that two bytes stand for (EN 62056-21: five bits each)."""
    number = int.from_bytes(data, "little")
    return "".join(chr(64 + (number >> shift & 0x1F)) for shift in (10, 5, 0))


def manufacturer_bytes(letters: str) -> bytes:
    """Give the two bytes of three letters."""
    number = 0
    for letter in letters:
        number = number << 5 | (ord(letter) - 64 & 0x1F)
    return number.to_bytes(_MAKER, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a variable telegram says of itself.

    Attributes:
        meter: who sent it; None without a long header.
        access_no: counts telegrams; None without a header.
        status: status byte; None without a header.
        encrypted: whether the records are.
    """

    meter: SecondaryAddress | None = None
    access_no: int | None = None
    status: int | None = None
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCounter:
    """One of the two counters of a fixed telegram: number or None, and its unit code (6 bits)."""

    raw: int | None
    unit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedData:
    """A fixed telegram (CI 73).

    Attributes:
        id: eight digits.
        medium: four bits.
        stored: whether the counters are those of a fixed date.
    """

    id: str
    access_no: int
    status: int
    medium: int
    stored: bool
    counters: tuple[FixedCounter, FixedCounter]


def split_header(ci: int, data: bytes) -> tuple[Header, bytes]:
    """Give the header of a variable telegram and its records.

    Raises:
        FrameError: it is shorter than its header, or of another CI field.
    """
    if ci == Ci.VARIABLE_NO_HEADER:
        return Header(), data
    size = _HEADERS.get(ci)
    if size is None:
        raise FrameError(f"M-Bus: CI field {ci:02X} holds no data records", data)
    if len(data) < size:
        raise FrameError("M-Bus: the telegram is shorter than its header", data)
    access_no, status, configuration = data[size - 4], data[size - 3], data[size - 1]
    records = data[size:]
    encrypted = configuration & 0x1F in _ENCRYPTED and not records.startswith(_PLAIN_START)
    meter = parse_address(data) if size == _LONG_HEADER else None
    return Header(meter=meter, access_no=access_no, status=status, encrypted=encrypted), records


def parse_fixed(data: bytes) -> FixedData:
    """Read a fixed telegram.

    Raises:
        FrameError: it is not 16 bytes long.
    """
    if len(data) != _FIXED:
        raise FrameError(f"M-Bus: a fixed telegram holds 16 bytes, not {len(data)}", data)
    status = data[5]
    low, high = data[6], data[7]
    counters = [
        FixedCounter(raw=_counter(data[at : at + 4], status), unit=unit & 0x3F) for at, unit in ((8, low), (12, high))
    ]
    return FixedData(
        id=data[_ID - 1 :: -1].hex().upper(),
        access_no=data[4],
        status=status,
        medium=low >> 6 | high >> 6 << 2,
        stored=bool(status & _STORED_BIT),
        counters=(counters[0], counters[1]),
    )


def _counter(data: bytes, status: int) -> int | None:
    if status & _BINARY_BIT:
        return int.from_bytes(data, "little")
    digits = data[::-1].hex()
    return int(digits) if digits.isdecimal() else None
