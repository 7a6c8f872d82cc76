"""Targets: HDLC frames and messages, APDUs of DLMS/COSEM."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from drivers.codec.axdr import AxdrError
from drivers.codec.dlms_apdu import Notification, read_apdu
from drivers.codec.dlms_push import pushed
from drivers.codec.hdlc import stream_decoder
from drivers.codec.hdlc_message import MOST_BYTES, MessageDecoder
from drivers.codec.hdlc_reply import Ends, HdlcReplyDecoder
from drivers.codec.listened import ListeningDecoder
from tests.fuzz import checksums
from tests.fuzz.target import Stream, Tally, Target, Values
from tests.fuzz.vectors import wires

_HDLC_LONGEST: Final = 2049


def _address(body: bytes, at: int) -> int:
    """Where an address ends (IEC 62056-46, 6.4.2.1): at the first byte whose lowest bit is set, 4 at most."""
    return next((place + 1 for place in range(at, min(at + 4, len(body))) if body[place] & 1), -1)


def _hdlc_parts(body: bytes) -> tuple[bytes, bytes, int, bytes] | None:
    """Destination, source, control and information between two flags; None if a check sequence is wrong."""
    if len(body) < 7 or body[0] & 0xF0 != 0xA0 or (body[0] & 7) << 8 | body[1] != len(body):
        return None
    source = _address(body, 2)
    control = _address(body, source) if source > 0 else -1
    if control < 0 or control > len(body) - 3 or checksums.x25(body[:-2]) != body[-2:]:
        return None
    inside = body[control + 1 : -2]
    if inside and (len(inside) < 3 or checksums.x25(body[: control + 1]) != inside[:2]):
        return None
    return body[2:source], body[source:control], body[control], inside[2:]


def _segment(destination: bytes, inside: bytes, *, more: bool) -> bytes:
    """A numbered frame of a meter, one of several if ``more``."""
    size = 2 + len(destination) + 2 + 1 + 2 + (len(inside) + 2 if inside else 0)
    body = bytes((0xA8 if more else 0xA0, size)) + destination + b"\x02\x23\x30"
    if inside:
        body += checksums.x25(body) + inside
    return b"\x7e" + body + checksums.x25(body) + b"\x7e"


def _hdlc_sound(frame: Any) -> bool:
    if not frame.raw.endswith(b"\x7e"):
        return False
    parts = _hdlc_parts(frame.raw[:-1].removeprefix(b"\x7e"))
    return parts == (frame.destination, frame.source, frame.control, frame.information)


def _message_sound(message: Any) -> bool:
    """Frame by frame to the end, each with right check sequences, and their information in a row."""
    raw, at, information, ends = message.raw, 0, b"", set()
    while at < len(raw):
        at += raw[at] == 0x7E
        size = (raw[at] & 7) << 8 | raw[at + 1]
        parts = _hdlc_parts(raw[at : at + size])
        if parts is None or raw[at + size : at + size + 1] != b"\x7e":
            return False
        information += parts[3]
        ends.add(parts[:2])
        at += size + 1
    return information == message.information and len(ends) == 1


def _hdlc_vouched(wire: bytes) -> bool:
    """Some stretch in front of a flag has right check sequences."""
    return any(
        wire[at] & 0xF0 == 0xA0
        and wire[at + size : at + size + 1] == b"\x7e"
        and _hdlc_parts(wire[at : at + size]) is not None
        for at in range(len(wire) - 7)
        for size in ((wire[at] & 7) << 8 | wire[at + 1],)
    )


def _hdlc_mend(wire: bytes, dice: Random) -> bytes:
    body = bytearray(wire.removeprefix(b"\x7e"))
    if body.endswith(b"\x7e"):
        del body[-1:]
    if len(body) < 9 or len(body) > 2047:
        return wire
    body[0] = 0xA0 | (body[0] & 8) | len(body) >> 8
    body[1] = len(body) & 0xFF
    source = _address(bytes(body), 2)
    control = _address(bytes(body), source) if source > 0 else -1
    if 0 < control < len(body) - 5 and dice.randrange(8):
        body[control + 1 : control + 3] = checksums.x25(bytes(body[: control + 1]))
    return b"\x7e" + bytes(body[:-2]) + checksums.x25(bytes(body[:-2])) + b"\x7e"


def hdlc() -> Target:
    """Frames, messages of several, replies, and what they tell."""
    tally = Tally()
    judges: list[Callable[[int, bytes], None]] = [
        Stream(decoder=stream_decoder, honest=_hdlc_sound, longest_bytes=_HDLC_LONGEST, tally=tally),
        Stream(decoder=MessageDecoder, honest=_message_sound, longest_bytes=MOST_BYTES // 4 + 1024, tally=tally),
        Stream(
            decoder=lambda: ListeningDecoder(stream_decoder),
            honest=_hdlc_sound,
            longest_bytes=_HDLC_LONGEST,
            tally=tally,
        ),
        Values(protocol="dlms-hdlc", vouched=_hdlc_vouched, tally=tally),
        Values(protocol="dlms-hdlc", vouched=_hdlc_vouched, tally=tally),
    ]
    ends = Ends(client=b"\x21", server=b"\x02\x23")
    for expected in (0x73, 0x30, 0x52):

        def decoder(expected: int = expected) -> HdlcReplyDecoder:
            return HdlcReplyDecoder(ends, 0x93, expected, "meter 1.17")

        def honest(frame: Any, expected: int = expected) -> bool:
            named = (frame.destination, frame.source) == (ends.client, ends.server)
            ended = frame.control & ~0x10 in (0x0F, 0x87)
            return _hdlc_sound(frame) and named and (ended or frame.control | 0x10 == expected | 0x10)

        judges.append(Stream(decoder=decoder, honest=honest, longest_bytes=_HDLC_LONGEST, tally=tally))
    inside = bytes(range(20))
    seeds = [
        *wires("dlms/frames.json"),
        _segment(b"\x21", inside, more=True) + _segment(b"\x21", inside, more=False),
        _segment(b"\x21", inside, more=True) + _segment(b"\x23", inside, more=False),
        _segment(b"\x21", b"", more=False),
    ]
    return Target(name="hdlc", judges=judges, seeds=seeds, mend=_hdlc_mend, longest_bytes=1500, tally=tally)


def dlms_apdu() -> Target:
    """What lies behind check sequences: there is none of its own, so nothing but a refusal or values may come."""
    tally = Tally()

    def read(cutting: int, wire: bytes) -> None:
        del cutting
        try:
            apdu = read_apdu(wire)
        except AxdrError:
            return
        tally.frames += 1
        if isinstance(apdu, Notification):
            tally.values += sum(1 for _ in pushed(apdu.data))

    judges: list[Callable[[int, bytes], None]] = [
        read,
        Values(protocol="dlms-apdu", vouched=lambda _wire: True, tally=tally),
    ]
    framed = [_hdlc_parts(wire[1:-1]) for wire in wires("dlms/frames.json")]
    seeds = [parts[3][3:] for parts in framed if parts is not None and len(parts[3]) > 3]
    seeds += [
        bytes.fromhex(text)
        for text in ("C401C100060000162E", "C401C10002020F00161E", "C401C10104", "C402C100000000010003020F00",
                     "D80101", "C403C102000600000001010B", "C401C10019" + "07E0010906152638FF800000",
                     "C401C10017" + "42F60000", "C401C10018" + "405EDD2F1A9FBE77", "C001C100030100010800FF0200")
    ]  # fmt: skip
    return Target(
        name="dlms-apdu", judges=judges, seeds=seeds, mend=lambda wire, _dice: wire, longest_bytes=600, tally=tally
    )
