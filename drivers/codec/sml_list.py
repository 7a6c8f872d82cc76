"""What a meter says in the messages of an SML file: who it is, and its list of values (SML 1.04, 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.codec.sml_value import Kind, SmlError, SmlValue, parse

_OPEN: Final = 0x0101
_GET_LIST: Final = 0x0701
_ATTENTION: Final = 0xFF01
_MESSAGE_ITEMS: Final = 6
_OPEN_ITEMS: Final = 6
_LIST_ITEMS: Final = 7
_ENTRY_ITEMS: Final = 7
_OBIS_BYTES: Final = 6


class TimeForm(Enum):
    """What a time counts; the value is the number of the choice (SML 1.04, 4.1.2, SML_Time)."""

    INDEX = 1
    """Seconds that the meter has counted, from a beginning of its own."""
    UTC = 2
    """Seconds since 1970, UTC."""
    LOCAL = 3
    """The same, with the offset of the place beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmlTime:
    """A meter's time."""

    form: TimeForm
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SmlEntry:
    """One value of a list.

    Attributes:
        obis: six bytes A to F; the tariff is E.
        status: status word, None if the meter sends none.
        time: when the value was taken, None if the meter does not say.
        unit: code of a unit (IEC 62056-6-2, table 4), None for what has none.
        scaler: power of ten.
        value: as it was sent.
        signature: the meter's signature of this value, empty without one.
        raw: the whole entry, unchanged: what a signature can be checked against.
    """

    obis: bytes
    status: int | None
    time: SmlTime | None
    unit: int | None
    scaler: int
    value: SmlValue
    signature: bytes
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SmlList:
    """What one SML file holds.

    Attributes:
        transaction: number of the message with the list, or of one that says why there is none: that of the request.
        server_id: the meter, empty if it does not say.
        time: of its list, None if the meter does not say.
        entries: its values in order.
        signature: of the list, empty without one.
        raw: bodies of its lists, unchanged.
    """

    transaction: bytes
    server_id: bytes
    time: SmlTime | None
    entries: tuple[SmlEntry, ...]
    signature: bytes
    raw: bytes


def read_list(payload: bytes) -> SmlList:
    """Read the messages of an SML file; those that carry no list are passed over.

    Raises:
        SmlError: they are not what SML says, or none of them is there.
    """
    transaction = server_id = signature = raw = b""
    taken: SmlTime | None = None
    entries: list[SmlEntry] = []
    told = False
    for number, tag, body in _bodies(payload):
        told = True
        if tag == _OPEN and len(body.items) == _OPEN_ITEMS:
            server_id = server_id or body.items[3].octets
        elif tag == _ATTENTION:
            transaction = number
        elif tag == _GET_LIST:
            if len(body.items) != _LIST_ITEMS or body.items[4].kind is not Kind.LIST:
                raise SmlError(f"a list response has {len(body.items)} parts")
            transaction, server_id = number, body.items[1].octets or server_id
            taken = _time(body.items[3]) or taken
            entries += [_entry(item) for item in body.items[4].items]
            signature = body.items[5].octets or signature
            raw += body.raw
    if not told:
        raise SmlError("there is no message")
    return SmlList(
        transaction=transaction,
        server_id=server_id,
        time=taken,
        entries=tuple(entries),
        signature=signature,
        raw=raw,
    )


def _bodies(payload: bytes) -> Iterator[tuple[bytes, int | None, SmlValue]]:
    for message in parse(payload):
        if not message.items and not message.content:
            continue  # a filling 00 between messages
        if len(message.items) != _MESSAGE_ITEMS or len(message.items[3].items) != 2:
            raise SmlError(f"a message has {len(message.items)} parts")
        tag, body = message.items[3].items
        yield message.items[0].octets, tag.number, body


def _entry(item: SmlValue) -> SmlEntry:
    if len(item.items) != _ENTRY_ITEMS:
        raise SmlError(f"a list entry has {len(item.items)} parts")
    name, status, time, unit, scaler, value, signature = item.items
    if len(name.octets) != _OBIS_BYTES:
        raise SmlError(f"a list entry is named by {len(name.octets)} bytes")
    return SmlEntry(
        obis=name.octets,
        status=status.number,
        time=_time(time),
        unit=unit.number,
        scaler=scaler.number or 0,
        value=value,
        signature=signature.octets,
        raw=item.raw,
    )


def _time(time: SmlValue) -> SmlTime | None:
    """Read a time; meters that leave the choice of its form away count seconds."""
    form = TimeForm.INDEX
    while time.kind is Kind.LIST and time.items:
        if len(time.items) == 2 and time.items[0].number in _FORMS:
            form, time = TimeForm(time.items[0].number), time.items[1]
        else:
            time = time.items[0]
    return None if time.number is None else SmlTime(form=form, seconds=time.number)


_FORMS: Final = frozenset(form.value for form in TimeForm)
