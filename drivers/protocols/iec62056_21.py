"""Meters that speak IEC 62056-21, modes A to D, over an optical head, current loop or RS-485. Only reading.

A session is sign-on, identification and readout. The identification shows the mode: in C we name the speed, and the
reply comes at it; in B the meter switches by itself; in A all stays as it is. A meter of mode D is not asked at all:
``iec62056-21-push`` listens. A port that cannot do seven bits is opened as 8N1, and parity is made and stripped here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from typing import Final

from drivers.batch import Batch, Value, in_columns
from drivers.clock import Clock
from drivers.codec.iec62056_21 import IecFrame, Kind, encode
from drivers.codec.iec62056_21_baud import Identification, Mode, parse_identification
from drivers.codec.iec62056_21_reply import IecReplyDecoder
from drivers.codec.seven_bit import with_parity
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import DriverError, FrameError
from drivers.keeping import kept
from drivers.meter_clock import OFFSET, began_ms, offset, offset_value
from drivers.named_values import NOTHING, sealed
from drivers.nameplate import Nameplate
from drivers.periods import by_period
from drivers.profile import Example, LineSettings, Parity, Point, Profile
from drivers.protocols.iec62056_21_decode import read_iec, read_iec_request, said
from drivers.protocols.iec62056_21_place import ANY, Place, check_places, place_of, read_address
from drivers.protocols.iec62056_21_push_scan import UNASKED
from drivers.protocols.iec62056_21_scan import IecProber
from drivers.protocols.iec62056_21_times import data_set, nameplate, shown_ms, times
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_REACTION_S: Final = 1.5  # 6.3.14: the longest between a message and its answer
_IDENTIFICATION_BYTES: Final = 24
_READOUT_BYTES: Final = 2048  # until one has been seen
_ROOM: Final = 1.5  # a readout may be this much longer than the one before
_MOST_BLOCKS: Final = 64
_SIGN_ON_BYTES: Final = 16
_EIGHT: Final = 8
_SLOW: Final = "0"
_PATIENCE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One readout with the points that are wanted of it."""

    read: Read
    points: tuple[Point, ...]
    places: tuple[Place, ...]

    def batch(
        self, device: int, mono_ns: int, found: Mapping[str, Quantity], text: str, zone: tzinfo, clock: Clock
    ) -> Batch:
        both = [
            sealed(point, place.find(found)) if place.obis is not None else offset_value(point, found[OFFSET], clock)
            for point, place in zip(self.points, self.places, strict=True)
        ]
        values, statuses = in_columns(both)
        return Batch(
            device=device,
            mono_ns=mono_ns,
            points=self.read.points,
            values=values,
            statuses=statuses,
            raws=kept(self.points, lambda row: data_set(text, self.places[row].find(found).quantity)),
            device_times=tuple(times(self.places, values, found, zone)),
        )


