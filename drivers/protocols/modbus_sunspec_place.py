"""``at`` of a SunSpec profile: model and name of a point -> registers of one device, once its models are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from drivers.conversion import factor
from drivers.errors import ProfileError
from drivers.profile import Kind, ModbusLocation, NamedLocation, NumberType, Point, Profile, Table
from drivers.profile_fields import hint
from drivers.protocols.modbus_sunspec_models import (
    HEADER_REGISTERS,
    NOT_IMPLEMENTED,
    TYPES,
    Model,
    ModelPoint,
    folder,
    model_of,
)
from drivers.protocols.modbus_sunspec_walk import ModelAt

AT_KEYS: Final = ("model", "point", "index")
_MOST_REGISTERS: Final = 125


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What ``at`` says.

    Attributes:
        models: numbers of the models that may hold it; the first that the device has does.
        point: its name there, as the definitions have it.
        index: which repetition of the model's group, from 1; 0 for the fixed part.
    """

    models: tuple[int, ...]
    point: str
    index: int


def place_of(point: Point, where: str) -> Place:
    """Read ``at``; a ProfileError that starts with ``where`` names the wrong key."""
    assert isinstance(point.place, NamedLocation)  # what the loader makes for every protocol but Modbus
    fields = point.place.fields(where, AT_KEYS)
    word = fields.raw("model")
    numbers = str(word).split(",")
    if isinstance(word, bool) or not all(number.strip().isdecimal() for number in numbers):
        raise fields.fault("model", 'has to be the number of a model, or several such as "101,102,103"')
    return Place(
        models=tuple(int(number) for number in numbers),
        point=fields.text("point"),
        index=fields.integer("index", 1, 999) if fields.has("index") else 0,
    )


def check(profile: Profile) -> None:
    """Raise ProfileError for the first point that the definitions do not know, or know otherwise."""
    if folder() is None:
        raise ProfileError(profile.id, "SunSpec needs the package pysunspec2, which is not installed")
    for point in profile.points:
        where = f"{profile.id}: point[{point.name}].at"
        place = place_of(point, where)
        for number in place.models:
            model = model_of(number)
            if model is None:
                raise ProfileError(f"{where}.model", f"no SunSpec model {number} is defined")
            _check_point(point, _points_of(model, place), place, where)


def _check_point(point: Point, known: dict[str, ModelPoint], place: Place, where: str) -> None:
    found = known.get(place.point)
    if found is None:
        raise ProfileError(f"{where}.point", f"no point {place.point!r}; {hint(place.point, known)}")
    if found.type not in TYPES:
        raise ProfileError(f"{where}.point", f"{place.point} is of type {found.type}, which is no value")
    names = TYPES[found.type] is NumberType.TEXT or found.type.startswith(("enum", "bitfield"))
    if names and point.kind not in (Kind.STATE, Kind.EVENT):
        raise ProfileError(f"{where}.point", f"{place.point} is of type {found.type}: a state, not an amount")
    if found.unit is not None and point.unit is not None and factor(found.unit, point.unit) is None:
        raise ProfileError(f"{where}.point", f"{place.point} is in {found.unit}, which is no {point.unit}")


def _points_of(model: Model, place: Place) -> dict[str, ModelPoint]:
    return dict(model.group if place.index else model.points)


def resolve(point: Point, place: Place, models: Sequence[ModelAt]) -> Point | None:
    """Give ``point`` with its registers; None if this device has no such model, or too short a one."""
    for number in place.models:
        for at in models:
            model = model_of(number) if at.number == number else None
            found = _located(point, place, model, at) if model is not None else None
            if found is not None:
                return found
    return None


def _located(point: Point, place: Place, model: Model, at: ModelAt) -> Point | None:
    entry = _points_of(model, place).get(place.point)
    if entry is None or entry.type not in TYPES:
        return None
    start = at.address
    if place.index:
        start += model.registers + (place.index - 1) * model.group_registers
    address = start + entry.offset
    if address + entry.size > at.address + HEADER_REGISTERS + at.length:
        return None  # the device says that its model is shorter
    scale, scale_address = point.scale, None
    if isinstance(entry.scale, int):
        scale = scale.scaleb(entry.scale)
    elif entry.scale is not None:
        scale_address = _scale_address(entry.scale, place, model, at, start)
        if scale_address is None:
            return None
    location = ModbusLocation(
        table=Table.HOLDING_REGISTER,
        address=address,
        type=TYPES[entry.type],
        length=entry.size if entry.type == "string" else 0,
        scale_address=scale_address,
    )
    if location.end - location.first > _MOST_REGISTERS:
        return None  # value and scale factor do not fit one exchange
    nothing = NOT_IMPLEMENTED.get(entry.type)
    sentinels = point.sentinels if nothing is None else (*point.sentinels, nothing)
    return replace(point, place=location, scale=_in_unit(scale, entry, point), sentinels=sentinels)


def _scale_address(name: str, place: Place, model: Model, at: ModelAt, start: int) -> int | None:
    if place.index and name in model.group:
        return start + model.group[name].offset
    entry = model.points.get(name)
    return None if entry is None else at.address + entry.offset


def _in_unit(scale: Decimal, entry: ModelPoint, point: Point) -> Decimal:
    """Bring the model's unit into the point's: both are powers of ten of each other, or the same."""
    ratio = (1, 1) if entry.unit is None or point.unit is None else factor(entry.unit, point.unit)
    assert ratio is not None  # ``check`` saw to it
    return scale * ratio[0] / ratio[1]
