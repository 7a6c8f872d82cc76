"""HDLC frames of DLMS/COSEM (IEC 62056-46, 6.4; ISO/IEC 13239 frame format type 3).

``7E, format and length, destination, source, control, HCS, information, FCS, 7E``. One flag may end a frame and begin
the next. Both check sequences are X-25, low byte first; HCS is there with information only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.codec.checksum_ccitt import crc16_x25
from drivers.codec.searched import Form, Look, SearchDecoder

LONGEST: Final = 2047 + 2
_FLAG: Final = b"\x7e"
_TYPE_3: Final = 0xA0
_SEGMENTED: Final = 0x0800
_LENGTH: Final = 0x07FF
_SHORTEST: Final = 7
_CHECK_BYTES: Final = 2
_MOST_ADDRESS_BYTES: Final = 4
_POLL_FINAL: Final = 0x10


class FrameKind(Enum):
    """What a control byte says; the value is its name in the standard."""

    I = "I"  # noqa: E741 - the standard's name
    RR = "RR"
    RNR = "RNR"
    SNRM = "SNRM"
    DISC = "DISC"
    UA = "UA"
    DM = "DM"
    FRMR = "FRMR"
    UI = "UI"
    OTHER = "other"


_UNNUMBERED: Final = {
    0x83: FrameKind.SNRM, 0x43: FrameKind.DISC, 0x63: FrameKind.UA, 0x0F: FrameKind.DM, 0x87: FrameKind.FRMR,
    0x03: FrameKind.UI,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HdlcFrame:
    """One frame with right check sequences.

    Attributes:
        destination: address bytes as on the wire, 1 to 4.
        source: the same of the sender.
        control: the control byte.
        segmented: whether more segments of the same information follow.
        information: what it carries, empty for many kinds.
        raw: as on the wire; without the opening flag where that ended the frame before.
    """

    destination: bytes
    source: bytes
    control: int
    segmented: bool
    information: bytes
    raw: bytes = field(compare=False)

    @property
    def kind(self) -> FrameKind:
        """What the control byte says."""
        if not self.control & 1:
            return FrameKind.I
        if self.control & 3 == 1:
            return {0x01: FrameKind.RR, 0x05: FrameKind.RNR}.get(self.control & 0x0F, FrameKind.OTHER)
        return _UNNUMBERED.get(self.control & ~_POLL_FINAL, FrameKind.OTHER)


def encode(
    destination: bytes, source: bytes, control: int, information: bytes = b"", *, segmented: bool = False
) -> bytes:
    """Make a frame; addresses as on the wire."""
    size = 2 + len(destination) + len(source) + 1 + _CHECK_BYTES
    size += len(information) + _CHECK_BYTES if information else 0
    head = (_TYPE_3 << 8 | (_SEGMENTED if segmented else 0) | size).to_bytes(2, "big")
    body = head + destination + source + bytes((control,))
    if information:
        body += _check(body) + information
    return _FLAG + body + _check(body) + _FLAG


def joined(frames: Iterable[HdlcFrame]) -> tuple[tuple[HdlcFrame, bytes], ...] | None:
    """Put segments together: the first frame of each message with the whole information; None if the end is missing.

    Segments follow each other from one sender to one receiver; frames between other ends do not disturb them.
    """
    whole: list[tuple[HdlcFrame, bytes]] = []
    begun: dict[tuple[bytes, bytes], tuple[HdlcFrame, bytes]] = {}
    for frame in frames:
        ends = (frame.source, frame.destination)
        first, before = begun.pop(ends, (frame, b""))
        if frame.kind not in (FrameKind.I, FrameKind.UI):
            if before:
                begun[ends] = (first, before)
            whole.append((frame, frame.information))
        elif frame.segmented:
            begun[ends] = (first, before + frame.information)
        else:
            whole.append((first, before + frame.information))
    return None if begun else tuple(whole)


def stream_decoder() -> SearchDecoder[HdlcFrame]:
    """Make a decoder for either direction."""
    return SearchDecoder(
        Form(mark=_FLAG, look=lambda buffer, at: _look(buffer, at, at + 1), shared=lambda buffer: _look(buffer, 0, 0))
    )


def _look(buffer: bytearray, start: int, at: int) -> HdlcFrame | Look:
    """Look for a frame whose format begins at ``at`` and whose first byte is at ``start``."""
    if len(buffer) < at + 2:
        fits = len(buffer) <= at or buffer[at] & 0xF0 == _TYPE_3
        return Look.MORE if fits else Look.NOTHING
    told = buffer[at] << 8 | buffer[at + 1]
    size = told & _LENGTH
    if buffer[at] & 0xF0 != _TYPE_3 or size < _SHORTEST:
        return Look.NOTHING
    body = bytes(buffer[at : at + size])
    source = _address_end(body, 2)
    control = _address_end(body, source) if source > 0 else source
    if control <= 0 or control >= size - _CHECK_BYTES:
        return Look.MORE if control == 0 and len(body) < size else Look.NOTHING
    information = control + 1
    if size > information + _CHECK_BYTES:
        information += _CHECK_BYTES
        if len(body) >= information and body[information - 2 : information] != _check(body[: information - 2]):
            return Look.DAMAGED
    if information > size - _CHECK_BYTES:
        return Look.NOTHING
    if len(buffer) <= at + size:
        return Look.MORE
    if buffer[at + size] != _FLAG[0]:
        return Look.NOTHING
    if body[-2:] != _check(body[:-2]):
        return Look.DAMAGED
    return HdlcFrame(
        destination=body[2:source],
        source=body[source:control],
        control=body[control],
        segmented=bool(told & _SEGMENTED),
        information=body[information:-2],
        raw=bytes(buffer[start : at + size + 1]),
    )


def _address_end(body: bytes, at: int) -> int:
    """Where the address at ``at`` ends: behind the first odd byte; 0 if that is not there yet, -1 if it is none."""
    for place in range(at, min(at + _MOST_ADDRESS_BYTES, len(body))):
        if body[place] & 1:
            return place + 1
    return 0 if len(body) < at + _MOST_ADDRESS_BYTES else -1


def _check(data: bytes) -> bytes:
    return crc16_x25(data).to_bytes(2, "little")
