"""When a DL/T 645 meter says that a value was taken, and what its clock shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from drivers.batch import DeviceTime, Value
from drivers.clock import Clock
from drivers.codec import dlt645
from drivers.codec.bcd import moment
from drivers.codec.dlt645 import WAKE_UP, Edition
from drivers.decoded import Quantity
from drivers.errors import DeviceFailedError, RefusedError
from drivers.meter_clock import began_ms, historical
from drivers.protocols.dlt645_dialogue import Dialogue
from drivers.protocols.dlt645_place import CLOCK, Place, moment_at
from drivers.setting import ClockShown

_DATE_BYTES: Final = 4
_TIME_BYTES: Final = 3
_STAMP: Final = "YMDhm"
_MIDNIGHT: Final = "00:00:"
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Frozen:
    """Data of a freeze and the moment of it as the meter sent it, None if it does not tell."""

    data: bytes
    stamp: bytes | None


def overhead(edition: Edition) -> int:
    """Give the bytes around the data of a reply."""
    return len(WAKE_UP) + dlt645.OVERHEAD + edition.identifier_bytes


async def shown(dialogue: Dialogue, edition: Edition, clock: Clock) -> ClockShown:
    """Read the meter's clock: date, then time; the date once more if midnight may have passed between."""
    date_at, time_at = CLOCK[edition]
    rest = overhead(edition)
    date = await dialogue.data(date_at, rest + _DATE_BYTES)
    time = moment(await dialogue.data(time_at, rest + _TIME_BYTES), "hms")
    utc_ms = began_ms(clock, dialogue.character_s, dialogue.frames)
    if time is not None and time.startswith(_MIDNIGHT):
        date = await dialogue.data(date_at, rest + _DATE_BYTES)
    day = moment(date, "YMDW")
    return ClockShown(local=None if day is None or time is None else f"{day}T{time}", utc_ms=utc_ms)


class Freezes:
    """Reads frozen data together with the moment of their freezing, which stands under an identifier of its own.

    The moment is read behind the data; where it is the one that was known before them, no freeze came between.
    """

    def __init__(self) -> None:
        self._known: dict[str, bytes | None] = {}

    async def read(self, dialogue: Dialogue, place: Place, reply_bytes: int, *, again: bool, rest: int) -> Frozen:
        """Give the data under ``place.identifier`` and their moment; raises as ``Dialogue.data``."""
        for _ in range(_TRIES):
            data = await dialogue.data(place.identifier, reply_bytes, again=again)
            before = self._known.get(place.stamp, b"")
            if before is None:
                return Frozen(data, None)
            frames = dialogue.frames
            try:
                stamp = await dialogue.data(place.stamp, rest + len(_STAMP), again=True)
            except DeviceFailedError:
                return Frozen(data, None)
            except RefusedError:
                self._known[place.stamp] = None
                return Frozen(data, None)
            finally:
                dialogue.frames = frames
            if stamp == before:
                return Frozen(data, stamp)
            self._known[place.stamp] = stamp
        return Frozen(data, None)


def times(
    edition: Edition, places: Sequence[Place], values: Sequence[Value], told: Frozen, zone: tzinfo
) -> Iterator[DeviceTime]:
    """Give the meter's time of each historical row that has a value."""
    for row, (place, value) in enumerate(zip(places, values, strict=True)):
        if not place.historical or value is None:
            continue
        if place.stamp:
            stamp = told.stamp
            said = None if stamp is None else Quantity(quantity="freeze_time", value=moment(stamp, _STAMP))
        else:
            said = moment_at(place, edition, told.data)
        yield historical(row, said, zone)
