"""An ``[[example]]`` of a Modbus profile -> the values of the points it covers, by the code that polls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.batch import Value
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder
from drivers.decoded import DecodeError, DecodeFault
from drivers.profile import Example, Framing, Point, Profile, Table
from drivers.protocols.modbus_decode import answer_ascii, answer_rtu, answer_tcp, data_of
from drivers.protocols.modbus_values import compile_block

_ANSWERS: Final = {Framing.RTU: answer_rtu, Framing.ASCII: answer_ascii, Framing.TCP: answer_tcp}


def covered_points(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each readable point that lies whole inside what the example asks for, by its index.

    Raises:
        DecodeError: the frames do not belong together, hold no data, or none of the points.
    """
    own = {i: point for i, point in enumerate(profile.readable) if _asks(point, example)}
    if own:
        return _own_values(own, example)
    request, reply = _ANSWERS[example.framing](example.request, example.reply)
    data = data_of(request, reply)
    assert request is not None  # it was given
    table = Table(request[0])
    first, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
    points = profile.readable
    inside = [i for i, point in enumerate(points) if _is_inside(point, table, first, count)]
    if not inside:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "no point lies inside the addresses that are read here")
    values, _ = compile_block([points[i] for i in inside], first, count).columns(data)
    return dict(zip(inside, values, strict=True))


def _asks(point: Point, example: Example) -> bool:
    """Tell whether the example asks for ``point`` by a vendor's own function, over RTU."""
    raw = point.location.raw
    return raw is not None and example.framing is Framing.RTU and raw.request == example.request[1:-2]


def _own_values(own: Mapping[int, Point], example: Example) -> dict[int, Value]:
    raw = next(iter(own.values())).location.raw
    assert raw is not None  # ``_asks`` saw to it
    decoder = RtuReplyDecoder(example.request, raw.reply_bytes)
    frames = [e for e in (*decoder.feed(example.reply), *decoder.flush()) if isinstance(e, RtuFrame)]
    if not frames or len(frames[0].pdu) != raw.reply_bytes:
        raise DecodeError(DecodeFault.BAD_FRAME, f"no reply of {raw.reply_bytes} bytes has a right checksum")
    data = frames[0].pdu[raw.skip : raw.skip + 2 * raw.registers]
    values, _ = compile_block(tuple(own.values()), 0, raw.registers).columns(data)
    return dict(zip(own, values, strict=True))


def _is_inside(point: Point, table: Table, first: int, count: int) -> bool:
    at = point.location
    return at.raw is None and at.table is table and first <= at.first and at.end <= first + count
