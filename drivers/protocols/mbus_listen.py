"""Wired M-Bus on lines that are only listened to.

A telegram describes itself. But records of one kind are told apart by their count over all telegrams of a readout, so
a telegram gives values only where the readout has been heard from its beginning: behind SND_NKE or a selection, or
behind the end of the readout before. A telegram that comes once more - same frame count bit, same access number - is
the old one.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from drivers.codec.framing import Decoder
from drivers.codec.mbus import BROADCAST, EVERY, SELECTED, Function, MbusFrame, MbusStreamDecoder, with_count_bit
from drivers.codec.mbus_header import Ci, SecondaryAddress, parse_fixed, split_header
from drivers.codec.mbus_record import parse_records
from drivers.codec.mbus_search import selection
from drivers.decoded import DecodeError
from drivers.errors import FrameError
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning, Said, Taken
from drivers.named_values import sealed
from drivers.profile import Profile
from drivers.protocols.mbus import nameplate
from drivers.protocols.mbus_decode import quantities
from drivers.protocols.mbus_place import is_meant, record_of, secondary_address

_LONG_BITS: Final = 48
_SHORT_BITS: Final = 29
_FEW_BYTES: Final = 3  # noise that can be no telegram


class MbusListener(FrameListener[MbusFrame]):
    """The protocol on one line."""

    strictest = _LONG_BITS

    def decoder(self) -> Decoder[MbusFrame]:
        """Make an empty decoder."""
        return MbusStreamDecoder()

    def proof(self, frame: MbusFrame) -> int:
        """None for the single character, which has no checksum."""
        if frame.is_ack:
            return 0
        return _SHORT_BITS if frame.ci is None else _LONG_BITS

    def meaning(self, frame: MbusFrame, asked: MbusFrame | None) -> Meaning | None:
        """Tell what a frame is; E5 counts only behind what it can acknowledge."""
        if frame.is_ack:
            if asked is None or asked.function not in (Function.SND_NKE, Function.SND_UD):
                return None
            return Meaning(kind=Kind.REPLY, address=str(asked.address), act=Act.CONFIRM, answers=True)
        function = frame.function
        if function is None:
            return None
        if function is not Function.RSP_UD:
            return _request(frame, function)
        answered = (
            asked is not None
            and asked.function in (Function.REQ_UD1, Function.REQ_UD2)
            and asked.address in (frame.address, SELECTED, EVERY)
        )
        refused = frame.ci == Ci.APPLICATION_ERROR
        what = f"application error {frame.data[0]}" if refused and frame.data else _name(frame)
        return Meaning(
            kind=Kind.REPLY,
            address=str(frame.address),
            act=Act.REFUSE if refused else Act.DATA,
            what=what,
            data_bytes=len(frame.data),
            answers=answered,
        )


def _request(frame: MbusFrame, function: Function) -> Meaning:
    reads = function in (Function.REQ_UD1, Function.REQ_UD2)
    meter = selection(frame.data) if function is Function.SND_UD and frame.ci == Ci.SELECT else None
    return Meaning(
        kind=Kind.REQUEST,
        address=str(frame.address),
        act=Act.READ if reads else Act.ASK,
        what=function.name if meter is None else f"select {meter.id}",
        quiet=frame.address == BROADCAST,
    )


def _head(frame: MbusFrame) -> tuple[SecondaryAddress | None, int | None]:
    """Give the meter that a telegram names and its access number; None for what it does not tell."""
    try:
        if frame.ci == Ci.FIXED:
            fixed = parse_fixed(frame.data)
            return SecondaryAddress(id=fixed.id), fixed.access_no
        header = split_header(-1 if frame.ci is None else frame.ci, frame.data)[0]
    except FrameError:
        return None, None
    return header.meter, header.access_no


def _name(frame: MbusFrame) -> str:
    meter = _head(frame)[0]
    return "" if meter is None else meter.id


class MbusOverheard:
    """The points of one meter inside telegrams that others asked for."""

    def __init__(self, profile: Profile, address: str, zone: tzinfo) -> None:  # noqa: ARG002
        self._meter = secondary_address(address)
        self._unit = None if self._meter is not None else int(address)
        self._points = [(i, point, record_of(point, profile.id)) for i, point in enumerate(profile.points)]
        self._in_step = False
        self._more = False
        self._last: tuple[bool, int | None] | None = None
        self._seen: dict[str, int] = {}

    def take(self, said: Said) -> Taken | None:
        """Give the points whose records are in a telegram of a readout that was heard from its beginning."""
        if said.kind is Kind.NOISE:
            self._in_step &= len(said.raw) <= _FEW_BYTES
        if said.protocol != "mbus":
            return None
        if said.kind is Kind.REQUEST:
            self._asked(said.frame)
        elif (
            said.kind is Kind.REPLY and said.act is Act.DATA and said.asked is not None and self._is_mine(said.frame)
        ):
            return self._told(said.frame, said.asked)
        return None

    def _asked(self, frame: MbusFrame) -> None:
        """Note what brings the meter to its first telegram."""
        meter = selection(frame.data) if frame.ci == Ci.SELECT else None
        chosen = self._meter is not None and meter is not None and is_meant(meter, self._meter)
        reset = frame.function is Function.SND_NKE and self._unit is not None
        if chosen or (reset and frame.address in (self._unit, EVERY, BROADCAST)):
            self._in_step, self._more, self._last = True, False, None

    def _told(self, frame: MbusFrame, asked: MbusFrame) -> Taken | None:
        bit = asked.control == with_count_bit(Function.REQ_UD2, on=True)
        last, self._last = self._last, (bit, _head(frame)[1])
        if self._last == last:
            return None
        if last is not None and last[0] is bit and self._more:
            self._in_step = False  # the next telegram was not asked for, and yet this is another one
        if not self._more:
            self._seen = {}
        before = self._in_step
        try:
            found = {one.quantity: one for one in reversed(quantities(frame, self._seen))}
            self._more = frame.ci not in (None, Ci.FIXED) and _is_continued(frame)
        except (DecodeError, FrameError):
            self._in_step = False
            return None
        self._in_step = before or not self._more
        rows = [(i, sealed(point, found[name])) for i, point, name in self._points if before and name in found]
        return Taken.of(rows, nameplate(found)) if rows else None

    def _is_mine(self, frame: MbusFrame) -> bool:
        if self._meter is None:
            return self._unit in (frame.address, EVERY)
        meter = _head(frame)[0]
        return meter is not None and is_meant(self._meter, meter)


def _is_continued(frame: MbusFrame) -> bool:
    assert frame.ci is not None  # the caller saw to it
    return parse_records(split_header(frame.ci, frame.data)[1]).more


LISTENING: Final = {"mbus": Listening(listeners={"mbus": MbusListener}, overheard=MbusOverheard)}
