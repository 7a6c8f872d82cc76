"""What a station said: messages put together of their packets, once each, with the station's own time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from drivers.batch import DeviceTimeFlag
from drivers.codec.hj212_marks import BY_HAND
from drivers.codec.hj212_segment import Field, Segment, joined
from drivers.protocols.hj212_place import Carrier

_MOST_OPEN: Final = 8
_MOST_KNOWN: Final = 512
_STAMP_DIGITS: Final = 14
_CARRIERS: Final = {carrier.value: carrier for carrier in Carrier}
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One upload, whole.

    Attributes:
        fields: every field of the data area.
        utc_ms: ``DataTime`` as UTC, None if it is no time.
        mono_ns: when its last packet was there.
        late: another one of its kind, of a later time, came before.
    """

    carrier: Carrier
    fields: Mapping[str, str]
    utc_ms: int | None
    mono_ns: int
    late: bool

    def flags(self, factor: str) -> DeviceTimeFlag:
        """Tell what is to be known of the time and value of one factor."""
        past = self.carrier.is_past or self.late or f"{factor}-SampleTime" in self.fields
        flags = DeviceTimeFlag.HISTORICAL if past else DeviceTimeFlag.NONE
        return flags | DeviceTimeFlag.SUBSTITUTED if self.fields.get(f"{factor}-Flag") == BY_HAND else flags

    def utc_ms_of(self, factor: str, zone: tzinfo) -> int | None:
        """Give when a value was sampled, if the station tells that of each; else the time of the whole."""
        sampled = utc_ms(self.fields.get(f"{factor}-SampleTime", ""), zone)
        return self.utc_ms if sampled is None else sampled


class Messages:
    """Packets of one station -> messages. A repetition, sent since our acknowledgement was lost, gives nothing."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._open: dict[_Key, list[Segment]] = {}
        self._known: dict[_Key, None] = {}
        self._latest: dict[Carrier, int] = {}

    def take(self, packet: Segment, mono_ns: int) -> Message | None:
        """Take a packet in; gives the message that it completes."""
        carrier = _CARRIERS.get(packet.head("CN"))
        stamp = _first(packet, "DataTime")
        if carrier is None or not stamp or (carrier.value, stamp) in self._known:
            return None
        key = (carrier.value, stamp)
        parts = self._open.setdefault(key, [])
        parts.append(packet)
        (whole, *more) = joined(parts)
        if more or whole.place[1] != 1:
            while len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
            return None
        del self._open[key]
        self._known[key] = None
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return self._message(carrier, whole, utc_ms(stamp, self._zone), mono_ns)

    def _message(self, carrier: Carrier, whole: Segment, stamp_ms: int | None, mono_ns: int) -> Message:
        latest = self._latest.get(carrier)
        late = latest is not None and stamp_ms is not None and stamp_ms < latest
        if stamp_ms is not None and not late:
            self._latest[carrier] = stamp_ms
        fields: dict[str, str] = {}
        for item in whole.items:
            for name, value in item:
                fields.setdefault(name, value)
        return Message(carrier=carrier, fields=fields, utc_ms=stamp_ms, mono_ns=mono_ns, late=late)


def utc_ms(stamp: str, zone: tzinfo) -> int | None:
    """Read ``YYYYMMDDhhmmss``, with milliseconds behind it or not, as local time; None if it is none."""
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) < _STAMP_DIGITS:
        return None
    try:
        moment = datetime.strptime(stamp[:_STAMP_DIGITS], "%Y%m%d%H%M%S").replace(tzinfo=zone)
        return round(moment.timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def _first(packet: Segment, name: str) -> str:
    fields: list[Field] = [field for item in packet.items for field in item]
    return next((value for key, value in fields if key == name), "")
