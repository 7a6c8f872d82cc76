"""What registers hold besides plain binary numbers: decimal digits, parts of a register, text and moments.

Every function here gives None for what cannot be: a nibble above nine, the 31st of February, a text without a
character. None is 'no value', never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final, TypeAlias

from drivers.profile import Encoding, ModbusLocation, NumberType
from drivers.sanitize import sanitize

Field: TypeAlias = Callable[[int], int | None]
"""Raw number, as the registers hold it, to the number that is meant."""

_DAY_S: Final = 86_400
_EPOCH: Final = date(1970, 1, 1)
_MOST_TEXT_BYTES: Final = 250


def field_of(location: ModbusLocation) -> Field | None:
    """Compile how the number is taken out of its registers; None where the registers are the number."""
    part = _part_of(location)
    if location.mask is None:
        return part
    mask, shift = location.mask, low_bit(location.mask)
    if part is None:
        return lambda raw: (raw & mask) >> shift
    whole = part

    def masked(raw: int) -> int | None:
        value = whole(raw)
        return None if value is None else (value & mask) >> shift

    return masked


def low_bit(mask: int) -> int:
    """Give the number of the lowest bit of ``mask``, which is not 0."""
    return (mask & -mask).bit_length() - 1


def _part_of(location: ModbusLocation) -> Field | None:
    kind, shift = location.type, 8 if location.high_byte else 0
    if kind is NumberType.U8:
        return lambda raw: raw >> shift & 0xFF
    if kind is NumberType.I8:
        return lambda raw: ((raw >> shift & 0xFF) ^ 0x80) - 0x80
    return from_bcd if kind.is_bcd else None


def from_bcd(raw: int) -> int | None:
    """Read each nibble of ``raw`` as a decimal digit; None if one of them is none."""
    digits = f"{raw:x}"
    return int(digits) if digits.isdecimal() else None


def words_of(location: ModbusLocation) -> Callable[[bytes], str | None]:
    """Give what turns the registers of a text or a moment, bytes in big-endian order, into its text."""
    if location.type is NumberType.TEXT:
        encoding = location.encoding
        return lambda data: text_of(data, encoding)
    return _DATES[location.type]


def text_of(data: bytes, encoding: Encoding) -> str | None:
    """Read a text up to its first NUL, blanks at both ends dropped; what is no character shows as an escape."""
    kept = data.partition(b"\0")[0].strip()
    if not kept or not kept.strip(b"\xff"):  # all ones is how a register says that it is not there
        return None
    text = kept.decode(encoding.value, errors="backslashreplace")
    return sanitize(text, _MOST_TEXT_BYTES)


def moment(year: int, month: int, day: int, hour: int, minute: int, second: int) -> str | None:
    """Write a moment of a device's own clock in ISO 8601, without a zone since it names none; None if impossible.

    Args:
        year: with its century, or the two digits of one from 2000 to 2099.
        month: from 1.
        day: from 1.
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
    """
    if not (hour < 24 and minute < 60 and second < 60):
        return None
    try:
        day_text = date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError:
        return None
    return f"{day_text}T{hour:02}:{minute:02}:{second:02}"


def _unix32(data: bytes) -> str | None:
    seconds = int.from_bytes(data, "big")
    if seconds in (0, 0xFFFFFFFF):  # a clock that was never set, a register that is not there
        return None
    days, rest = divmod(seconds, _DAY_S)
    return f"{_EPOCH + timedelta(days=days)}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def _iec(data: bytes) -> str | None:
    """IEC 60870-5-4 binary time as meters put it into registers: year; month, day; hour, minute; milliseconds."""
    if data[5] & 0x80:  # 'invalid'
        return None
    return moment(
        data[1] & 0x7F,
        data[2] & 0x0F,
        data[3] & 0x1F,
        data[4] & 0x1F,
        data[5] & 0x3F,
        int.from_bytes(data[6:8], "big") // 1000,
    )


def _six(size: int, *, bcd: bool) -> Callable[[bytes], str | None]:
    """Make the reader of six numbers of ``size`` bytes, year first."""

    def read(data: bytes) -> str | None:
        numbers: list[int] = []
        for at in range(0, 6 * size, size):
            raw = int.from_bytes(data[at : at + size], "big")
            number = from_bcd(raw) if bcd else raw
            if number is None:
                return None
            numbers.append(number)
        return moment(*numbers)

    return read


_DATES: Final[Mapping[NumberType, Callable[[bytes], str | None]]] = {
    NumberType.UNIX32: _unix32,
    NumberType.IEC_DATE: _iec,
    NumberType.YMDHMS: _six(2, bcd=False),
    NumberType.YMDHMS_BCD: _six(2, bcd=True),
    NumberType.YMDHMS_PACKED: _six(1, bcd=False),
    NumberType.YMDHMS_PACKED_BCD: _six(1, bcd=True),
}
