"""CJ/T 188 water, gas and heat meters on a line. Only reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from drivers.batch import Batch, DeviceTime, Value
from drivers.captured import first_frame, replies
from drivers.codec import cjt188
from drivers.codec.cjt188 import WAKE_UP, Cjt188Frame, read_request, reply_decoder
from drivers.codec.cjt188_layout import canonical
from drivers.decoded import DecodeError, DecodeFault
from drivers.errors import RefusedError
from drivers.keeping import kept
from drivers.meter_clock import device_time, historical, offset, offset_value, utc_ms_of
from drivers.named_values import sealed
from drivers.nameplate import Nameplate
from drivers.profile import Example, Point, Profile
from drivers.protocols import cjt188_decode
from drivers.protocols.cjt188_place import Place, Question, check_places, place_of, reply_size, shown_at, value_at
from drivers.protocols.cjt188_scan import Cjt188Prober
from drivers.quality import Quality
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_ADDRESS: Final = re.compile(r"[0-9A-F]{14}")
_HEAD: Final = 3  # identifier and serial number
_SERIALS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One exchange with what belongs to it."""

    read: Read
    question: Question
    places: tuple[Place, ...]


class Cjt188Device:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that the standard does not know."""
        profile = placed.profile
        self._index = placed.index
        self._address = placed.address
        self._points = profile.points
        self._line = placed.link
        self._clock = placed.clock
        self._zone = placed.zone
        self._settings = placed.settings
        self._character_s = (placed.settings or profile.line).character_s
        self._nameplate = Nameplate()
        self._timeout_s = profile.limits.turnaround_ms / 1000
        self._serial = 0
        places = [place_of(point, profile) for point in self._points]
        self._planned = {planned.read.points: planned for planned in _plan(self._points, places)}
        self._reads = tuple(planned.read for planned in self._planned.values())

    @property
    def reads(self) -> Sequence[Read]:
        """The exchanges that read every point once per period; always the same."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """See ``IdentifiedDevice``: the address that answers, and its kind of meter."""
        return self._nameplate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._line = line

    async def read(self, read: Read) -> Batch:
        """Do one exchange; raises as ``Device.read`` says."""
        planned = self._planned[read.points]
        reply = await self._ask(planned)
        mono_ns = self._clock.mono_ns()
        if reply.is_refusal:
            code = int.from_bytes(reply.data[1:3], "big")
            where = f"{self._line.name}: meter {self._address}"
            raise RefusedError(f"{where} refuses {planned.question.identifier} (status {code:04X})", code, reply.raw)
        ours_ms = self._clock.utc_ns() // 1_000_000 - round(1000 * self._character_s * len(reply.raw))
        if "A" not in reply.address:
            self._nameplate.learn({"address": reply.address, "type": f"0x{reply.type:02X}"})
        data = reply.data[_HEAD:]
        rows = list(zip(read.points, planned.places, strict=True))
        both = [self._value(self._points[i], place, data, ours_ms) for i, place in rows]
        values = tuple([value for value, _ in both])
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=values,
            statuses=tuple([int(status) for _, status in both]),
            raws=kept([self._points[i] for i in read.points], lambda _row: reply.raw),
            device_times=tuple(self._times(planned.places, values, data)),
        )

    async def probe(self) -> None:
        """Ask the first question; a refusal counts as life. Raises like ``read``."""
        await self._ask(self._planned[self._reads[0].points])

    def _value(self, point: Point, place: Place, data: bytes, ours_ms: int) -> tuple[Value, int]:
        said = value_at(place, data)
        if said is None:
            return None, Quality.BAD_CONFIGURATION_ERROR
        if not place.clock:
            return sealed(point, said)
        meter_ms = utc_ms_of(said.value if isinstance(said.value, str) else None, self._zone)
        return offset_value(point, offset(meter_ms, ours_ms), self._clock)

    def _times(self, places: Sequence[Place], values: Sequence[Value], data: bytes) -> Iterator[DeviceTime]:
        """Give the meter's time of each row that has one and a value."""
        for row, (place, value) in enumerate(zip(places, values, strict=True)):
            if value is None:
                continue
            if place.historical:
                yield historical(row, None, self._zone)
            elif place.dated or place.clock:
                shown = shown_at(place, data)
                if shown is not None:
                    yield device_time(row, shown.value if isinstance(shown.value, str) else None, self._zone)

    async def _ask(self, planned: _Planned) -> Cjt188Frame:
        """Ask with the next serial number, which tells a late reply from that to the question before."""
        question = planned.question
        self._serial = (self._serial + 1) % _SERIALS
        request = read_request(
            question.type, self._address, question.identifier, self._serial, low_first=question.low_first
        )
        return await frames_on(self._line).exchange(
            WAKE_UP + request,
            reply_decoder(request, any_serial=question.any_serial),
            reply_bytes=planned.read.reply_bytes,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )


def _plan(points: Sequence[Point], places: Sequence[Place]) -> Iterator[_Planned]:
    """Read together what one question brings and is wanted equally often."""

    def group(index: int) -> tuple[float, str, int, bool, bool]:
        question = places[index].question
        period_s = points[index].period_s
        return period_s, question.identifier, question.type, question.low_first, question.any_serial

    for (period_s, *_), grouped in groupby(sorted(range(len(points)), key=group), key=group):
        indexes = tuple(grouped)
        mine = tuple(places[i] for i in indexes)
        overhead = len(WAKE_UP) + cjt188.OVERHEAD + _HEAD
        read = Read(
            points=indexes, period_s=period_s, request_bytes=overhead, reply_bytes=overhead + reply_size(mine)
        )
        yield _Planned(read=read, question=mine[0].question, places=mine)


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
    if frame.function != cjt188.READ_DATA or len(frame.data) < _HEAD:
        raise DecodeError(DecodeFault.BAD_FRAME, "this is no reply to a read")
    identifier = canonical(frame.data[:2])
    found: dict[int, Value] = {}
    for index, point in enumerate(profile.points):
        place = place_of(point, profile)
        fits = place.question.identifier == identifier and not place.clock
        said = value_at(place, frame.data[_HEAD:]) if fits else None
        if said is not None:
            found[index] = sealed(point, said)[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, f"no point stands under {identifier}")
    return found


def read_address(text: str) -> str:
    """Give an address as fourteen digits, the maker's code in front; AA stands for any two digits.

    Raises:
        ValueError: it is none.
    """
    address = text.replace(" ", "").upper()
    if not _ADDRESS.fullmatch(address):
        raise ValueError("fourteen digits, the maker's code (often 0000) in front")
    if any(not pair.isdecimal() and pair != "AA" for pair in (address[i : i + 2] for i in range(0, 14, 2))):
        raise ValueError("digits, or AA for any two of them")
    return address


PROTOCOLS: Final = {
    "cjt188": WireProtocol(
        build=Cjt188Device,
        check=check_places,
        covered=covered,
        decoders={"cjt188": cjt188_decode.read},
        address=read_address,
        prober=Cjt188Prober(),
        listening="drivers.protocols.cjt188_listen",
    )
}
