"""IEC 62056-21 on lines that are only listened to, at one speed: a session that changes it is heard in part.

A readout does not tell whose it is. It counts as that of the meter that was signed on to if sign-on, identification
and option have been heard one behind the other.
"""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from typing import Final

from drivers.codec.framing import Decoder
from drivers.codec.iec62056_21 import IecDecoder, IecFrame
from drivers.codec.iec62056_21 import Kind as Message
from drivers.decoded import DecodeError
from drivers.listening import SECOND_NS, Act, FrameListener, Kind, Listening, Meaning, Said, Taken
from drivers.named_values import NOTHING, sealed
from drivers.profile import Profile
from drivers.protocols.iec62056_21_decode import said as told
from drivers.protocols.iec62056_21_place import ANY, place_of
from drivers.protocols.iec62056_21_times import nameplate

_SESSION: Final = frozenset((Message.SIGN_ON, Message.IDENTIFICATION, Message.OPTION, Message.BLOCK, Message.COMMAND))
_PUSHED: Final = frozenset((Message.TELEGRAM,))
_CRC_BITS: Final = 16
_BCC_BITS: Final = 7
_MOST_BITS: Final = 1000
_BEFORE: Final = {
    Message.IDENTIFICATION: frozenset((Message.SIGN_ON,)),
    Message.OPTION: frozenset((Message.IDENTIFICATION,)),
    Message.BLOCK: frozenset((Message.OPTION, Message.IDENTIFICATION, Message.BLOCK, Message.COMMAND)),
    Message.COMMAND: frozenset((Message.OPTION, Message.BLOCK, Message.COMMAND)),
}
"""What has to be heard before a message for it to belong to the same session."""


class IecListener(FrameListener[IecFrame]):
    """Sessions, or what is pushed, on one line."""

    strictest = _MOST_BITS
    patience_ns = 3 * SECOND_NS

    def __init__(self, kinds: frozenset[Message]) -> None:
        self._kinds = kinds
        self._meter: str | None = None
        self._last: Message | None = None

    def decoder(self) -> Decoder[IecFrame]:
        """Make an empty decoder."""
        return IecDecoder(self._kinds)

    def proof(self, frame: IecFrame) -> int:
        """Its checksum, and a bit for each character that has to be one."""
        check = 0 if frame.check is None else _CRC_BITS if frame.kind is Message.TELEGRAM else _BCC_BITS
        return min(_MOST_BITS, check + len(frame.raw))

    def meaning(self, frame: IecFrame, asked: IecFrame | None) -> Meaning:
        """Tell what a message is: its form says who speaks, but for commands."""
        kind, last = frame.kind, self._last
        self._last = kind
        if kind is Message.SIGN_ON:
            self._meter = frame.text.strip().upper().lstrip("0") or ANY
        elif last not in _BEFORE.get(kind, ()):
            self._meter = None
        address = self._meter or ""
        if kind is Message.TELEGRAM:
            return Meaning(
                kind=Kind.UNASKED, address="", act=Act.DATA, what=frame.command, data_bytes=len(frame.text)
            )
        if kind is Message.SIGN_ON:
            return Meaning(kind=Kind.REQUEST, address=address, act=Act.ASK, what="sign-on")
        if kind is Message.OPTION:
            return Meaning(kind=Kind.REQUEST, address=address, act=Act.ASK, what=f"option {frame.text}")
        if kind is Message.COMMAND and (asked is None or not frame.command.startswith("P")):
            reads = frame.command.startswith("R")
            act = Act.READ if reads else Act.ASK
            if frame.command.startswith("P"):
                return Meaning(
                    kind=Kind.REQUEST, address=address, act=act, what=frame.command, secret=_brackets(frame.raw)
                )
            return Meaning(kind=Kind.REQUEST, address=address, act=act, what=_bare(frame))
        fits = asked is not None and (asked.kind is Message.SIGN_ON) is (kind is Message.IDENTIFICATION)
        what = frame.text if kind is Message.IDENTIFICATION else frame.command or "readout"
        return Meaning(
            kind=Kind.REPLY,
            address=address,
            act=Act.DATA,
            what=what,
            data_bytes=len(frame.text),
            answers=fits,
            secret=_brackets(frame.raw) if frame.command.startswith("P") else (0, 0),
        )


def _bare(frame: IecFrame) -> str:
    return f"{frame.command} {frame.text}".strip()


def _brackets(raw: bytes) -> tuple[int, int]:
    """Give where stands what is in brackets: of P1 and P2 the password, of P0 what it is enciphered with."""
    plain = bytes(byte & 0x7F for byte in raw)
    begin, end = plain.find(b"(") + 1, plain.rfind(b")")
    return (begin, end) if 0 < begin < end else (0, 0)


class IecOverheard:
    """The points of one meter inside readouts that others asked for, or that it sends by itself."""

    def __init__(self, protocol: str, profile: Profile, address: str, zone: tzinfo) -> None:  # noqa: ARG002
        self._protocol = protocol
        self._address = address
        self._points = [(i, point, place_of(point, profile.id)) for i, point in enumerate(profile.points)]

    def take(self, said: Said) -> Taken | None:
        """Give the points whose ids are in a readout."""
        if said.protocol != self._protocol or said.act is not Act.DATA:
            return None
        if said.frame.kind not in (Message.BLOCK, Message.TELEGRAM) or self._address not in (ANY, said.address):
            return None
        try:
            heard = {one.quantity: one for one in reversed(told(said.frame))}
        except DecodeError:
            return None
        found = [(i, point, place.find(heard)) for i, point, place in self._points]
        rows = [(i, sealed(point, one)) for i, point, one in found if one is not NOTHING]
        return Taken.of(rows, nameplate(heard)) if rows else None


def _listening(name: str, kinds: frozenset[Message]) -> Listening:
    return Listening(listeners={name: partial(IecListener, kinds)}, overheard=partial(IecOverheard, name))


LISTENING: Final = {
    "iec62056-21": _listening("iec62056-21", _SESSION),
    "iec62056-21-push": _listening("iec62056-21-push", _PUSHED),
}
