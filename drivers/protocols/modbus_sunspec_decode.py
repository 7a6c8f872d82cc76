"""Captured SunSpec registers -> quantities, for ``tidegate decode`` and for the examples of profiles.

The registers say themselves what they are: the marker, or a model's number and length and what follows. Where neither
stands at their beginning they are read as any Modbus reply is.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.batch import Value
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.named_values import sealed
from drivers.profile import Encoding, Example, Framing, NumberType, Profile
from drivers.protocols.modbus_decode import answer_ascii, answer_rtu, answer_tcp, data_of, read_rtu
from drivers.protocols.modbus_forms import text_of
from drivers.protocols.modbus_sunspec_models import (
    HEADER_REGISTERS,
    NOT_IMPLEMENTED,
    TYPES,
    Model,
    ModelPoint,
    model_of,
)
from drivers.protocols.modbus_sunspec_place import Place, place_of
from drivers.protocols.modbus_sunspec_walk import END, MARKER
from drivers.protocols.modbus_values import CODES
from drivers.shortest import shortest_f32, shortest_f64

_ANSWERS: Final = {Framing.RTU: answer_rtu, Framing.ASCII: answer_ascii, Framing.TCP: answer_tcp}
_MOST_POWER: Final = 10


def read_sunspec(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read registers of a SunSpec device from an RTU reply. Raises DecodeError."""
    asked, reply = answer_rtu(request, response)
    if "points" in context or reply[0] != 3:
        return read_rtu(request, response, context)
    data = data_of(asked, reply)
    if data.startswith(MARKER):
        return (Quantity(quantity="marker", value="SunS"), *_chain(data[len(MARKER) :]))
    found = tuple(_chain(data))
    return found or read_rtu(request, response, context)


def covered_points(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example holds: a read that begins with a model's header.

    Raises:
        DecodeError: the frames do not belong together, or hold no model of the profile.
    """
    request, reply = _ANSWERS[example.framing](example.request, example.reply)
    data = data_of(request, reply)
    data = data.removeprefix(MARKER)
    said = {quantity.quantity: quantity for quantity in _chain(data)}
    found: dict[int, Value] = {}
    for index, point in enumerate(profile.points):
        names = _names(place_of(point, profile.id))
        known = next((said[name] for name in names if name in said), None)
        if known is not None:
            found[index] = sealed(point, known)[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "these registers begin with none of the profile's models")
    return found


def _names(place: Place) -> Iterator[str]:
    for model in place.models:
        yield f"{model}.{place.index}.{place.point}" if place.index else f"{model}.{place.point}"


def _chain(data: bytes) -> Iterator[Quantity]:
    """Read model after model; a last one that is cut off gives what is there of it."""
    while len(data) >= 2 * HEADER_REGISTERS:
        number, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        model = model_of(number) if number != END else None
        if model is None or not length:
            return
        size = 2 * (HEADER_REGISTERS + length)
        yield from values_of(model, data[:size], length)
        data = data[size:]


def values_of(model: Model, data: bytes, length: int) -> Iterator[Quantity]:
    """Give what the registers of ``model`` say, header first, as ``<number>.<point>``; a repeated one with its index.

    Points that are cut off are left out; those that say that they are not there are None.
    """
    scales = _scales(model.points, data, 0)
    yield from _values(model.points, data, 0, scales, f"{model.number}")
    for repetition in range(model.repetitions(length)):
        start = model.registers + repetition * model.group_registers
        own = scales | _scales(model.group, data, start)
        yield from _values(model.group, data, start, own, f"{model.number}.{repetition + 1}")


def _values(
    points: Mapping[str, ModelPoint], data: bytes, start: int, scales: Mapping[str, int], prefix: str
) -> Iterator[Quantity]:
    for point in points.values():
        raw = data[2 * (start + point.offset) : 2 * (start + point.offset + point.size)]
        hidden = point.type not in TYPES or point.type == "sunssf" or point.name in ("ID", "L")
        if hidden or len(raw) < 2 * point.size:
            continue
        value = text_of(raw, Encoding.UTF_8) if point.type == "string" else _number(point, raw, scales)
        yield Quantity(quantity=f"{prefix}.{point.name}", value=value, unit=point.unit)


def _number(point: ModelPoint, raw: bytes, scales: Mapping[str, int]) -> Decimal | None:
    kind = TYPES[point.type]
    number: int | float = struct.unpack(f">{CODES[kind]}", raw)[0]
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        mantissa, power = (shortest_f32 if kind is NumberType.F32 else shortest_f64)(number)
        return Decimal(mantissa).scaleb(power)
    if number == NOT_IMPLEMENTED.get(point.type):
        return None
    power = point.scale if isinstance(point.scale, int) else 0
    if isinstance(point.scale, str):
        if point.scale not in scales:
            return None  # its scale was not read along
        power = scales[point.scale]
    return Decimal(number).scaleb(power) if abs(power) <= _MOST_POWER else None


def _scales(points: Mapping[str, ModelPoint], data: bytes, start: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for point in points.values():
        at = 2 * (start + point.offset)
        if point.type == "sunssf" and at + 2 <= len(data):
            found[point.name] = int.from_bytes(data[at : at + 2], "big", signed=True)
    return found
