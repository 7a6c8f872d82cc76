"""DL/T 645 meters, both editions, on a line they may share with Modbus devices. Reading; and the clock, if told to.

Points under one identifier are read together; a block that a meter does not have is read value by value from then on.
A refusal shows only address and function, so it is never learnt from a single one which of two requests it meant: a
block is asked for once more before it is given up. Demands, closed months, frozen values and load records carry the
meter's own time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Final

from drivers.batch import Batch, Value, in_columns
from drivers.captured import first_frame, replies
from drivers.codec import dlt645
from drivers.codec.dlt645 import Edition, reply_decoder
from drivers.decoded import DecodeError, DecodeFault
from drivers.errors import DeviceFailedError, RefusedError
from drivers.keeping import kept
from drivers.meter_clock import offset_batch, without
from drivers.named_values import sealed
from drivers.nameplate import Nameplate
from drivers.profile import Example, Point, Profile
from drivers.protocols.dlt645_decode import reader
from drivers.protocols.dlt645_dialogue import NO_SUCH_DATA, Dialogue
from drivers.protocols.dlt645_place import Place, check_places, place_of, reply_size, value_at
from drivers.protocols.dlt645_scan import Dlt645Prober
from drivers.protocols.dlt645_set import WAYS, check_credentials, set_clock, ways, wire_bytes
from drivers.protocols.dlt645_times import Freezes, Frozen, overhead, shown, times
from drivers.quality import Quality
from drivers.setting import ClockShown, ClockWay, Credentials, full_second, wall_clock
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol
from drivers.words import N_

_ADDRESS: Final = re.compile(r"A*[0-9]*")
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One exchange with what belongs to it; all its places stand under one identifier."""

    read: Read
    places: tuple[Place, ...]

    @property
    def place(self) -> Place:
        """What all of them have in common."""
        return self.places[0]


