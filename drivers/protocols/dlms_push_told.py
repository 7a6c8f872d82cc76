"""Data notifications -> what a meter told, for polling; ``dlms_decode`` has the same for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final

from drivers.codec.axdr import AxdrError, clock
from drivers.codec.cosem_units import unit_of
from drivers.codec.dlms_apdu import Notification, UnreadError, read_apdu
from drivers.codec.dlms_push import Pushed, pushed
from drivers.codec.hdlc import FrameKind
from drivers.codec.hdlc_message import HdlcMessage
from drivers.codec.obis import obis_text
from drivers.decoded import Quantity
from drivers.errors import FrameError, RefusedError
from drivers.meter_clock import utc_ms_of
from drivers.protocols.dlms_decode import LLC, plain
from drivers.protocols.telegram import MeterTime, Telegram

_CLOCK_BYTES: Final = 12
_INVALID: Final = 0x01
_SUMMER: Final = 0x80
_UNSAID: Final = 0xFF
_CLOCK_CODE: Final = b"\x01\x00\x00"


def understand(message: HdlcMessage, mono_ns: int, where: str, zone: tzinfo) -> Telegram | None:
    """Give what a notification says; None for any other message.

    Raises:
        RefusedError: it is encrypted.
        FrameError: its content is damaged though the check sequence is right.
    """
    if message.first.kind not in (FrameKind.I, FrameKind.UI):
        return None
    body = next((message.information[3:] for llc in LLC if message.information.startswith(llc)), message.information)
    try:
        apdu = read_apdu(body)
    except UnreadError as error:
        if not error.encrypted:
            return None
        raise RefusedError(
            f"{where}: what the meter sends is encrypted (APDU {body[0]:02X}), and no key can be given yet; its "
            "supplier can turn encryption of the customer port off",
            body[0],
            message.raw,
        ) from error
    except AxdrError as error:
        raise FrameError(f"{where}: the meter sends what A-XDR does not know: {error}", message.raw) from error
    return told(apdu, mono_ns, zone, message.raw) if isinstance(apdu, Notification) else None


def told(apdu: Notification, mono_ns: int, zone: tzinfo, raw: bytes) -> Telegram:
    """Give a notification as a telegram: values by their code, and by ``place/count`` in the whole list."""
    listed = tuple(pushed(apdu.data))
    said: dict[str, Quantity] = {}
    time = apdu.time
    for number, one in enumerate(listed, 1):
        for quantity in _named(one, f"{number}/{len(listed)}"):
            said.setdefault(quantity.quantity, quantity)
        if one.obis[2:5] == _CLOCK_CODE and len(one.data.octets) == _CLOCK_BYTES:
            time = time or one.data.octets
    return Telegram(mono_ns=mono_ns, said=said, time=meter_time(time, zone) if time else None, raw=raw)


def meter_time(octets: bytes, zone: tzinfo) -> MeterTime:
    """Read a COSEM date-time; one that names no offset is of the wall clock of ``zone``."""
    text = clock(octets)
    status = octets[-1] if octets[-1:] != bytes((_UNSAID,)) else None
    unset = text is None or (status is not None and bool(status & _INVALID))
    if text is None:
        return MeterTime(unset=unset)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return MeterTime(utc_ms=round(moment.timestamp() * 1000), unset=unset)
    summer = None if status is None else bool(status & _SUMMER)
    return MeterTime(utc_ms=utc_ms_of(text, zone, summer=summer), unset=unset)


def _named(one: Pushed, place: str) -> Iterator[Quantity]:
    if one.data.is_list:
        return
    value = plain(one.data)
    if isinstance(value, Decimal):
        value = value.scaleb(one.scaler)
    for name in (place, obis_text(one.obis)) if one.obis else (place,):
        yield Quantity(quantity=name, value=value, unit=unit_of(one.unit))
