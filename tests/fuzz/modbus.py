"""Targets: Modbus RTU, ASCII, TCP. What is sound and what answers a request is written here from the standard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from drivers.codec.modbus_ascii import AsciiReplyDecoder, AsciiStreamDecoder
from drivers.codec.modbus_rtu import RtuReplyDecoder, RtuStreamDecoder
from drivers.codec.modbus_tcp import TcpReplyDecoder, TcpStreamDecoder
from tests.fuzz import checksums
from tests.fuzz.target import Stream, Tally, Target, Values
from tests.fuzz.vectors import vectors, wires

_UNIT: Final = 0x11
_PDUS: Final = tuple(
    bytes.fromhex(pdu)
    for pdu in ("030000000A", "0400100002", "0100000014", "0200000009", "0500010000", "0600011234",
                "10000000020400010002", "17000000020010000102000A", "11", "2B0E0100")
)  # fmt: skip
_MOST_VALUES_BYTES: Final = 300


def answers(asked: bytes, pdu: bytes) -> bool:
    """Tell whether a reply PDU has the form that the application protocol (V1.1b3, 6) gives to that request."""
    function = asked[0]
    if pdu[0] == function | 0x80:
        return len(pdu) == 2
    if pdu[0] != function:
        return False
    count = int.from_bytes(asked[3:5], "big")
    match function:
        case 1 | 2:
            return len(pdu) == 2 + (count + 7) // 8 and pdu[1] == len(pdu) - 2
        case 3 | 4 | 0x17:
            return len(pdu) == 2 + 2 * count and pdu[1] == len(pdu) - 2
        case 5 | 6 | 16:
            return pdu == asked[:5]
        case 0x11:
            return len(pdu) >= 2 and pdu[1] == len(pdu) - 2
        case _:
            return len(pdu) > 1


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + checksums.modbus(body)


Judge = Callable[[int, bytes], None]
Function = Callable[[bytes], int]


def _by_function(
    first: Judge, replies: Sequence[Judge], values: Sequence[Judge], function_of: Function
) -> list[Judge]:
    """Judges of all frames, of replies to a request of the very function that came, to any other, and of values."""

    def fitting(judges: Sequence[Judge]) -> Judge:
        known = {pdu[0]: judge for pdu, judge in zip(_PDUS, judges, strict=True)}
        return lambda cutting, wire: known.get(function_of(wire) & 0x7F, judges[0])(cutting, wire)

    def any_other(cutting: int, wire: bytes) -> None:
        replies[len(wire) % len(replies)](cutting, wire)

    return [first, fitting(replies), fitting(replies), any_other, fitting(values)]


def _rtu_sound(frame: Any) -> bool:
    raw = frame.raw
    fits = 4 <= len(raw) <= 256 and checksums.modbus(raw[:-2]) == raw[-2:]
    return fits and (frame.unit, frame.pdu) == (raw[0], raw[1:-2])


def _rtu_vouched(wire: bytes) -> bool:
    """Some stretch has a right CRC."""
    return any(
        checksums.modbus(wire[at : end - 2]) == wire[end - 2 : end]
        for at in range(len(wire))
        for end in range(at + 4, min(len(wire), at + 256) + 1)
    )


def _rtu_mend(wire: bytes, dice: Random) -> bytes:
    body = bytearray(wire[:-2] if len(wire) > 3 else wire + bytes(2))
    if dice.randrange(2) and len(body) > 3 and body[1] in (1, 2, 3, 4, 0x17):
        body[2] = (len(body) - 3) & 0xFF
    elif dice.randrange(3) == 0:
        body[dice.randrange(min(6, len(body)))] = dice.randrange(256)
    return bytes(body) + checksums.modbus(bytes(body))


def _short(judge: Values) -> Callable[[int, bytes], None]:
    """The search for a right CRC tries every stretch: only for bytes that one exchange may have."""
    return lambda cutting, wire: judge(cutting, wire[:_MOST_VALUES_BYTES])


def rtu() -> Target:
    """RTU: a stream, replies to ten requests, and what one of them tells."""
    tally = Tally()
    first = Stream(decoder=RtuStreamDecoder, honest=_rtu_sound, longest_bytes=256, tally=tally)
    replies: list[Judge] = []
    values: list[Judge] = []
    for pdu in _PDUS:
        request = rtu_frame(_UNIT, pdu)

        def honest(frame: Any, pdu: bytes = pdu) -> bool:
            return _rtu_sound(frame) and frame.unit == _UNIT and answers(pdu, frame.pdu)

        def decoder(request: bytes = request) -> RtuReplyDecoder:
            return RtuReplyDecoder(request)

        replies.append(Stream(decoder=decoder, honest=honest, longest_bytes=256, tally=tally))
        values.append(_short(Values(protocol="modbus-rtu", vouched=_rtu_vouched, request=request, tally=tally)))
    files = ("modbus/exchanges.json", "modbus/writes.json")
    seeds = [*wires(*files, protocol="modbus-rtu"), *(rtu_frame(_UNIT, reply) for reply in _replies())]
    judges = _by_function(first, replies, values, lambda wire: wire[1] if len(wire) > 1 else 0)
    return Target(name="modbus-rtu", judges=judges, seeds=seeds, mend=_rtu_mend, longest_bytes=600, tally=tally)


def _replies() -> list[bytes]:
    """A good reply to each request, by the standard's tables."""
    return [
        bytes.fromhex(pdu)
        for pdu in ("0314" + "0102030405" * 4, "040442F60000", "0103CD6B05", "0202AA01", "0500010000", "0600011234",
                    "1000000002", "170400FE0ACD", "110321FF00", "2B0E01010000030003414243010231320201" + "33", "8302")
    ]  # fmt: skip


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return b":" + (body + bytes((checksums.lrc(body),))).hex().upper().encode() + b"\r\n"


