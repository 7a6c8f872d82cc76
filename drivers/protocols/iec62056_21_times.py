"""What a readout of IEC 62056-21 says of time, and of who sends it: clocks, moments beside values, serial numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from drivers.batch import DeviceTime, Value
from drivers.codec.iec62056_21_data import Obis, parse_obis
from drivers.decoded import Quantity
from drivers.meter_clock import historical, utc_ms_of
from drivers.protocols.iec62056_21_place import Place

_MOMENT: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?([SW])?")
_DAY: Final = re.compile(r"([012]?)(\d\d)\D?(\d\d)\D?(\d\d)")
_TIME: Final = re.compile(r"([012]?)(\d\d):?(\d\d):?(\d\d)")
_UTC: Final = "2"
_NOW: Final = 255
_COMBINED: Final = ("1.0.0",)
_DATE_ID, _TIME_ID = "0.9.2", "0.9.1"
_RESET: Final = ("0", "1", 2)
"""0.1.2*nn: moment of the reset of history value nn (IEC 62056-61, billing periods)."""
_SERIALS: Final = ("C.1.0", "0.0.0", "96.1.0")
_FIRMWARES: Final = ("0.2.0", "C.2.8")


@dataclass(frozen=True, slots=True)
class Moment:
    """A wall clock time, ISO 8601 or None, and whether the meter says that it is summer time, None if it does not."""

    local: str | None
    summer: bool | None = None


def moment_of(text: str) -> Moment:
    """Read YYMMDDhhmm[ss] with or without the S or W of DSMR."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return Moment(None)
    year, month, day, hour, minute, second, season = found.groups()
    return Moment(
        f"20{year}-{month}-{day}T{hour}:{minute}:{second or '00'}", None if season is None else season == "S"
    )


def shown_ms(said: Mapping[str, Quantity], zone: tzinfo) -> int | None:
    """Give what the meter's clock showed as UTC milliseconds; None if it sends none or an impossible one."""
    for name in _COMBINED:
        both = _find(said, name)
        if both is not None:
            moment = moment_of(both)
            return utc_ms_of(moment.local, zone, summer=moment.summer)
    day, time = _DAY.fullmatch(_find(said, _DATE_ID) or ""), _TIME.fullmatch(_find(said, _TIME_ID) or "")
    if day is None or time is None:
        return None
    season = day[1] or time[1]
    local = f"20{day[2]}-{day[3]}-{day[4]}T{time[2]}:{time[3]}:{time[4]}"
    if season == _UTC:
        return utc_ms_of(local, UTC)
    return utc_ms_of(local, zone, summer=season == "1" if season else None)


def times(
    places: Sequence[Place], values: Sequence[Value], said: Mapping[str, Quantity], zone: tzinfo
) -> Iterator[DeviceTime]:
    """Give the meter's time of each row that has a value and a moment beside it, or that is a history value."""
    for row, (place, value) in enumerate(zip(places, values, strict=True)):
        if value is None or place.obis is None or place.suffix or not place.amount:
            continue
        beside = said.get(f"{place.find(said).quantity}.time")
        period = place.obis.f not in (None, _NOW)
        if beside is None and period:
            beside = next((one for name, one in said.items() if _is_reset(name, place.obis)), None)
        if beside is None and not period:
            continue
        moment = moment_of(str(beside.value)) if beside is not None else Moment(None)
        told = None if beside is None else Quantity(quantity="time", value=moment.local)
        yield historical(row, told, zone, summer=moment.summer)


def nameplate(said: Mapping[str, Quantity]) -> dict[str, str | None]:
    """Give who sent the readout."""
    found: dict[str, str | None] = {
        "manufacturer": _text(said.get("manufacturer")),
        "model": _text(said.get("identification")),
    }
    for part, names in (("serial", _SERIALS), ("firmware", _FIRMWARES)):
        found[part] = next((text for text in (_find(said, name) for name in names) if text), None)
    return found


def data_set(text: str, name: str) -> bytes | None:
    """Give the bytes of the data set that a quantity came from, with all its groups; None if it is not there."""
    code = name.partition("#")[0].removesuffix(".time")
    found = re.search(rf"(?:^|[\r\n)]){re.escape(code)}((?:\([^()]*\))+)", text)
    return None if found is None or not code else f"{code}{found[1]}".encode("latin-1", "replace")


def _find(said: Mapping[str, Quantity], name: str) -> str | None:
    obis = parse_obis(name)
    if name in said:
        return _text(said[name])
    if obis is None:
        return None
    for other, one in said.items():
        known = parse_obis(other)
        if known is not None and obis.fits(known):
            return _text(one)
    return None


def _is_reset(name: str, value: Obis) -> bool:
    other = parse_obis(name)
    return other is not None and (other.c, other.d, other.e) == _RESET and other.f == value.f


def _text(said: Quantity | None) -> str | None:
    return None if said is None or said.value is None else str(said.value)
