"""SML files -> what a meter told: for ``tidegate decode``, and what polled values are taken from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.captured import replies
from drivers.codec.cosem_units import ucum, unit_of
from drivers.codec.obis import obis_text
from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import SmlEntry, SmlList, SmlTime, TimeForm, read_list
from drivers.codec.sml_value import Kind, SmlError
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import FrameError
from drivers.protocols.telegram import MeterTime, Telegram

SERVER_ID: Final = "server_id"
STATUS: Final = ".status"
UNSIGNED: Final = ".unsigned"
_PUBLIC_KEY: Final = bytes((129, 129, 199, 130, 5, 255))
_ID_BYTES: Final = 10
_ID_HEADS: Final = (0x09, 0x0A)


def read_sml(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read the files of one capture: which CRC, which meter, every value that has a unit. Raises DecodeError."""
    del request, context  # a file says all about itself
    found: list[Quantity] = []
    for frame in frames_of(response):
        try:
            found += quantities(frame)
        except SmlError as error:
            raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
    return tuple(found)


def frames_of(response: bytes) -> tuple[SmlFrame, ...]:
    """Give the files of one capture. Raises DecodeError."""
    return replies(stream_decoder(), None, response, lambda _frame: True)


def quantities(frame: SmlFrame) -> Iterator[Quantity]:
    """Give what one file says.

    Raises:
        SmlError: its messages are none.
    """
    said = read_list(frame.payload)
    yield Quantity(quantity="transport_crc", value=frame.check.value)
    if said.server_id:
        yield Quantity(quantity=SERVER_ID, value=said.server_id.hex().upper())
    for entry in said.entries:
        if entry.unit is not None and entry.value.number is not None:
            yield Quantity(quantity=obis_text(entry.obis), value=exact(entry), unit=ucum(entry.unit))


def exact(entry: SmlEntry, *, unsigned: bool = False) -> Decimal | None:
    """Give the number of an entry times its power of ten; None if it is none.

    Args:
        entry: from a list.
        unsigned: for meters that put positive numbers into too few signed bytes (DZG DVS74, DVSB).
    """
    number = entry.value.unsigned if unsigned else entry.value.number
    return None if number is None else Decimal(f"{number}E{entry.scaler}")


def understand(frame: SmlFrame, mono_ns: int, where: str) -> Telegram | None:
    """Give what a file says at ``mono_ns``; None if it holds no list.

    Raises:
        FrameError: its messages are none, though the CRC is right.
    """
    try:
        said = read_list(frame.payload)
    except SmlError as error:
        raise FrameError(f"{where}: the meter sends what SML does not know: {error}", frame.raw) from error
    return told(said, mono_ns) if said.entries else None


def told(said: SmlList, mono_ns: int) -> Telegram:
    """Give a list as a telegram; of values under one name the first counts."""
    found: dict[str, Quantity] = {}
    times: dict[str, MeterTime] = {}
    raws: dict[str, bytes] = {}
    if any(said.server_id):
        found[SERVER_ID] = Quantity(quantity=SERVER_ID, value=meter_number(said.server_id))
    for entry in said.entries:
        name = obis_text(entry.obis)
        if name in found:
            continue
        found |= {one.quantity: one for one in _values(name, entry)}
        if entry.time is not None:
            times[name] = _meter_time(entry.time)
        if entry.signature or not said.signature:
            raws[name] = entry.raw
    return Telegram(
        mono_ns=mono_ns,
        said=found,
        time=None if said.time is None else _meter_time(said.time),
        times=times,
        raws=raws,
        raw=said.raw,
        plate=_plate(said),
    )


def meter_number(server_id: bytes) -> str:
    """Write a server id as on the plate (DIN 43863-5), ``1 ISK 00 75126084``; another one in hexadecimal."""
    maker = server_id[2:5]
    if len(server_id) != _ID_BYTES or server_id[0] not in _ID_HEADS or not (maker.isalpha() and maker.isascii()):
        return server_id.hex().upper()
    number = int.from_bytes(server_id[6:], "big")
    return f"{server_id[1]:X} {maker.decode('ascii').upper()} {server_id[5]:02X} {number:08d}"


def _values(name: str, entry: SmlEntry) -> Iterator[Quantity]:
    value, unit = entry.value, unit_of(entry.unit)
    if value.number is not None:
        yield Quantity(quantity=name, value=exact(entry), unit=unit)
        if value.number < 0:
            yield Quantity(quantity=name + UNSIGNED, value=exact(entry, unsigned=True), unit=unit)
    elif value.kind is Kind.BOOL:
        yield Quantity(quantity=name, value=any(value.content))
    elif value.kind is Kind.OCTETS:
        yield Quantity(quantity=name, value=value.octets.hex().upper() or None)
    if entry.status is not None:
        yield Quantity(quantity=name + STATUS, value=Decimal(entry.status))


def _meter_time(time: SmlTime) -> MeterTime:
    if time.form is TimeForm.INDEX:
        return MeterTime(sequence=time.seconds)
    return MeterTime(utc_ms=time.seconds * 1000, unset=time.seconds == 0)


def _plate(said: SmlList) -> dict[str, str | None]:
    """Say who the meter is: its server id, and its public key where the list has it."""
    key = next((one.value.octets for one in said.entries if one.obis == _PUBLIC_KEY and any(one.value.octets)), b"")
    return {"serial": meter_number(said.server_id) if any(said.server_id) else None, "key": key.hex().upper()}
