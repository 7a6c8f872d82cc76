"""Where a point stands in a Modbus device, and how its registers become a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Table(Enum):
    """Modbus data tables (Modbus Application Protocol V1.1b3, 4.3); the value is the read function."""

    COIL = 1
    DISCRETE_INPUT = 2
    HOLDING_REGISTER = 3
    INPUT_REGISTER = 4

    @property
    def is_bits(self) -> bool:
        """Whether an address of this table holds one bit rather than 16."""
        return self in (Table.COIL, Table.DISCRETE_INPUT)


class NumberType(Enum):
    """How registers become a value."""

    BIT = "bit"
    U8 = "u8"  # one byte of a register
    I8 = "i8"
    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    BCD16 = "bcd16"  # four decimal digits, one for each nibble
    BCD32 = "bcd32"
    BCD64 = "bcd64"
    TEXT = "text"
    UNIX32 = "unix32"  # seconds since 1970, UTC
    IEC_DATE = "iec_date"  # IEC 60870-5-4 in four registers
    YMDHMS = "ymdhms"  # six registers: year, month, day, hour, minute, second
    YMDHMS_BCD = "ymdhms_bcd"  # the same, each in BCD
    YMDHMS_PACKED = "ymdhms_packed"  # three registers of two binary bytes each
    YMDHMS_PACKED_BCD = "ymdhms_packed_bcd"

    @property
    def registers(self) -> int:
        """Registers that one value takes; a text says so itself (1 here)."""
        return _REGISTERS.get(self, 1)

    @property
    def bits(self) -> int:
        """Bits of the raw number."""
        return {NumberType.BIT: 1, NumberType.U8: 8, NumberType.I8: 8}.get(self, 16 * self.registers)

    @property
    def is_float(self) -> bool:
        """Whether the wire holds IEEE 754."""
        return self in (NumberType.F32, NumberType.F64)

    @property
    def is_bcd(self) -> bool:
        """Whether each nibble is a decimal digit."""
        return self in (NumberType.BCD16, NumberType.BCD32, NumberType.BCD64)

    @property
    def is_date(self) -> bool:
        """Whether the value is a moment, given as text of ISO 8601."""
        return self in _DATES

    @property
    def is_words(self) -> bool:
        """Whether the value is text: a text or a moment, never a number."""
        return self is NumberType.TEXT or self in _DATES


_DATES: Final = frozenset(
    (
        NumberType.UNIX32,
        NumberType.IEC_DATE,
        NumberType.YMDHMS,
        NumberType.YMDHMS_BCD,
        NumberType.YMDHMS_PACKED,
        NumberType.YMDHMS_PACKED_BCD,
    )
)
_REGISTERS: Final = {
    NumberType.U32: 2,
    NumberType.I32: 2,
    NumberType.F32: 2,
    NumberType.BCD32: 2,
    NumberType.UNIX32: 2,
    NumberType.YMDHMS_PACKED: 3,
    NumberType.YMDHMS_PACKED_BCD: 3,
    NumberType.U64: 4,
    NumberType.I64: 4,
    NumberType.F64: 4,
    NumberType.BCD64: 4,
    NumberType.IEC_DATE: 4,
    NumberType.YMDHMS: 6,
    NumberType.YMDHMS_BCD: 6,
}


class WordOrder(Enum):
    """Order of the bytes ABCD of a multi-register value on the wire."""

    BIG = "big"  # ABCD
    LITTLE = "little"  # CDAB: words swapped
    DCBA = "dcba"
    BADC = "badc"  # bytes swapped in each word


class Encoding(Enum):
    """How the bytes of a text are characters."""

    ASCII = "ascii"
    UTF_8 = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRead:
    """A question that no table answers: a vendor's own function.

    Attributes:
        request: the whole request PDU.
        reply_bytes: length of the good reply PDU; nothing else tells it.
        skip: bytes of the reply before the first value, its function code among them.
    """

    request: bytes
    reply_bytes: int
    skip: int = 2

    @property
    def registers(self) -> int:
        """Pairs of bytes behind ``skip``, which are read as registers."""
        return (self.reply_bytes - self.skip) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusLocation:
    """Where a point stands in a Modbus device.

    Attributes:
        table: coil, discrete input, input or holding register.
        address: 0-based address as sent on the wire.
        bit: bit number in the register, 0 is the least significant; only with type ``bit`` in a register table.
        mask: the adjoining bits of an unsigned number that are the value, moved down to bit 0; None for all.
        high_byte: whether a byte is the upper one of its register.
        length: registers of a text, 0 for all other types.
        encoding: of a text.
        raw: the vendor's function that gives it; ``address`` then counts registers in its reply.
        scale_address: register of the same table that holds the power of ten of this value (``scale_from``).
        scale_is_places: that register holds the number of decimals instead (``decimals_from``).
    """

    table: Table
    address: int
    type: NumberType = NumberType.U16
    words: WordOrder = WordOrder.BIG
    bit: int | None = None
    mask: int | None = None
    high_byte: bool = False
    length: int = 0
    encoding: Encoding = Encoding.ASCII
    raw: RawRead | None = None
    scale_address: int | None = None
    scale_is_places: bool = False

    @property
    def count(self) -> int:
        """Addresses that the value takes in its table."""
        return 1 if self.table.is_bits else self.length or self.type.registers

    @property
    def first(self) -> int:
        """First address that has to be read in one exchange for the value."""
        return self.address if self.scale_address is None else min(self.address, self.scale_address)

    @property
    def end(self) -> int:
        """Address behind the last one that has to be read in the same exchange."""
        behind = self.address + self.count
        return behind if self.scale_address is None else max(behind, self.scale_address + 1)