def _ascii_sound(frame: Any) -> bool:
    raw = frame.raw
    return len(raw) <= 513 and raw == ascii_frame(frame.unit, frame.pdu)


def _ascii_vouched(wire: bytes) -> bool:
    """Some line between colon and CR LF has a right LRC."""
    for line in wire.split(b":")[1:]:
        digits, end, _ = line.partition(b"\r\n")
        if end and len(digits) % 2 == 0 and digits and not set(digits) - set(b"0123456789ABCDEF"):
            body = bytes.fromhex(digits.decode())
            if checksums.lrc(body[:-1]) == body[-1]:
                return True
    return False


def _ascii_mend(wire: bytes, dice: Random) -> bytes:
    digits = bytes(byte for byte in wire.upper() if byte in b"0123456789ABCDEF")
    body = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())[:-1] if dice.randrange(3) else wire[:250]
    return ascii_frame(body[0], body[1:]) if len(body) > 1 else ascii_frame(_UNIT, b"\x83\x02")


def _ascii_function(wire: bytes) -> int:
    digits = wire[3:5]
    return int(digits, 16) if len(digits) == 2 and not set(digits) - set(b"0123456789ABCDEF") else 0


def ascii_() -> Target:
    """ASCII: a stream, replies, and what they tell."""
    tally = Tally()
    first = Stream(decoder=AsciiStreamDecoder, honest=_ascii_sound, longest_bytes=513, tally=tally)
    replies: list[Judge] = []
    values: list[Judge] = []
    for pdu in _PDUS:
        request = ascii_frame(_UNIT, pdu)

        def honest(frame: Any, pdu: bytes = pdu) -> bool:
            return _ascii_sound(frame) and frame.unit == _UNIT and answers(pdu, frame.pdu)

        def decoder(request: bytes = request) -> AsciiReplyDecoder:
            return AsciiReplyDecoder(request)

        replies.append(Stream(decoder=decoder, honest=honest, longest_bytes=513, tally=tally))
        values.append(Values(protocol="modbus-ascii", vouched=_ascii_vouched, request=request, tally=tally))
    judges = _by_function(first, replies, values, _ascii_function)
    seeds = [*wires("modbus/ascii.json"), *(ascii_frame(_UNIT, reply) for reply in _replies())]
    return Target(name="modbus-ascii", judges=judges, seeds=seeds, mend=_ascii_mend, longest_bytes=1200, tally=tally)


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return transaction.to_bytes(2, "big") + bytes(2) + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit,)) + pdu


def _tcp_sound(frame: Any) -> bool:
    """There is no checksum: the header is what tells a frame."""
    return 8 <= len(frame.raw) <= 260 and frame.raw == tcp_frame(frame.transaction, frame.unit, frame.pdu)


def _tcp_vouched(wire: bytes) -> bool:
    """Some header tells a length that is there."""
    return any(
        wire[at + 2 : at + 4] == bytes(2) and 2 <= int.from_bytes(wire[at + 4 : at + 6], "big") <= len(wire) - at - 6
        for at in range(len(wire) - 7)
    )


def _tcp_mend(wire: bytes, dice: Random) -> bytes:
    return tcp_frame(1 if dice.randrange(3) else dice.randrange(65536), wire[6] if len(wire) > 6 else 1, wire[7:])


def tcp() -> Target:
    """TCP: a stream, replies, and what they tell."""
    tally = Tally()
    first = Stream(decoder=TcpStreamDecoder, honest=_tcp_sound, longest_bytes=260, tally=tally)
    replies: list[Judge] = []
    values: list[Judge] = []
    for pdu in _PDUS:
        request = tcp_frame(1, _UNIT, pdu)

        def honest(frame: Any, pdu: bytes = pdu) -> bool:
            asked = frame.transaction == 1 and frame.unit == _UNIT
            return _tcp_sound(frame) and asked and frame.pdu[0] & 0x7F == pdu[0]

        def decoder(request: bytes = request) -> TcpReplyDecoder:
            return TcpReplyDecoder(request)

        replies.append(Stream(decoder=decoder, honest=honest, longest_bytes=260, tally=tally))
        values.append(Values(protocol="modbus-tcp", vouched=_tcp_vouched, request=request, tally=tally))
    published = [bytes.fromhex(vector["response"]) for vector in vectors("modbus/exchanges.json")
                 if vector["protocol"] == "modbus-tcp" and vector["response"]]  # fmt: skip
    judges = _by_function(first, replies, values, lambda wire: wire[7] if len(wire) > 7 else 0)
    seeds = [*published, *(tcp_frame(1, _UNIT, reply) for reply in _replies())]
    return Target(name="modbus-tcp", judges=judges, seeds=seeds, mend=_tcp_mend, longest_bytes=600, tally=tally)