class Dlt645Device:
    """One meter; a ``LinkedDevice`` and an ``IdentifiedDevice``.

    Its identity is the address that answers.
    """

    def __init__(self, placed: Placed, edition: Edition) -> None:
        """Raise ProfileError if the profile has a place that the edition does not know."""
        profile = placed.profile
        self._index = placed.index
        self._edition = edition
        self._points = profile.points
        self._clock = placed.clock
        self._zone = placed.zone
        self._dialogue = Dialogue(placed, edition)
        self._clock_ways = ways(profile, edition, placed.address)
        self._freezes = Freezes()
        self._nameplate = Nameplate()
        places = [place_of(point, edition, profile.id) for point in self._points]
        self._planned = {planned.read.points: planned for planned in _plan(self._points, places, edition)}
        self._reads = tuple(planned.read for planned in self._planned.values())
        self._dialogue.known = self._known()

    @property
    def reads(self) -> Sequence[Read]:
        """The exchanges that read every point once per period; a read that stays is the same object."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """See ``IdentifiedDevice``."""
        return self._nameplate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._dialogue.line = line

    async def read(self, read: Read) -> Batch:
        """Do one exchange, and those for what follows; raises as ``Device.read`` says."""
        planned = self._planned[read.points]
        if planned.place.clock:
            return await self._clocks(planned)
        told = await self._told(planned)
        mono_ns = self._clock.mono_ns()
        self._nameplate.learn({"address": self._dialogue.answering})
        both = [self._value(self._points[i], place, told.data) for i, place in _pairs(planned)]
        values, statuses = in_columns(both)
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=values,
            statuses=statuses,
            raws=kept([self._points[i] for i in read.points], lambda _row: self._dialogue.frames),
            device_times=tuple(times(self._edition, planned.places, values, told, self._zone)),
        )

    async def probe(self) -> None:
        """Ask for the shortest reply; a refusal counts as life. Raises like ``read``."""
        await self._dialogue.probe()

    @property
    def clock_ways(self) -> Sequence[ClockWay]:
        """See ``SettableClock``."""
        return self._clock_ways

    def check_credentials(self, credentials: Credentials) -> None:
        """See ``SettableClock``."""
        check_credentials(credentials)

    async def show_clock(self) -> ClockShown:
        """See ``SettableClock``."""
        return await shown(self._dialogue, self._edition, self._clock)

    async def set_clock(self, way: ClockWay, credentials: Credentials) -> str:
        """See ``SettableClock``."""
        second = await full_second(self._clock, self._dialogue.character_s * wire_bytes(way))
        moment = wall_clock(second, self._zone)
        await set_clock(self._dialogue, way, moment, credentials)
        return moment.replace(tzinfo=None).isoformat()

    async def _clocks(self, planned: _Planned) -> Batch:
        """Compare the clocks; a meter that tells neither date nor time is none that has failed."""
        try:
            seen = await shown(self._dialogue, self._edition, self._clock)
        except DeviceFailedError:
            raise
        except RefusedError:
            return without(self._index, planned.read.points, self._clock.mono_ns(), Quality.BAD_NOT_SUPPORTED)
        mono_ns = self._clock.mono_ns()
        return offset_batch(
            self._index, planned.read.points, self._points, mono_ns, local=seen.local, ours_ms=seen.utc_ms,
            zone=self._zone, clock=self._clock,
        )  # fmt: skip

    def _value(self, point: Point, place: Place, data: bytes) -> tuple[Value, int]:
        said = value_at(place, self._edition, data)
        return (None, Quality.BAD_CONFIGURATION_ERROR) if said is None else sealed(point, said)

    async def _told(self, planned: _Planned) -> Frozen:
        """Give all that stands under an identifier; a block that the meter lacks is read in parts from then on."""
        place, size = planned.place, planned.read.reply_bytes
        can_split = planned.read in self._reads and all(one.single for one in planned.places)
        try:
            if place.stamp:
                rest = overhead(self._edition)
                return await self._freezes.read(self._dialogue, place, size, again=can_split, rest=rest)
            return Frozen(await self._dialogue.data(place.identifier, size, again=can_split), None)
        except DeviceFailedError:
            raise
        except RefusedError as error:
            if not (error.exception & NO_SUCH_DATA and can_split):
                raise
            self._split(planned)
            raise RefusedError(str(error), error.exception, error.raw, replanned=True) from error

    def _split(self, planned: _Planned) -> None:
        """Read the values of a block one by one from now on."""
        singles = [(i, replace(place, identifier=place.single, item=0, single="")) for i, place in _pairs(planned)]
        parts = [_planned(self._edition, planned.read.period_s, [single]) for single in singles]
        at = self._reads.index(planned.read)
        self._planned |= {part.read.points: part for part in parts}
        self._reads = (*self._reads[:at], *(part.read for part in parts), *self._reads[at + 1 :])
        self._dialogue.known = self._known()

    def _known(self) -> tuple[tuple[str, int], ...]:
        planned = [self._planned[read.points] for read in self._reads]
        return tuple((one.place.identifier, one.read.reply_bytes) for one in planned)


def _pairs(planned: _Planned) -> Iterator[tuple[int, Place]]:
    return zip(planned.read.points, planned.places, strict=True)


def _plan(points: Sequence[Point], places: Sequence[Place], edition: Edition) -> Iterator[_Planned]:
    """Read together what stands under one identifier and is wanted equally often."""

    def group(index: int) -> tuple[float, str, bool]:
        return points[index].period_s, places[index].identifier, places[index].clock

    for (period_s, *_), indexes in groupby(sorted(range(len(points)), key=group), key=group):
        yield _planned(edition, period_s, [(i, places[i]) for i in indexes])


def _planned(edition: Edition, period_s: float, both: Sequence[tuple[int, Place]]) -> _Planned:
    places = tuple(place for _, place in both)
    identifier = places[0].identifier
    around = overhead(edition)
    read = Read(
        points=tuple(i for i, _ in both),
        period_s=period_s,
        request_bytes=around,
        reply_bytes=around + reply_size(edition, identifier, places),
    )
    return _Planned(read=read, places=places)


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
        if place.clock:
            continue
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
        raise ValueError(N_("one to twelve digits, A for any at the front"))
    if len(address) < _DIGITS and address.startswith("A"):
        raise ValueError(N_("with A in front all twelve places are needed"))
    address = address.zfill(_DIGITS)
    if address == dlt645.EVERYBODY:
        raise ValueError(N_("all nines is for everybody and nobody answers"))
    if len(address) - len(address.lstrip("A")) & 1:
        raise ValueError(N_("A goes in pairs, one byte each"))
    return address


def _protocol(edition: Edition) -> WireProtocol:
    return WireProtocol(
        build=lambda placed: Dlt645Device(placed, edition),
        check=partial(check_places, edition=edition),
        covered=partial(covered, edition=edition),
        decoders={edition.value: reader(edition)},
        address=read_address,
        prober=Dlt645Prober(edition),
        clock_ways=frozenset(WAYS[edition]),
        listening="drivers.protocols.dlt645_listen",
    )


PROTOCOLS: Final = {edition.value: _protocol(edition) for edition in Edition}
