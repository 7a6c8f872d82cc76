"""DL/T 645 on lines that are only listened to. A reply names meter and identifier, so it needs no request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from typing import Final

from drivers.batch import Value
from drivers.codec import dlt645
from drivers.codec.dlt645 import EVERYBODY, SHAPE, Dlt645Frame, Edition
from drivers.codec.framing import Decoder
from drivers.codec.summed import SummedStreamDecoder
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning, Said, Taken
from drivers.named_values import sealed
from drivers.profile import Point, Profile
from drivers.protocols.dlt645_place import Place, place_of, value_at
from drivers.protocols.dlt645_times import Frozen, times
from drivers.quality import Quality

_BITS: Final = 45  # two starts, function, sum, end
_FUNCTIONS: Final = {
    Edition.V1997: frozenset((0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x0A, 0x0C, 0x0F, 0x10)),
    Edition.V2007: frozenset((*range(0x11, 0x1F),)),
}
"""Functions of an edition; that of the clock, 08, is in both and counts for the older one."""
_NAMES: Final = {
    0x03: "again", 0x08: "clock", 0x0A: "address", 0x0C: "baud rate", 0x0F: "password", 0x10: "clear demand",
    0x13: "address", 0x15: "address", 0x16: "freeze", 0x17: "baud rate", 0x18: "password", 0x19: "clear demand",
    0x1A: "clear meter", 0x1B: "clear events", 0x1C: "relay",
}  # fmt: skip
_WRITES: Final = frozenset((0x04, 0x14))
_PASSWORDS: Final = {
    0x14: (4, 8), 0x18: (4, 12), 0x19: (0, 4), 0x1A: (0, 4), 0x1B: (0, 4), 0x1C: (0, 4), 0x04: (2, 6), 0x0F: (0, 8),
}  # fmt: skip
"""Where a password stands in the data of what is asked, both of them where it is changed. For the 1997 edition the
place is uncertain."""
_BEHIND: Final = 2  # sum and end


class Dlt645Listener(FrameListener[Dlt645Frame]):
    """One edition on one line."""

    strictest = _BITS

    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        functions = _FUNCTIONS[edition]

        def size(head: bytes) -> int | None:
            known = SHAPE.size(head)
            return None if len(head) > 8 and head[8] & dlt645.FUNCTION not in functions else known

        self._shape = replace(SHAPE, size=size)

    def decoder(self) -> Decoder[Dlt645Frame]:
        """Make an empty decoder for frames of the edition."""
        return SummedStreamDecoder(self._shape)

    def proof(self, frame: Dlt645Frame) -> int:  # noqa: ARG002
        """The same for all frames."""
        return _BITS

    def meaning(self, frame: Dlt645Frame, asked: Dlt645Frame | None) -> Meaning:
        """Tell what a frame is: it says itself who speaks."""
        named = frame.function in (self._edition.read, self._edition.follow, *_WRITES)
        size = self._edition.identifier_bytes
        what = identifier_of(frame, self._edition) if named else _NAMES.get(frame.function, f"C={frame.control:02X}")
        if not frame.is_reply:
            reads = frame.function in (self._edition.read, self._edition.follow)
            return Meaning(
                kind=Kind.REQUEST,
                address=frame.address,
                act=Act.READ if reads else Act.WRITE if frame.function in _WRITES else Act.ASK,
                what=what,
                quiet=frame.address == EVERYBODY,
                secret=_secret(frame),
            )
        answered = (
            asked is not None
            and asked.function == frame.function
            and all(mine in ("A", theirs) for mine, theirs in zip(asked.address, frame.address, strict=True))
        )
        if frame.is_refusal:
            act, what = Act.REFUSE, f"error word {frame.data.hex().upper()}"
        else:
            act = Act.DATA if frame.data else Act.CONFIRM
        return Meaning(
            kind=Kind.REPLY,
            address=frame.address,
            act=act,
            what=what,
            data_bytes=max(0, len(frame.data) - (size if named else 0)),
            answers=answered,
        )


def _secret(frame: Dlt645Frame) -> tuple[int, int]:
    """Give where a password stands in the bytes of a frame."""
    begin, end = _PASSWORDS.get(frame.function, (0, 0))
    first = len(frame.raw) - _BEHIND - len(frame.data)
    return (first + begin, first + min(end, len(frame.data))) if begin < min(end, len(frame.data)) else (0, 0)


def identifier_of(frame: Dlt645Frame, edition: Edition) -> str:
    """Give the identifier that a frame names, high byte first; empty if it is too short for one."""
    size = edition.identifier_bytes
    return frame.data[size - 1 :: -1].hex().upper() if len(frame.data) >= size else ""


class Dlt645Overheard:
    """The points of one meter inside replies that others asked for."""

    def __init__(self, edition: Edition, profile: Profile, address: str, zone: tzinfo) -> None:
        self._edition = edition
        self._address = address
        self._zone = zone
        self._at: dict[str, list[tuple[int, Point, Place]]] = {}
        for index, point in enumerate(profile.points):
            place = place_of(point, edition, profile.id)
            if place.clock:
                continue  # the difference of the clocks takes two readings and the time between
            self._at.setdefault(place.identifier, []).append((index, point, place))
            if place.single:
                alone = (index, point, replace(place, identifier=place.single, item=0, single=""))
                self._at.setdefault(place.single, []).append(alone)

    def take(self, said: Said) -> Taken | None:
        """Give the points under the identifier that was read."""
        frame = said.frame
        if said.protocol != self._edition.value or said.kind is not Kind.REPLY or said.act is not Act.DATA:
            return None
        if frame.function != self._edition.read or frame.more_follows or not self._is_mine(frame.address):
            return None
        wanted = self._at.get(identifier_of(frame, self._edition))
        if not wanted:
            return None
        data = frame.data[self._edition.identifier_bytes :]
        plate = {"address": frame.address if frame.address.isdecimal() else None}
        taken = Taken.of([(i, self._value(point, place, data)) for i, point, place in wanted], plate)
        places = [place for _, _, place in wanted]
        when = tuple(times(self._edition, places, taken.values, Frozen(data, None), self._zone))
        return replace(taken, device_times=when) if when else taken

    def _is_mine(self, address: str) -> bool:
        return all(mine in ("A", theirs) for mine, theirs in zip(self._address, address, strict=True))

    def _value(self, point: Point, place: Place, data: bytes) -> tuple[Value, int]:
        found = value_at(place, self._edition, data)
        return (None, Quality.BAD_CONFIGURATION_ERROR) if found is None else sealed(point, found)


def _listening(edition: Edition) -> Listening:
    make: Callable[[], Dlt645Listener] = partial(Dlt645Listener, edition)
    return Listening(listeners={edition.value: make}, overheard=partial(Dlt645Overheard, edition))


LISTENING: Final = {edition.value: _listening(edition) for edition in Edition}
