"""Modbus RTU and ASCII on lines that are only listened to: requests, replies, and values of what others read.

A reply tells neither its direction nor the addresses it holds. So it counts only behind the request it fits, and
``modbus_order`` keeps away those that may belong to an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from functools import partial
from typing import Final, TypeAlias

from drivers.codec.framing import Decoder
from drivers.codec.modbus_answer import parse_answer
from drivers.codec.modbus_ascii import AsciiFrame, AsciiStreamDecoder
from drivers.codec.modbus_pdu import BIT_FUNCTIONS, EXCEPTION_FLAG, is_read, payload_bytes, reply_bytes
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder, RtuStreamDecoder
from drivers.errors import FrameError
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning, Said, Taken
from drivers.profile import Point, Profile, Table
from drivers.protocols.modbus_order import Order
from drivers.protocols.modbus_values import Conversion, compile_block

_RTU_BITS: Final = 24  # CRC, function and length
_ASCII_BITS: Final = 56
_REQUEST_BYTES: Final = 5
_TABLES: Final = {1: "coils", 2: "inputs", 3: "holding", 4: "input"}  # words of profile files
_WRITES: Final = frozenset((5, 6, 15, 16, 22))
_BROADCAST: Final = 0
_NAMES: Final = {
    1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 5: "acknowledge",
    6: "device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway no response",
}  # fmt: skip
_MOST_REQUESTS: Final = 256

AnyFrame: TypeAlias = RtuFrame | AsciiFrame


class ModbusListener(FrameListener[AnyFrame]):
    """One framing on one line."""

    def __init__(self, decoder: Callable[[], Decoder[AnyFrame]], bits: int) -> None:
        self.strictest = bits
        self._decoder = decoder
        self._order = Order()

    def decoder(self) -> Decoder[AnyFrame]:
        """Make an empty decoder."""
        return self._decoder()

    def proof(self, frame: AnyFrame) -> int:  # noqa: ARG002
        """The same for all frames: what comes by accident does so at any length."""
        return self.strictest

    def meaning(self, frame: AnyFrame, asked: AnyFrame | None) -> Meaning:
        """Tell a reply from a request: by what it fits, else by its form."""
        unit, pdu = frame.unit, frame.pdu
        if asked is not None and asked.unit == unit and answers(asked.pdu, pdu):
            sure = self._order.answered(unit, likeness(asked.pdu), asked.pdu) and not may_be_request(pdu)
            return _reply(frame, asked.pdu, sure=sure)
        if may_be_request(pdu):
            return Meaning(
                kind=Kind.REQUEST,
                address=str(unit),
                act=Act.READ if is_read(pdu) else Act.WRITE if pdu[0] in _WRITES else Act.ASK,
                what=_where(pdu),
                data_bytes=len(pdu) - 1,
                quiet=unit == _BROADCAST,
            )
        self._order.orphan(unit, pdu[0], len(pdu))
        return _reply(frame, None, sure=False)

    def asked(self, request: AnyFrame, at_ns: int) -> None:
        """Let a long pause end all doubt."""
        self._order.asked(request.unit, likeness(request.pdu), at_ns)

    def unanswered(self, asked: AnyFrame, at_ns: int, now_ns: int, noise_bytes: int) -> None:
        """Remember that a reply may still come, unless what came in its place was as long as one."""
        size = reply_bytes(asked.pdu)
        if size is None or noise_bytes < size:
            self._order.unanswered(asked.unit, likeness(asked.pdu), asked.pdu, at_ns, now_ns)

    def reply_decoder(self, asked: AnyFrame) -> Decoder[AnyFrame] | None:
        """For a request of our own by the decoder that polls."""
        return RtuReplyDecoder(asked.raw) if isinstance(asked, RtuFrame) else None


def likeness(request: bytes) -> tuple[int, int]:
    """Give what a reply to ``request`` shows of it: function and length, 0 where the request does not tell that."""
    return request[0], reply_bytes(request) or 0


def answers(request: bytes, reply: bytes) -> bool:
    """Tell whether the PDU ``reply`` can be the answer to ``request``; a read that is said again is none."""
    if reply == request and is_read(request):
        return False
    try:
        parse_answer(request, reply)
    except FrameError:
        return False
    return True


def may_be_request(pdu: bytes) -> bool:
    """Tell whether a PDU has the form of a request.

    A reply of 17 to 24 coils may have it too; then nobody can tell them apart, and it gives no values.
    """
    function = pdu[0]
    if function & EXCEPTION_FLAG:
        return False
    if function in (1, 2, 3, 4):
        return len(pdu) == _REQUEST_BYTES and (function not in BIT_FUNCTIONS or is_read(pdu))
    if function in (15, 16):
        return len(pdu) > _REQUEST_BYTES
    if function == 23:
        return len(pdu) > 9 and len(pdu) == 10 + pdu[9]
    if function in (7, 17):
        return len(pdu) == 1
    return function != 43 or len(pdu) == 4


def _reply(frame: AnyFrame, request: bytes | None, *, sure: bool) -> Meaning:
    pdu = frame.pdu
    if pdu[0] & EXCEPTION_FLAG:
        code = pdu[1] if len(pdu) > 1 else 0
        act, what = Act.REFUSE, _NAMES.get(code, f"exception {code}")
    else:
        act = Act.CONFIRM if pdu[0] in _WRITES else Act.DATA
        what = f"FC{pdu[0]:02}" if request is None else _where(request)
    return Meaning(
        kind=Kind.REPLY,
        address=str(frame.unit),
        act=act,
        what=what,
        data_bytes=max(0, len(pdu) - 2),
        answers=request is not None,
        sure=sure,
    )


def _where(request: bytes) -> str:
    """Name what a request is about: ``holding 0x0000 +20``; the function where it names no addresses."""
    function = request[0]
    first, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
    if is_read(request):
        return f"{_TABLES[function]} 0x{first:04X} +{count}"
    if function in (5, 15):
        return f"coils 0x{first:04X} +{count if function == 15 else 1}"
    if function in (6, 16, 22):
        return f"holding 0x{first:04X} +{count if function == 16 else 1}"
    return f"FC{function:02}"


class ModbusOverheard:
    """The points of a device inside replies that others asked for; each request is compiled once."""

    def __init__(self, profile: Profile, address: str, zone: tzinfo) -> None:  # noqa: ARG002
        self._address = address
        self._points = profile.points
        self._known: dict[bytes, tuple[tuple[int, ...], Conversion, slice] | None] = {}

    def take(self, said: Said) -> Taken | None:
        """Give the points whose registers lie whole inside what was asked for."""
        if said.address != self._address or said.protocol not in _LISTENERS:
            return None
        if said.kind is not Kind.REPLY or said.act is not Act.DATA or not said.sure or said.asked is None:
            return None
        request, reply = said.asked.pdu, said.frame.pdu
        if request not in self._known:
            if len(self._known) >= _MOST_REQUESTS:
                self._known.clear()
            self._known[request] = self._compile(request)
        known = self._known[request]
        if known is None:
            return None
        points, conversion, place = known
        data = reply[place]
        if len(data) != place.stop - place.start:
            return None
        values, statuses = conversion.columns(data)
        return Taken(points=points, values=values, statuses=statuses)

    def _compile(self, request: bytes) -> tuple[tuple[int, ...], Conversion, slice] | None:
        own = [i for i, point in enumerate(self._points) if _asks(point, request)]
        if own:
            raw = self._points[own[0]].location.raw
            assert raw is not None  # ``_asks`` saw to it
            place = slice(raw.skip, raw.skip + 2 * raw.registers)
            return self._block(own, 0, raw.registers, place)
        if not is_read(request):
            return None
        table = Table(request[0])
        first, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
        inside = [i for i, point in enumerate(self._points) if _is_inside(point, table, first, count)]
        return self._block(inside, first, count, slice(2, 2 + payload_bytes(request))) if inside else None

    def _block(
        self, indexes: Sequence[int], first: int, count: int, place: slice
    ) -> tuple[tuple[int, ...], Conversion, slice]:
        return tuple(indexes), compile_block([self._points[i] for i in indexes], first, count), place


def _asks(point: Point, request: bytes) -> bool:
    raw = point.location.raw
    return raw is not None and raw.request == request


def _is_inside(point: Point, table: Table, first: int, count: int) -> bool:
    at = point.location
    return at.raw is None and at.table is table and first <= at.first and at.end <= first + count


_LISTENERS: Final = {
    "modbus-rtu": partial(ModbusListener, RtuStreamDecoder, _RTU_BITS),
    "modbus-ascii": partial(ModbusListener, AsciiStreamDecoder, _ASCII_BITS),
}

LISTENING: Final = {"modbus": Listening(listeners=_LISTENERS, overheard=ModbusOverheard)}
