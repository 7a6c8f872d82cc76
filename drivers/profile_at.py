"""``at`` of a ``[[point]]``: where a value stands in a Modbus device."""

from __future__ import annotations

from typing import Final

from drivers.profile import Encoding, ModbusLocation, NumberType, RawRead, Table, WordOrder
from drivers.profile_fields import Fields

AT_KEYS: Final = (
    "table", "address", "type", "words", "bit", "mask", "byte", "length", "encoding", "request", "reply_bytes",
    "skip",
)  # fmt: skip
ADDRESSES: Final = 65536
_LONGEST_PDU: Final = 253
MOST_TEXT_REGISTERS: Final = 125

TABLES: Final = {
    "coil": Table.COIL,
    "discrete": Table.DISCRETE_INPUT,
    "holding": Table.HOLDING_REGISTER,
    "input": Table.INPUT_REGISTER,
}
TYPES: Final = {t.value: t for t in NumberType}
WORDS: Final = {w.value: w for w in WordOrder}
ENCODINGS: Final = {e.value: e for e in Encoding}
BYTES: Final = {"high": True, "low": False}
_BYTES: Final = (NumberType.U8, NumberType.I8)
_MASKED: Final = (NumberType.U8, NumberType.U16, NumberType.U32, NumberType.U64)


def read_location(fields: Fields) -> ModbusLocation:
    """Read ``at``, and ``scale_from`` or ``decimals_from`` beside it: where a value stands in a Modbus device."""
    at = Fields(fields.raw("at"), fields.at("at"), AT_KEYS)
    raw = _raw(at)
    table = at.choice("table", TABLES) if raw is None else Table.HOLDING_REGISTER
    address = at.integer("address", 0, ADDRESSES - 1)
    number = at.choice("type", TYPES, NumberType.BIT if table.is_bits else NumberType.U16)
    words = at.choice("words", WORDS, WordOrder.BIG)
    if table.is_bits and number is not NumberType.BIT:
        raise at.fault("type", "coils and discrete inputs hold bits")
    in_register = number is NumberType.BIT and not table.is_bits
    if at.has("bit") is not in_register:
        raise at.fault("bit", "is missing" if in_register else 'goes only with type = "bit" in a register')
    _only_with(at, number)
    location = ModbusLocation(
        table=table,
        address=address,
        type=number,
        words=words,
        bit=at.integer("bit", 0, 15) if in_register else None,
        mask=_mask(at, number),
        high_byte=at.choice("byte", BYTES, False),
        length=at.integer("length", 1, MOST_TEXT_REGISTERS) if number is NumberType.TEXT else 0,
        encoding=at.choice("encoding", ENCODINGS, Encoding.ASCII),
        raw=raw,
        scale_address=_scale_address(fields, number),
        scale_is_places=fields.has("decimals_from"),
    )
    if raw is not None and location.end > raw.registers:
        raise at.fault("address", f"ends behind the {raw.registers} registers of the reply")
    if address + location.count > ADDRESSES:
        raise at.fault("address", f"{number.value} at {address} ends behind the last address")
    return location


def _raw(at: Fields) -> RawRead | None:
    """Read the vendor's function that is asked instead of a table, if there is one."""
    if not at.has("request"):
        for key in ("reply_bytes", "skip"):
            if at.has(key):
                raise at.fault(key, "goes only with request")
        return None
    if at.has("table"):
        raise at.fault("table", "give table or request, not both")
    request = at.octets("request")
    if not 1 <= len(request) <= _LONGEST_PDU or not 0 < request[0] < 0x80:
        raise at.fault("request", "is no request PDU: a function from 1 to 127 and its data, without unit and CRC")
    reply_bytes = at.integer("reply_bytes", 3, _LONGEST_PDU)
    return RawRead(request=request, reply_bytes=reply_bytes, skip=at.integer("skip", 1, reply_bytes - 2, 2))


def _only_with(at: Fields, number: NumberType) -> None:
    """Refuse keys that mean nothing for this type: they would only look as if they did."""
    for key, kinds in (("byte", _BYTES), ("length", (NumberType.TEXT,)), ("encoding", (NumberType.TEXT,))):
        if at.has(key) and number not in kinds:
            raise at.fault(key, f"goes only with type = {' or '.join(f'{kind.value!r}' for kind in kinds)}")


def _mask(at: Fields, number: NumberType) -> int | None:
    if not at.has("mask"):
        return None
    if number not in _MASKED:
        raise at.fault("mask", "goes only with an unsigned number; a single bit may be of type bit")
    mask = at.integer("mask", 1, (1 << number.bits) - 1)
    field = mask // (mask & -mask)
    if field & (field + 1):
        raise at.fault("mask", f"0x{mask:X} has a hole; the bits of a field adjoin each other")
    return mask


def _scale_address(fields: Fields, number: NumberType) -> int | None:
    key = next((key for key in ("scale_from", "decimals_from") if fields.has(key)), None)
    if key is None:
        return None
    if key == "scale_from" and fields.has("decimals_from"):
        raise fields.fault("decimals_from", "give scale_from or decimals_from, not both")
    if number is NumberType.BIT or number.is_float or number.is_words:
        raise fields.fault(key, "goes only with a whole number")
    return fields.integer(key, 0, ADDRESSES - 1)
