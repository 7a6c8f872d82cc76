"""DL/T 645 meters, both editions, on a line they may share with Modbus devices. Only reading.

Points under one identifier are read together; a block that a meter does not have is read value by value from then on.
A reply that does not fit into one frame is fetched to its end. A refusal shows only address and function, so it is
never learnt from a single one which of two requests it meant: a block is asked for once more before it is given up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Final

from drivers.batch import Batch, Value
from drivers.captured import first_frame, replies
from drivers.codec import dlt645
from drivers.codec.dlt645 import WAKE_UP, Dlt645Frame, Edition, follow_request, read_request, reply_decoder
from drivers.codec.dlt645_load import is_load, load_extra
from drivers.decoded import DecodeError, DecodeFault
from drivers.errors import DeviceFailedError, FrameError, RefusedError
from drivers.named_values import sealed
from drivers.profile import Example, Point, Profile
from drivers.protocols.dlt645_decode import reader
from drivers.protocols.dlt645_place import Place, check_places, place_of, reply_size, value_at
from drivers.protocols.dlt645_scan import Dlt645Prober
from drivers.quality import Quality
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_ADDRESS: Final = re.compile(r"A*[0-9]*")
_DIGITS: Final = 12
_NO_SUCH_DATA: Final = 0x02
_NOT_ALLOWED: Final = 0x04
_NAMES: Final = ((0x02, "no such data"), (0x04, "password wrong or not authorised"), (0x01, "other error"))
_MOST_FOLLOWING: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One exchange with what belongs to it."""

    read: Read
    identifier: str
    places: tuple[Place, ...]


