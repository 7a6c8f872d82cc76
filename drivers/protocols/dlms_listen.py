"""DLMS/COSEM over HDLC on lines that are only listened to."""

from __future__ import annotations

from typing import Final

from drivers.codec.framing import Decoder
from drivers.codec.hdlc import FrameKind, HdlcFrame, stream_decoder
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning

_BITS: Final = 60
_SHORT_BITS: Final = 40  # without information there is one check sequence only
_COMMAND: Final = b"\xe6\xe6\x00"
_RESPONSE: Final = b"\xe6\xe7\x00"
_NOTIFICATION: Final = 0x0F
_ASSOCIATE: Final = b"\x60"
_ASKING: Final = frozenset((FrameKind.SNRM, FrameKind.DISC))
_ANSWERING: Final = frozenset((FrameKind.UA, FrameKind.DM, FrameKind.FRMR))


class HdlcListener(FrameListener[HdlcFrame]):
    """The protocol on one line."""

    strictest = _BITS

    def decoder(self) -> Decoder[HdlcFrame]:
        """Make an empty decoder."""
        return stream_decoder()

    def proof(self, frame: HdlcFrame) -> int:
        """More where two check sequences are right."""
        return _BITS if frame.information else _SHORT_BITS

    def meaning(self, frame: HdlcFrame, asked: HdlcFrame | None) -> Meaning:
        """Tell who speaks: by the kind of frame, the LLC, or the ends of the open request."""
        back = asked is not None and (asked.source, asked.destination) == (frame.destination, frame.source)
        size = len(frame.information)
        pushed = frame.kind is FrameKind.UI or frame.information[3:4] == bytes((_NOTIFICATION,))
        if pushed and not frame.information.startswith(_COMMAND):
            return Meaning(
                kind=Kind.UNASKED, address=_text(frame.source), act=Act.DATA, what=frame.kind.value, data_bytes=size
            )
        told = frame.kind in _ANSWERING or frame.information.startswith(_RESPONSE)
        if told or (back and frame.kind not in _ASKING and not frame.information.startswith(_COMMAND)):
            refused = frame.kind in (FrameKind.DM, FrameKind.FRMR)
            act = Act.REFUSE if refused else Act.DATA if size else Act.CONFIRM
            return Meaning(
                kind=Kind.REPLY,
                address=_text(frame.source),
                act=act,
                what=frame.kind.value,
                data_bytes=size,
                answers=back,
            )
        return Meaning(
            kind=Kind.REQUEST,
            address=_text(frame.destination),
            act=Act.ASK,
            what=frame.kind.value,
            data_bytes=size,
            secret=_secret(frame),
        )


def _secret(frame: HdlcFrame) -> tuple[int, int]:
    """Give where the password of an association request stands in a frame: tag AC, length, tag 80, length."""
    apdu = frame.information
    if apdu[len(_COMMAND) : len(_COMMAND) + 1] != _ASSOCIATE:
        return 0, 0
    for at in range(len(_COMMAND), len(apdu) - 3):
        tag, outer, choice, inner = apdu[at : at + 4]
        if (tag, choice, outer) == (0xAC, 0x80, inner + 2):
            first = frame.raw.index(apdu) + at + 4
            return first, first + inner
    return 0, 0


def _text(address: bytes) -> str:
    return address.hex().upper()


LISTENING: Final = {"dlms": Listening(listeners={"dlms-hdlc": HdlcListener})}
