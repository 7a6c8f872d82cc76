"""CJ/T 188 water, gas and heat meters on a line. Reading; ``cjt188_set`` says what a command may write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from drivers.batch import Batch, DeviceTime, Value, in_columns
from drivers.codec.cjt188 import (
    CLOCK_IDENTIFIER,
    WAKE_UP,
    Cjt188Frame,
    clock_request,
    read_request,
    reply_decoder,
    write_request,
)
from drivers.codec.cjt188_layout import METERING
from drivers.errors import RefusedError
from drivers.keeping import kept
from drivers.meter_clock import began_ms, device_time, historical, offset, offset_value, utc_ms_of
from drivers.named_values import sealed
from drivers.nameplate import Nameplate
from drivers.profile import Point
from drivers.protocols import cjt188_decode
from drivers.protocols.cjt188_place import Place, Question, check_places, place_of, shown_at, value_at
from drivers.protocols.cjt188_plan import HEAD, Planned, covered, plan
from drivers.protocols.cjt188_scan import Cjt188Prober
from drivers.protocols.cjt188_set import CLOCK_BYTES, WAY, WRITE_OVERHEAD, check_control, clock_of, output_of, ways
from drivers.quality import Quality
from drivers.setting import ClockShown, ClockWay, Credentials, full_second, wall_clock
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on
from drivers.words import N_

_ADDRESS: Final = re.compile(r"[0-9A-F]{14}")
_SERIALS: Final = 256


class Cjt188Device:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that the standard does not know."""
        profile = self._profile = placed.profile
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
        self._planned = {planned.read.points: planned for planned in plan(self._points, places)}
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
            raise self._refused(reply, planned.question.identifier)
        ours_ms = began_ms(self._clock, self._character_s, reply.raw)
        if "A" not in reply.address:
            self._nameplate.learn({"address": reply.address, "type": f"0x{reply.type:02X}"})
        data = reply.data[HEAD:]
        rows = list(zip(read.points, planned.places, strict=True))
        both = [self._value(self._points[i], place, data, ours_ms) for i, place in rows]
        values, statuses = in_columns(both)
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=values,
            statuses=statuses,
            raws=kept([self._points[i] for i in read.points], lambda _row: reply.raw),
            device_times=tuple(self._times(planned.places, values, data)),
        )

    async def probe(self) -> None:
        """Ask the first question; a refusal counts as life. Raises like ``read``."""
        await self._ask(self._planned[self._reads[0].points])

    @property
    def clock_ways(self) -> Sequence[ClockWay]:
        """See ``SettableClock``."""
        return ways(self._profile, self._address) if self._metering() is not None else ()

    def check_credentials(self, credentials: Credentials) -> None:
        """Take any: the standard asks for none."""

    async def show_clock(self) -> ClockShown:
        """See ``SettableClock``."""
        planned = self._metering()
        assert planned is not None  # else there is no way
        reply = await self._ask(planned)
        if reply.is_refusal:
            raise self._refused(reply, planned.question.identifier)
        said = shown_at(planned.places[0], reply.data[HEAD:])
        local = said.value if said is not None and isinstance(said.value, str) else None
        return ClockShown(local=local, utc_ms=began_ms(self._clock, self._character_s, reply.raw))

    async def set_clock(self, way: ClockWay, credentials: Credentials) -> str:  # noqa: ARG002 - the standard asks for none
        """See ``SettableClock``."""
        planned = self._metering()
        assert planned is not None
        second = await full_second(self._clock, self._character_s * (WRITE_OVERHEAD + CLOCK_BYTES))
        moment = wall_clock(second, self._zone)
        question, serial = planned.question, self._next_serial()
        request = clock_request(question.type, self._address, clock_of(moment), serial, low_first=question.low_first)
        await self._write(request, question, CLOCK_IDENTIFIER)
        return moment.replace(tzinfo=None).isoformat()

    async def operate(self, control: Point, word: str) -> None:
        """See ``Controllable``."""
        assert control.write is not None  # whoever asks has looked
        output = output_of(control, self._profile)
        question = self._planned[self._reads[0].points].question
        low_first = question.low_first if output.low_first is None else output.low_first
        data = bytes((dict(control.write.values)[word],))
        request = write_request(
            question.type, self._address, output.identifier, self._next_serial(), data, low_first=low_first
        )
        await self._write(request, question, output.identifier)

    def _metering(self) -> Planned | None:
        """Give the question that tells the clock, None where the profile does not ask it."""
        known = (one for one in self._planned.values() if one.question.identifier == METERING)
        return next((one for one in known if one.places[0].layout is not None), None)

    async def _write(self, request: bytes, question: Question, what: str) -> None:
        reply = await frames_on(self._line).exchange(
            WAKE_UP + request,
            reply_decoder(request, any_serial=question.any_serial),
            reply_bytes=WRITE_OVERHEAD,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )
        if reply.is_refusal:
            raise self._refused(reply, what)

    def _refused(self, reply: Cjt188Frame, what: str) -> RefusedError:
        code = int.from_bytes(reply.data[1:3], "big")
        where = f"{self._line.name}: meter {self._address}"
        return RefusedError(f"{where} refuses {what} (status {code:04X})", code, reply.raw)

    def _next_serial(self) -> int:
        self._serial = (self._serial + 1) % _SERIALS
        return self._serial

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

    async def _ask(self, planned: Planned) -> Cjt188Frame:
        """Ask with the next serial number, which tells a late reply from that to the question before."""
        question = planned.question
        request = read_request(
            question.type, self._address, question.identifier, self._next_serial(), low_first=question.low_first
        )
        return await frames_on(self._line).exchange(
            WAKE_UP + request,
            reply_decoder(request, any_serial=question.any_serial),
            reply_bytes=planned.read.reply_bytes,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )


def read_address(text: str) -> str:
    """Give an address as fourteen digits, the maker's code in front; AA stands for any two digits.

    Raises:
        ValueError: it is none.
    """
    address = text.replace(" ", "").upper()
    if not _ADDRESS.fullmatch(address):
        raise ValueError(N_("fourteen digits, the maker's code (often 0000) in front"))
    if any(not pair.isdecimal() and pair != "AA" for pair in (address[i : i + 2] for i in range(0, 14, 2))):
        raise ValueError(N_("digits, or AA for any two of them"))
    return address


PROTOCOLS: Final = {
    "cjt188": WireProtocol(
        build=Cjt188Device,
        check=check_places,
        covered=covered,
        decoders={"cjt188": cjt188_decode.read},
        address=read_address,
        prober=Cjt188Prober(),
        clock_ways=frozenset((WAY.name,)),
        check_control=check_control,
        listening="drivers.protocols.cjt188_listen",
    )
}
