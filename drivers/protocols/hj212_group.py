"""What is read together of a station, and what a message says of a point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from drivers.batch import Value
from drivers.codec.hj212_marks import quality_of
from drivers.codec.hj212_segment import joined
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.named_values import sealed
from drivers.profile import Example, Kind, Point, Profile
from drivers.protocols.hj212_decode import number, packets_of
from drivers.protocols.hj212_place import Carrier, Place, place_of
from drivers.quality import Quality, is_bad
from drivers.sanitize import sanitize
from drivers.sources import Read

_USUAL_BYTES: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Points that one kind of upload brings and that are wanted equally often."""

    read: Read
    carrier: Carrier
    points: tuple[Point, ...]
    places: tuple[Place, ...]


def value_of(point: Point, place: Place, fields: Mapping[str, str]) -> tuple[Value, int]:
    """Give value and status of a point as a message tells it; the mark of its factor decides on the quality."""
    text = fields.get(place.field)
    mark = "" if place.value in ("Flag", "EFlag") else fields.get(f"{place.factor}-Flag", "")
    quality = quality_of(mark)
    if is_bad(quality):
        return None, quality
    if text is None:
        return None, Quality.BAD_NO_DATA
    wants_text = point.kind in (Kind.STATE, Kind.EVENT) and number(text) is None
    said = Quantity(quantity=place.field, value=sanitize(text) if wants_text else number(text))
    value, status = sealed(point, said)
    return (value, quality) if status == 0 else (value, status)


def plan(profile: Profile) -> Iterator[Group]:
    """Put together the points that one kind of upload brings and that are wanted equally often.

    Raises:
        ProfileError: a place is none of the standard.
    """
    places = [place_of(point, profile.id) for point in profile.points]

    def key(index: int) -> tuple[str, float, int]:
        return places[index].carrier.value, profile.points[index].period_s, index

    for (carrier, period_s), grouped in groupby(sorted(range(len(places)), key=key), key=lambda i: key(i)[:2]):
        indexes = tuple(grouped)
        yield Group(
            read=Read(points=indexes, period_s=period_s, request_bytes=0, reply_bytes=_USUAL_BYTES),
            carrier=Carrier(carrier),
            points=tuple(profile.points[i] for i in indexes),
            places=tuple(places[i] for i in indexes),
        )


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's packets hold, by its index.

    Raises:
        DecodeError: they cannot be read, or hold none of the points.
    """
    found: dict[int, Value] = {}
    for said in joined([said for said, _ in packets_of(example.reply)]):
        fields = {name: value for item in said.items for name, value in item}
        for index, point in enumerate(profile.points):
            place = place_of(point, profile.id)
            if place.carrier.value == said.head("CN") and place.field in fields:
                found[index] = value_of(point, place, fields)[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "none of the points is in these packets")
    return found
