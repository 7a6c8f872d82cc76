"""Attributes of COSEM objects -> quantities: a number with scaler and unit, a date-time, a text."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from drivers.codec.axdr import Data, clock
from drivers.codec.cosem_units import unit_of
from drivers.codec.dlms_push import scaler_and_unit
from drivers.decoded import Quantity
from drivers.protocols.dlms_decode import plain
from drivers.protocols.dlms_place import PointPlace
from drivers.sanitize import sanitize


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Power of ten and UCUM unit of an amount; no unit for a bare number."""

    scaler: int
    unit: str | None


def scaling_of(data: Data) -> Scaling | None:
    """Read attribute ``scaler_unit``; None if it is none."""
    found = scaler_and_unit(data)
    return None if found is None else Scaling(scaler=found[0], unit=unit_of(found[1]))


def quantity(place: PointPlace, data: Data, scaling: Scaling | None) -> Quantity:
    """Give a value as ``named_values.sealed`` takes it; without one for null data and lists."""
    name = str(place.object)
    if data.is_list:
        return Quantity(quantity=name, value=None)
    if place.is_clock:
        return Quantity(quantity=name, value=clock(data.octets))
    value = plain(data)
    if place.is_text and isinstance(data.value, bytes):
        value = sanitize(data.value.rstrip(b"\x00").decode("utf-8", "replace")) or None
    if isinstance(value, Decimal) and scaling is not None:
        return Quantity(quantity=name, value=value.scaleb(scaling.scaler), unit=scaling.unit)
    return Quantity(quantity=name, value=value)