class Dlt645Device:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``."""

    def __init__(self, placed: Placed, edition: Edition) -> None:
        """Raise ProfileError if the profile has a place that the edition does not know."""
        profile = placed.profile
        self._index = placed.index
        self._address = placed.address
        self._edition = edition
        self._points = profile.points
        self._line = placed.link
        self._clock = placed.clock
        self._settings = placed.settings
        self._timeout_s = profile.limits.turnaround_ms / 1000
        places = [place_of(point, edition, profile.id) for point in self._points]
        self._planned = {planned.read.points: planned for planned in _plan(self._points, places, edition)}
        self._reads = tuple(planned.read for planned in self._planned.values())

    @property
    def reads(self) -> Sequence[Read]:
        """The exchanges that read every point once per period; a read that stays is the same object."""
        return self._reads

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._line = line

    async def read(self, read: Read) -> Batch:
        """Do one exchange, and those for what follows; raises as ``Device.read`` says."""
        planned = self._planned[read.points]
        data = await self._data(planned)
        mono_ns = self._clock.mono_ns()
        both = [
            self._value(self._points[i], place, data) for i, place in zip(read.points, planned.places, strict=True)
        ]
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=tuple([value for value, _ in both]),
            statuses=tuple([int(status) for _, status in both]),
        )

    async def probe(self) -> None:
        """Ask for the shortest reply; a refusal counts as life. Raises like ``read``."""
        shortest = min(self._planned.values(), key=lambda planned: planned.read.reply_bytes)
        await self._ask(self._request(shortest.identifier), shortest.read.reply_bytes)

    def _value(self, point: Point, place: Place, data: bytes) -> tuple[Value, int]:
        said = value_at(place, self._edition, data)
        return (None, Quality.BAD_CONFIGURATION_ERROR) if said is None else sealed(point, said)

    async def _data(self, planned: _Planned) -> bytes:
        """Give all that stands under an identifier."""
        request = self._request(planned.identifier)
        reply = await self._ask(request, planned.read.reply_bytes)
        if reply.is_refusal and _error_word(reply) & _NO_SUCH_DATA and self._can_split(planned):
            reply = await self._ask(request, planned.read.reply_bytes)  # the first one may have meant another request
        if reply.is_refusal:
            self._refused(planned, reply)
        head = self._edition.identifier_bytes
        tail = 1 if self._edition is Edition.V2007 else 0  # a following frame ends with its number
        data = reply.data[head:]
        for number in range(1, _MOST_FOLLOWING):
            if not reply.more_follows:
                return data
            request = follow_request(self._edition, self._address, planned.identifier, number)
            reply = await self._ask(request, dlt645.OVERHEAD + len(reply.data))
            if reply.is_refusal:
                self._refused(planned, reply)
            data += reply.data[head : len(reply.data) - tail]
        raise FrameError(f"{self._where} does not come to the end of {planned.identifier}", reply.raw)

    async def _ask(self, request: bytes, reply_bytes: int) -> Dlt645Frame:
        return await frames_on(self._line).exchange(
            WAKE_UP + request,
            reply_decoder(request, self._edition),
            reply_bytes=reply_bytes,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )

    def _request(self, identifier: str) -> bytes:
        extra = load_extra(1) if self._edition is Edition.V2007 and is_load(identifier) else b""
        return read_request(self._edition, self._address, identifier, extra)

    @property
    def _where(self) -> str:
        return f"{self._line.name}: meter {self._address}"

    def _refused(self, planned: _Planned, reply: Dlt645Frame) -> None:
        code = _error_word(reply)
        name = next((name for bit, name in _NAMES if code & bit), "no reason")
        sentence = f"{self._where} refuses {planned.identifier}: {name} (error word {code:02X})"
        if not code & (_NO_SUCH_DATA | _NOT_ALLOWED):
            raise DeviceFailedError(sentence, code, reply.raw)
        replanned = code & _NO_SUCH_DATA != 0 and self._can_split(planned)
        if replanned:
            self._split(planned)
        raise RefusedError(sentence, code, reply.raw, replanned=replanned)

    def _can_split(self, planned: _Planned) -> bool:
        return planned.read in self._reads and all(place.single for place in planned.places)

    def _split(self, planned: _Planned) -> None:
        """Read the values of a block one by one from now on."""
        singles = [
            (i, Place(identifier=place.single)) for i, place in zip(planned.read.points, planned.places, strict=True)
        ]
        parts = [_planned(self._edition, planned.read.period_s, [single]) for single in singles]
        at = self._reads.index(planned.read)
        self._planned |= {part.read.points: part for part in parts}
        self._reads = (*self._reads[:at], *(part.read for part in parts), *self._reads[at + 1 :])


def _error_word(reply: Dlt645Frame) -> int:
    return reply.data[0] if reply.data else 0


def _plan(points: Sequence[Point], places: Sequence[Place], edition: Edition) -> Iterator[_Planned]:
    """Read together what stands under one identifier and is wanted equally often."""

    def group(index: int) -> tuple[float, str]:
        return points[index].period_s, places[index].identifier

    for (period_s, _), indexes in groupby(sorted(range(len(points)), key=group), key=group):
        yield _planned(edition, period_s, [(i, places[i]) for i in indexes])


def _planned(edition: Edition, period_s: float, both: Sequence[tuple[int, Place]]) -> _Planned:
    places = tuple(place for _, place in both)
    identifier = places[0].identifier
    overhead = len(WAKE_UP) + dlt645.OVERHEAD + edition.identifier_bytes
    read = Read(
        points=tuple(i for i, _ in both),
        period_s=period_s,
        request_bytes=overhead,
        reply_bytes=overhead + reply_size(edition, identifier, places),
    )
    return _Planned(read=read, identifier=identifier, places=places)


def covered(profile: Profile, example: Example, edition: Edition) -> dict[int, Value]:
    """Give the mantissa of each point that stands under what an example read, by its index.

    Raises:
        DecodeError: the frames cannot be read, or hold none of the points.
    """
    stream = dlt645.stream_decoder
    matching = None
    if example.request:
        asked = first_frame(stream(), example.request)
        matching = reply_decoder(dlt645.encode(asked.address, asked.control, asked.data), edition)
    (frame, *_) = replies(stream(), matching, example.reply, lambda frame: frame.is_reply and not frame.is_refusal)
    size = edition.identifier_bytes
    if frame.function != edition.read or frame.more_follows or len(frame.data) < size:
        raise DecodeError(DecodeFault.BAD_FRAME, "this is no whole reply to a read")
    identifier = frame.data[size - 1 :: -1].hex().upper()
    found: dict[int, Value] = {}
    for index, point in enumerate(profile.points):
        place = place_of(point, edition, profile.id)
        if identifier == place.single:
            place = Place(identifier=identifier)
        said = value_at(place, edition, frame.data[size:]) if place.identifier == identifier else None
        if said is not None:
            found[index] = sealed(point, said)[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, f"no point stands under {identifier}")
    return found


def read_address(text: str) -> str:
    """Give an address as twelve digits, short ones filled with zeros; leading A stand for any digit.

    Raises:
        ValueError: it is none, or the broadcast that no meter answers.
    """
    address = text.replace(" ", "").upper()
    if not address or len(address) > _DIGITS or not _ADDRESS.fullmatch(address):
        raise ValueError("one to twelve digits, A for any at the front")
    if len(address) < _DIGITS and address.startswith("A"):
        raise ValueError("with A in front all twelve places are needed")
    address = address.zfill(_DIGITS)
    if address == dlt645.EVERYBODY:
        raise ValueError("all nines is for everybody and nobody answers")
    if len(address) - len(address.lstrip("A")) & 1:
        raise ValueError("A goes in pairs, one byte each")
    return address


def _protocol(edition: Edition) -> WireProtocol:
    return WireProtocol(
        build=lambda placed: Dlt645Device(placed, edition),
        check=partial(check_places, edition=edition),
        covered=partial(covered, edition=edition),
        decoders={edition.value: reader(edition)},
        address=read_address,
        prober=Dlt645Prober(edition),
    )


PROTOCOLS: Final = {edition.value: _protocol(edition) for edition in Edition}
