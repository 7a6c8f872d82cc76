"""Targets whose frames end with a sum: DL/T 645 in both editions, CJ/T 188, M-Bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from drivers.codec import cjt188, dlt645
from drivers.codec.dlt645 import Edition
from drivers.codec.mbus import MbusReplyDecoder, MbusStreamDecoder
from tests.fuzz import checksums
from tests.fuzz.target import Stream, Tally, Target, Values
from tests.fuzz.vectors import vectors, wires

_WAKES: Final = b"\xfe"


def _closed(body: bytes) -> bytes:
    return body + bytes((checksums.total(body), 0x16))


def _unwoken(raw: bytes) -> bytes:
    """Take off what wakes a receiver up."""
    return raw.lstrip(_WAKES)


def _is_dlt645(body: bytes) -> bool:
    """DL/T 645-2007, 5.2: two starts, the length, the sum, the end."""
    fits = len(body) >= 12 and body[0] == body[7] == 0x68 and len(body) == 12 + body[9]
    return fits and _closed(body[:-2]) == body


def _dlt645_sound(frame: Any) -> bool:
    body = _unwoken(frame.raw)
    if not _is_dlt645(body) or len(frame.raw) - len(body) > 32:
        return False
    plain = bytes((byte - 0x33) % 256 for byte in body[10:-2])
    return (frame.address, frame.control, frame.data) == (body[6:0:-1].hex().upper(), body[8], plain)


def _dlt645_vouched(wire: bytes) -> bool:
    return any(
        wire[at] == 0x68 and at + 12 <= len(wire) and _is_dlt645(wire[at : at + 12 + wire[at + 9]])
        for at in range(len(wire))
    )


def _dlt645_mend(wire: bytes, dice: Random) -> bytes:
    body = bytearray(_unwoken(wire)[:267])
    if len(body) < 12:
        body += bytes(12 - len(body))
    if dice.randrange(4):
        body[0] = body[7] = 0x68
        body[9] = len(body) - 12
    return wire[: len(wire) - len(_unwoken(wire))][:4] + _closed(bytes(body[:-2]))


def _dlt645_requests(edition: Edition) -> Iterator[bytes]:
    """Requests of the vectors, and reads by wildcard, of a following frame, of what no vector asks for."""
    read, follow = (0x11, 0x12) if edition is Edition.V2007 else (0x01, 0x02)
    identifier = bytes.fromhex("00010000" if edition is Edition.V2007 else "9010")[::-1]
    number = b"\x01" if edition is Edition.V2007 else b""
    for address, control, data in (
        ("AAAAAAAAAAAA", read, identifier),
        ("000000000161", read, bytes.fromhex("02010100")[::-1]),
        ("000000000161", follow, identifier + number),
        ("AAAAAAAAAAAA", 0x13, b""),
    ):
        shifted = bytes((byte + 0x33) % 256 for byte in data)
        head = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68" + bytes((control, len(data)))
        yield _closed(head + shifted)


def dlt645_of(edition: Edition) -> Target:
    """A stream, replies, and what they tell."""
    tally = Tally()
    found = [vector for vector in vectors("dlt645/frames.json") if vector["protocol"] == edition.value]
    asked = [_unwoken(bytes.fromhex(vector["request"])) for vector in found if vector["request"]]
    judges: list[Callable[[int, bytes], None]] = [
        Stream(decoder=dlt645.stream_decoder, honest=_dlt645_sound, longest_bytes=299, tally=tally),
        Values(protocol=edition.value, vouched=_dlt645_vouched, tally=tally),
    ]
    for request in (*_dlt645_requests(edition), *asked[:3]):

        def honest(frame: Any, request: bytes = request) -> bool:
            """From the meter that was asked, to the function that was asked for, under the same identifier."""
            body = _unwoken(frame.raw)
            named = all(mine in (0xAA, theirs) for mine, theirs in zip(request[1:7], body[1:7], strict=True))
            answered = body[8] & 0x80 and body[8] & 0x1F == request[8] & 0x1F
            size = edition.identifier_bytes if request[8] in (0x11, 0x12, 0x01, 0x02) else 0
            same = body[8] & 0x40 or body[10 : 10 + size] == request[10 : 10 + size]
            return _dlt645_sound(frame) and named and bool(answered) and bool(same)

        def decoder(request: bytes = request) -> Any:
            return dlt645.reply_decoder(request, edition)

        judges.append(Stream(decoder=decoder, honest=honest, longest_bytes=299, tally=tally))
        judges.append(Values(protocol=edition.value, vouched=_dlt645_vouched, request=request, tally=tally))
    seeds = [*wires("dlt645/frames.json", protocol=edition.value)]
    return Target(name=edition.value, judges=judges, seeds=seeds, mend=_dlt645_mend, longest_bytes=700, tally=tally)


def dlt645_1997() -> Target:
    """DL/T 645-1997."""
    return dlt645_of(Edition.V1997)


def dlt645_2007() -> Target:
    """DL/T 645-2007."""
    return dlt645_of(Edition.V2007)


def _is_cjt188(body: bytes) -> bool:
    """CJ/T 188-2004, 6.2: start, the length, the sum, the end."""
    fits = len(body) >= 13 and body[0] == 0x68 and len(body) == 13 + body[10]
    return fits and _closed(body[:-2]) == body


def _cjt188_sound(frame: Any) -> bool:
    body = _unwoken(frame.raw)
    said = (frame.type, frame.address, frame.control, frame.data)
    return _is_cjt188(body) and said == (body[1], body[8:1:-1].hex().upper(), body[9], body[11:-2])


def _cjt188_vouched(wire: bytes) -> bool:
    return any(
        wire[at] == 0x68 and at + 13 <= len(wire) and _is_cjt188(wire[at : at + 13 + wire[at + 10]])
        for at in range(len(wire))
    )


def _cjt188_mend(wire: bytes, dice: Random) -> bytes:
    body = bytearray(_unwoken(wire)[:268])
    if len(body) < 13:
        body += bytes(13 - len(body))
    if dice.randrange(4):
        body[0] = 0x68
        body[10] = len(body) - 13
    return wire[: len(wire) - len(_unwoken(wire))][:4] + _closed(bytes(body[:-2]))


def cjt188_target() -> Target:
    """A stream, replies with both orders of the identifier, and what they tell."""
    tally = Tally()
    judges: list[Callable[[int, bytes], None]] = [
        Stream(decoder=cjt188.stream_decoder, honest=_cjt188_sound, longest_bytes=300, tally=tally),
        Values(protocol="cjt188", vouched=_cjt188_vouched, tally=tally),
    ]
    for text in ("6810AAAAAAAAAAAAAA0103901F00", "68AAAAAAAAAAAAAAAA01031F9000", "68AAAAAAAAAAAAAAAA0303810A00",
                 "6810332211003378810103D12000", "6810332211003378810404A0170055"):  # fmt: skip
        request = _closed(bytes.fromhex(text))

        def honest(frame: Any, request: bytes = request) -> bool:
            body = _unwoken(frame.raw)
            named = all(mine in (0xAA, theirs) for mine, theirs in zip(request[2:9], body[2:9], strict=True))
            answered = body[9] & 0x80 and body[9] & 0x3F == request[9] & 0x3F
            reads = request[9] in (1, 4) and not body[9] & 0x40
            same = not reads or (sorted(body[11:13]), body[13]) == (sorted(request[11:13]), request[13])
            return _cjt188_sound(frame) and named and bool(answered) and same

        def decoder(request: bytes = request) -> Any:
            return cjt188.reply_decoder(request)

        judges.append(Stream(decoder=decoder, honest=honest, longest_bytes=300, tally=tally))
        judges.append(Values(protocol="cjt188", vouched=_cjt188_vouched, request=request, tally=tally))
    seeds = wires("cjt188/frames.json")
    return Target(name="cjt188", judges=judges, seeds=seeds, mend=_cjt188_mend, longest_bytes=700, tally=tally)


def _is_mbus(raw: bytes) -> bool:
    """EN 13757-2, 5.2 (IEC 60870-5-1, FT 1.2): single character, short, long and control frame."""
    if raw == b"\xe5":
        return True
    if len(raw) == 5 and raw[0] == 0x10:
        return raw[3] == checksums.total(raw[1:3]) and raw[4] == 0x16
    fits = len(raw) >= 9 and raw[0] == raw[3] == 0x68 and raw[1] == raw[2] == len(raw) - 6
    return fits and raw[-2] == checksums.total(raw[4:-2]) and raw[-1] == 0x16


def _mbus_sound(frame: Any) -> bool:
    raw = frame.raw
    said = (frame.control, frame.address, frame.ci, frame.data)
    if len(raw) == 1:
        return _is_mbus(raw) and said == (None, None, None, b"")
    if raw[0] == 0x10:
        return _is_mbus(raw) and said == (raw[1], raw[2], None, b"")
    return _is_mbus(raw) and said == (raw[4], raw[5], raw[6], raw[7:-2])


def _mbus_vouched(wire: bytes) -> bool:
    return 0xE5 in wire or any(
        wire[at] == 0x68 and at + 9 <= len(wire) and _is_mbus(wire[at : at + 6 + wire[at + 1]])
        for at in range(len(wire))
    )


def _mbus_mend(wire: bytes, dice: Random) -> bytes:
    body = wire[4:-2][:255] if len(wire) > 9 else b"\x08\x01\x72" + wire[:200]
    if dice.randrange(4) == 0:
        body = body[:15] + dice.randbytes(dice.randrange(12)) + body[15:]
    body = body[:255]
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((checksums.total(body), 0x16))


def mbus() -> Target:
    """A stream, replies to requests for data and to what is sent, and what they tell: records to the last byte."""
    tally = Tally()
    judges: list[Callable[[int, bytes], None]] = [
        Stream(decoder=MbusStreamDecoder, honest=_mbus_sound, longest_bytes=261, tally=tally),
        Values(protocol="mbus", vouched=_mbus_vouched, tally=tally),
        Values(protocol="mbus", vouched=_mbus_vouched, tally=tally),
    ]
    for text, acknowledged in (("105B015C16", False), ("105BFE5916", False), ("1040014116", True)):
        request = bytes.fromhex(text)

        def honest(frame: Any, request: bytes = request, acknowledged: bool = acknowledged) -> bool:
            raw = frame.raw
            data = raw[0] == 0x68 and raw[4] & 0xCF == 0x08 and request[2] in (raw[5], 0xFE)
            return _mbus_sound(frame) and (raw == b"\xe5" if acknowledged else data)

        def decoder(request: bytes = request) -> MbusReplyDecoder:
            return MbusReplyDecoder(request)

        judges.append(Stream(decoder=decoder, honest=honest, longest_bytes=261, tally=tally))
    seeds = wires("mbus/frames.json")
    return Target(name="mbus", judges=judges, seeds=seeds, mend=_mbus_mend, longest_bytes=700, tally=tally)
