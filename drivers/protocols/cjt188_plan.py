"""What is asked of a CJ/T 188 meter together, and what an example of a profile covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from drivers.batch import Value
from drivers.captured import first_frame, replies
from drivers.codec import cjt188
from drivers.codec.cjt188 import WAKE_UP, reply_decoder
from drivers.codec.cjt188_layout import canonical
from drivers.decoded import DecodeError, DecodeFault
from drivers.named_values import sealed
from drivers.profile import Example, Point, Profile
from drivers.protocols.cjt188_place import Place, Question, place_of, reply_size, value_at
from drivers.sources import Read

HEAD: Final = 3
"""Identifier and serial number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One exchange with what belongs to it."""

    read: Read
    question: Question
    places: tuple[Place, ...]


def plan(points: Sequence[Point], places: Sequence[Place]) -> Iterator[Planned]:
    """Read together what one question brings and is wanted equally often."""

    def group(index: int) -> tuple[float, str, int, bool, bool]:
        question = places[index].question
        period_s = points[index].period_s
        return period_s, question.identifier, question.type, question.low_first, question.any_serial

    for (period_s, *_), grouped in groupby(sorted(range(len(points)), key=group), key=group):
        indexes = tuple(grouped)
        mine = tuple(places[i] for i in indexes)
        overhead = len(WAKE_UP) + cjt188.OVERHEAD + HEAD
        read = Read(
            points=indexes, period_s=period_s, request_bytes=overhead, reply_bytes=overhead + reply_size(mine)
        )
        yield Planned(read=read, question=mine[0].question, places=mine)


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that stands under what an example read, by its index.

    Raises:
        DecodeError: the frames cannot be read, or hold none of the points.
    """
    stream = cjt188.stream_decoder
    matching = None
    if example.request:
        asked = first_frame(stream(), example.request)
        sent = cjt188.encode(asked.type, asked.address, asked.control, asked.data)
        matching = reply_decoder(sent, any_serial=True)
    (frame, *_) = replies(stream(), matching, example.reply, lambda frame: frame.is_reply and not frame.is_refusal)
    if frame.function != cjt188.READ_DATA or len(frame.data) < HEAD:
        raise DecodeError(DecodeFault.BAD_FRAME, "this is no reply to a read")
    identifier = canonical(frame.data[:2])
    found: dict[int, Value] = {}
    for index, point in enumerate(profile.points):
        place = place_of(point, profile)
        fits = place.question.identifier == identifier and not place.clock
        said = value_at(place, frame.data[HEAD:]) if fits else None
        if said is not None:
            found[index] = sealed(point, said)[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, f"no point stands under {identifier}")
    return found
