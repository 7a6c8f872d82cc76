"""Modbus RTU as it is scanned for: exact requests, and requests that two parities take for their own.

A request sent with two stop bits whose characters all have an odd number of ones is a good one for 8N1, 8N2 and
8E1: where 8E1 wants the parity bit there is a mark, which is the right one. With an even number of ones it is good
for 8N1, 8N2 and 8O1. Odd requests exist for units with an odd number of ones in their address, even ones for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from drivers.codec.framing import Noise, NoiseReason, is_glitch
from drivers.codec.modbus_pdu import MOST_REGISTERS, read_request
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder, encode
from drivers.profile import Parity, Table
from drivers.scan.modbus_stages import modbus_stages
from drivers.scan.probe import Ask, Heard, Manner, Verdict
from drivers.scan.stage import Stage, Wanted

UNITS: Final = range(1, 248)
_READ_BYTES: Final = 5
_TRIES: Final = 4
_ODD_BYTES: Final = tuple(b for b in range(256) if b.bit_count() % 2)
_EVEN_BYTES: Final = tuple(b for b in range(256) if not b.bit_count() % 2)


class ModbusProbes:
    """A ``Prober``."""

    protocol: Final = "modbus"
    units: Final[Sequence[int]] = UNITS

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        return modbus_stages(self.units, self.exact, self.blind, wanted)

    def exact(self, unit: int) -> Ask:
        """Read one holding register at 0: has characters of both kinds, so only one parity takes it."""
        return _exact(unit)

    def blind(self, unit: int) -> Ask:
        """Make the question for no parity and even (units with an odd number of ones) or odd parity (the others)."""
        exact = _exact(unit)
        found = _blind(unit)
        if found is None:
            return replace(exact, pinned=exact.request, parities=(Parity.NONE,))
        return replace(exact, request=found[0], pinned=exact.request, parities=(Parity.NONE, found[1]))

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came."""
        return hear_reply(ask.request, data)

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the reply is there."""
        return reply_is_whole(ask.request, data)


def hear_reply(request: bytes, data: bytes) -> Heard:
    """Sort what came after a request."""
    echo = data.startswith(request)
    rest = data[len(request) :] if echo else data
    if not rest:
        return Heard(verdict=Verdict.SILENCE, echo=echo)
    decoder = _decoder(request)
    events = [*decoder.feed(rest), *decoder.flush()]
    verdict, frame = _sort(events, rest)
    body = frame[:-2] if frame else b""
    return Heard(verdict=verdict, echo=echo, raw=rest, frame=body, speaker=body[0] if body else None)


def reply_is_whole(request: bytes, data: bytes) -> bool:
    """Tell whether the reply to a request is there."""
    rest = data.removeprefix(request)
    return any(isinstance(event, RtuFrame) for event in tuple(_decoder(request).feed(rest)))


@cache
def _exact(unit: int) -> Ask:
    request = encode(unit, read_request(Table.HOLDING_REGISTER, 0, 1))
    return Ask(address=unit, request=request, manner=Manner.EXACT, tries=_TRIES)


def _decoder(request: bytes) -> RtuReplyDecoder:
    """Make the decoder of the reply; a request for more than there can be has refusals only."""
    pdu = request[1:-2]
    if len(pdu) == _READ_BYTES and pdu[0] in (3, 4) and int.from_bytes(pdu[3:5], "big") > MOST_REGISTERS:
        return RtuReplyDecoder(encode(request[0], read_request(Table(pdu[0]), 0, 1)))
    return RtuReplyDecoder(request)


def _sort(events: Sequence[RtuFrame | Noise], rest: bytes) -> tuple[Verdict, bytes]:
    replies = {event.raw for event in events if isinstance(event, RtuFrame)}
    if len(replies) > 1:
        return Verdict.DAMAGED, b""  # two different answers to one question
    if replies:
        return Verdict.ANSWER, replies.pop()
    reasons = {event.reason: event.raw for event in events if isinstance(event, Noise)}
    if NoiseReason.BAD_CHECKSUM in reasons or NoiseReason.CUT_SHORT in reasons:
        return Verdict.DAMAGED, b""
    for reason in (NoiseReason.OTHER_UNIT, NoiseReason.OTHER_REPLY):
        if reason in reasons:
            return Verdict.STRANGER, reasons[reason]
    return (Verdict.GLITCH if is_glitch(rest) and len(rest) <= _MOST_GLITCHES else Verdict.GARBAGE), b""


_MOST_GLITCHES: Final = 2


@cache
def _blind(address: int) -> tuple[bytes, Parity] | None:
    odd = bool(address.bit_count() % 2)
    kinds = _odd_requests() if odd else _even_requests()
    allowed = frozenset(_ODD_BYTES if odd else _EVEN_BYTES)
    for pdu in kinds:
        frame = encode(address, pdu)
        if allowed.issuperset(frame):
            return frame, Parity.EVEN if odd else Parity.ODD
    return None


def _even_requests() -> Iterator[bytes]:
    """Reads of holding registers that any device may grant: few of them, near 0."""
    for first in (0, 3, 5, 6, 9, 10, *_EVEN_BYTES[7:40]):
        for count in (3, 5, 6, 9, 10, 12):
            yield bytes((3, 0, first, 0, count))


def _odd_requests() -> Iterator[bytes]:
    """Reads with odd counts above 256: right for bits (function 2), refused for registers (function 4)."""
    for function in (4, 2, 1):
        for first in _ODD_BYTES[:32]:
            for count in _ODD_BYTES[:32]:
                yield bytes((function, 1, first, 1, count))