class IecDevice:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``.

    Args:
        placed: where it is.
        pushing: whether it sends by itself.
    """

    def __init__(self, placed: Placed, *, pushing: bool = False) -> None:
        """Raise ProfileError if the profile has a place that is no id."""
        profile = placed.profile
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._zone = placed.zone
        self._nameplate = Nameplate()
        self._shown_ms = 0
        self._text = ""
        self._start = placed.settings or profile.line
        self._pushing = pushing
        self._address = "" if placed.address == ANY else placed.address
        self._timeout_s = max(profile.limits.turnaround_ms / 1000, 0.0 if pushing else _REACTION_S)
        self._planned = {planned.read.points: planned for planned in _plan(profile)}
        self._reads = tuple(planned.read for planned in self._planned.values())
        self._readout_bytes = _READOUT_BYTES
        self._failures = 0

    @property
    def reads(self) -> Sequence[Read]:
        """One readout for the points of each period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """See ``IdentifiedDevice``: its identification line, and serial number and firmware of its readout."""
        return self._nameplate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._line = line

    async def read(self, read: Read) -> Batch:
        """Do one session; raises as ``Device.read`` says."""
        found = await self._readout()
        mono_ns = self._clock.mono_ns()
        self._nameplate.learn(nameplate(found))
        found[OFFSET] = offset(shown_ms(found, self._zone), self._shown_ms)
        return self._planned[read.points].batch(self._index, mono_ns, found, self._text, self._zone, self._clock)

    async def probe(self) -> None:
        """Do a whole session, since a meter left alone after its identification talks on at 300 Bd. Like ``read``."""
        await self._readout()

    async def _readout(self) -> dict[str, Quantity]:
        frames = [await self._telegram()] if self._pushing else await self._session()
        found: dict[str, Quantity] = {}
        self._text = "".join(frame.text for frame in frames)
        for frame in frames:
            try:
                found = {one.quantity: one for one in said(frame)} | found
            except DecodeError as error:
                raise FrameError(f"{self._line.name}: {error.detail}", frame.raw) from error
        whole = _ROOM * sum(len(frame.raw) for frame in frames)
        self._readout_bytes = max(_READOUT_BYTES if self._pushing else _IDENTIFICATION_BYTES, round(whole))
        return found

    async def _telegram(self) -> IecFrame:
        frame = await self._ask(Kind.TELEGRAM, self._readout_bytes)
        self._shown_ms = began_ms(self._clock, self._start.character_s, frame.raw)
        return frame

    async def _session(self) -> list[IecFrame]:
        """Sign on, agree on a speed and give the identification and all blocks of the readout."""
        hello = await self._ask(Kind.SIGN_ON, _IDENTIFICATION_BYTES, self._address)
        self._shown_ms = self._clock.utc_ns() // 1_000_000  # a readout lasts long: its clock is of its beginning
        meter = parse_identification(hello.text)
        if meter.mode is Mode.C:
            await asyncio.sleep(meter.reaction_s)
        try:
            frames = [hello, await self._first_block(meter)]
            while frames[-1].more and len(frames) < _MOST_BLOCKS:
                now = self._at(meter.baud) if meter.mode is not Mode.A else self._start
                frames.append(await self._ask(Kind.ACK, self._readout_bytes, settings=now))
        except DriverError as error:
            self._failures += 1
            if isinstance(error, FrameError):
                self._readout_bytes = min(_READOUT_BYTES, 2 * self._readout_bytes)  # cut off: it may have grown
            raise
        self._failures = 0
        return frames

    async def _first_block(self, meter: Identification) -> IecFrame:
        size = self._readout_bytes
        if meter.mode is Mode.A:
            return await self._ask(Kind.OPTION, size, silent=True, goes_on=True)
        if meter.mode is Mode.B:
            return await self._ask(Kind.OPTION, size, settings=self._at(meter.baud), silent=True)
        slow = self._failures % (2 * _PATIENCE) >= _PATIENCE  # what is lost at the offered speed may come at 300 Bd
        speed = _SLOW if slow else meter.baud_char
        reply = self._start if slow else self._at(meter.baud)
        return await self._ask(Kind.OPTION, size, f"0{speed}0", reply_settings=reply)

    async def _ask(
        self,
        kind: Kind,
        reply_bytes: int,
        text: str = "",
        *,
        settings: LineSettings | None = None,
        reply_settings: LineSettings | None = None,
        silent: bool = False,
        goes_on: bool = False,
    ) -> IecFrame:
        """Say one message and give the answer; with ``silent``, and for a telegram, only listen for it."""
        request = b"" if silent or kind is Kind.TELEGRAM else encode(IecFrame(kind=kind, text=text, raw=b""))
        start = self._start
        if start.data_bits == _EIGHT and start.parity is Parity.NONE:
            request = with_parity(request)
        return await frames_on(self._line).exchange(
            request,
            IecReplyDecoder(kind, self._address, request=request),
            reply_bytes=reply_bytes,
            timeout_s=self._timeout_s,
            settings=settings or start,
            reply_settings=reply_settings,
            goes_on=goes_on,
        )

    def _at(self, baud: int) -> LineSettings:
        return replace(self._start, baud=baud)


def _plan(profile: Profile) -> Iterator[_Planned]:
    points = profile.points
    for period_s, indexes in by_period(points):
        yield _Planned(
            read=Read(points=indexes, period_s=period_s, request_bytes=_SIGN_ON_BYTES, reply_bytes=_READOUT_BYTES),
            points=tuple(points[i] for i in indexes),
            places=tuple(place_of(points[i], profile.id) for i in indexes),
        )


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's readout holds, by its index.

    Raises:
        DecodeError: it cannot be read, or holds none of the points.
    """
    heard = {one.quantity: one for one in reversed(read_iec(example.request or None, example.reply, {}))}
    both = [(point, place_of(point, profile.id).find(heard)) for point in profile.points]
    found = {index: sealed(point, one)[0] for index, (point, one) in enumerate(both) if one is not NOTHING}
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "none of the points is in this readout")
    return found


PROTOCOLS: Final = {
    "iec62056-21": WireProtocol(
        build=IecDevice,
        check=check_places,
        covered=covered,
        decoders={"iec62056-21": read_iec},
        request_decoders={"iec62056-21": read_iec_request},
        address=read_address,
        prober=IecProber(),
        listening="drivers.protocols.iec62056_21_listen",
    ),
    "iec62056-21-push": WireProtocol(
        build=partial(IecDevice, pushing=True),
        check=check_places,
        covered=covered,
        decoders={"iec62056-21-push": read_iec},
        address=read_address,
        unasked=UNASKED,
        listening="drivers.protocols.iec62056_21_listen",
    ),
}
