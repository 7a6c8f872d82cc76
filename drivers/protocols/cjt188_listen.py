"""CJ/T 188 on lines that are only listened to. A reply names meter and identifier, so it needs no request."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from drivers.batch import Value
from drivers.codec import cjt188
from drivers.codec.cjt188 import ANY, Cjt188Frame, stream_decoder
from drivers.codec.cjt188_layout import canonical
from drivers.codec.framing import Decoder
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning, Said, Taken
from drivers.named_values import sealed
from drivers.profile import Point, Profile
from drivers.protocols.cjt188_place import Place, place_of, value_at
from drivers.quality import Quality

_BITS: Final = 32  # start, function, sum, end, and digits in the address
_IDENTIFIER: Final = 2
_HEAD: Final = 3  # identifier and serial number
_NAMED: Final = frozenset((cjt188.READ_DATA, cjt188.READ_ADDRESS, cjt188.WRITE_DATA))
_PAIR: Final = 2


class Cjt188Listener(FrameListener[Cjt188Frame]):
    """The protocol on one line."""

    strictest = _BITS

    def decoder(self) -> Decoder[Cjt188Frame]:
        """Make an empty decoder."""
        return stream_decoder()

    def proof(self, frame: Cjt188Frame) -> int:
        """Little where the address is neither digits nor wildcard."""
        return _BITS if frame.address.replace("AA", "00").isdecimal() else _BITS // 2

    def meaning(self, frame: Cjt188Frame, asked: Cjt188Frame | None) -> Meaning:
        """Tell what a frame is: it says itself who speaks."""
        named = frame.function in _NAMED and len(frame.data) >= _IDENTIFIER
        what = canonical(frame.data[:_IDENTIFIER]) if named else f"C={frame.control:02X}"
        if not frame.is_reply:
            reads = frame.function == cjt188.READ_DATA
            act = Act.READ if reads else Act.WRITE if frame.function == cjt188.WRITE_DATA else Act.ASK
            return Meaning(kind=Kind.REQUEST, address=frame.address, act=act, what=what)
        answered = asked is not None and asked.function == frame.function and is_meant(asked.address, frame.address)
        if frame.is_refusal:
            act, what = Act.REFUSE, f"status {frame.data[1:3].hex().upper()}"
        else:
            act = Act.DATA if frame.function == cjt188.READ_DATA else Act.CONFIRM
        size = max(0, len(frame.data) - _HEAD)
        return Meaning(kind=Kind.REPLY, address=frame.address, act=act, what=what, data_bytes=size, answers=answered)


def is_meant(wanted: str, address: str) -> bool:
    """Tell whether ``address`` fits ``wanted``, where AA stands for any two digits."""
    pairs = ((wanted[at : at + _PAIR], address[at : at + _PAIR]) for at in range(0, len(ANY), _PAIR))
    return all(mine in ("AA", theirs) for mine, theirs in pairs)


class Cjt188Overheard:
    """The points of one meter inside replies that others asked for."""

    def __init__(self, profile: Profile, address: str, zone: tzinfo) -> None:  # noqa: ARG002
        self._address = address
        self._at: dict[str, list[tuple[int, Point, Place]]] = {}
        for index, point in enumerate(profile.points):
            place = place_of(point, profile)
            self._at.setdefault(place.question.identifier, []).append((index, point, place))

    def take(self, said: Said) -> Taken | None:
        """Give the points under the identifier that was read."""
        frame = said.frame
        if said.protocol != "cjt188" or said.kind is not Kind.REPLY or said.act is not Act.DATA:
            return None
        if len(frame.data) < _HEAD or not is_meant(self._address, frame.address):
            return None
        wanted = self._at.get(canonical(frame.data[:_IDENTIFIER]))
        if not wanted:
            return None
        data = frame.data[_HEAD:]
        plate = {} if "A" in frame.address else {"address": frame.address, "type": f"0x{frame.type:02X}"}
        return Taken.of([(index, _value(point, place, data)) for index, point, place in wanted], plate)


def _value(point: Point, place: Place, data: bytes) -> tuple[Value, int]:
    found = value_at(place, data)
    return (None, Quality.BAD_CONFIGURATION_ERROR) if found is None else sealed(point, found)


LISTENING: Final = {"cjt188": Listening(listeners={"cjt188": Cjt188Listener}, overheard=Cjt188Overheard)}
