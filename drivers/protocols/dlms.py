"""DLMS/COSEM meters that are asked over HDLC, unencrypted: registers, clock and data. Only reading.

The association is kept from poll to poll and opened again after any fault. Scaler and unit of a register are read
once and remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType
from typing import Final

from drivers.batch import Batch, DeviceTime, DeviceTimeFlag, in_columns
from drivers.codec.hdlc import HdlcFrame
from drivers.codec.hdlc_reply import HdlcReplyDecoder
from drivers.errors import FrameError, RefusedError
from drivers.named_values import sealed
from drivers.profile import Point, Profile
from drivers.protocols.dlms_decode import read_bare, read_hdlc
from drivers.protocols.dlms_example import covered
from drivers.protocols.dlms_place import (
    ObjectPlace,
    PointPlace,
    check_places,
    meter_of,
    place_of,
    read_address,
)
from drivers.protocols.dlms_push_told import meter_time
from drivers.protocols.dlms_scan import DlmsProber
from drivers.protocols.dlms_talk import Talk
from drivers.protocols.dlms_values import Scaling, quantity, scaling_of
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_REQUEST_BYTES: Final = 27
_REPLY_BYTES: Final = 32
_LONGEST_BYTES: Final = (
    160  # a frame with 128 bytes of information, which is what a meter sends unless asked for more
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One attribute with the points that are read from it."""

    read: Read
    points: tuple[Point, ...]
    places: tuple[PointPlace, ...]


class DlmsDevice:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that is none."""
        profile = placed.profile
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._zone = placed.zone
        self._settings = placed.settings
        self._timeout_s = profile.limits.turnaround_ms / 1000
        meter = meter_of(placed.address)
        self._talk = Talk(
            meter, self._exchange, lambda: f"{self._line.name}: {meter.name}", placed.clock, placed.password
        )
        self._planned = {planned.read.points: planned for planned in _plan(profile)}
        self._reads = tuple(planned.read for planned in self._planned.values())
        self._scalings: dict[ObjectPlace, Scaling] = {}

    @property
    def reads(self) -> Sequence[Read]:
        """One get request for each attribute and period."""
        return self._reads

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on; the association is opened anew."""
        self._line = line
        self._talk.lose()

    async def read(self, read: Read) -> Batch:
        """Read one attribute; raises as ``Device.read`` says."""
        planned = self._planned[read.points]
        place = planned.places[0].object
        scaling = await self._scaling(place)
        data = await self._talk.attribute(place)
        mono_ns = self._clock.mono_ns()
        taken = await self._taken(place)
        said = [quantity(own, data, scaling) for own in planned.places]
        values, statuses = in_columns([sealed(point, one) for point, one in zip(planned.points, said, strict=True)])
        rows = range(len(values)) if taken is not None else range(0)
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=values,
            statuses=statuses,
            device_times=tuple([_device_time(row, taken, self._zone) for row in rows]),
        )

    async def release(self) -> None:
        """End the connection, if there is one; as ``SessionDevice`` says."""
        await self._talk.close()

    async def probe(self) -> None:
        """Ask for the first attribute, or associate. A refusal counts as life. Raises like ``read``."""
        if not self._talk.is_open:
            await self._talk.open()
            return
        try:
            await self._talk.attribute(self._planned[self._reads[0].points].places[0].object)
        except RefusedError:
            return

    async def _scaling(self, place: ObjectPlace) -> Scaling | None:
        """Give scaler and unit of an amount, read once; None for what is no amount."""
        attribute = place.scaler_attribute
        if attribute is None:
            return None
        if place not in self._scalings:
            found = scaling_of(await self._talk.attribute(place.beside(attribute)))
            if found is None:
                raise FrameError(f"{self._line.name}: {place} has no scaler and unit")
            self._scalings[place] = found
        return self._scalings[place]

    async def _taken(self, place: ObjectPlace) -> bytes | None:
        """Give when an amount of the past was taken: its bytes, none if the meter does not say; None for others."""
        attribute = place.captured_attribute
        if attribute is None:
            return None
        try:
            return (await self._talk.attribute(place.beside(attribute))).octets
        except RefusedError:
            return b""

    async def _exchange(self, request: bytes, decoder: HdlcReplyDecoder) -> HdlcFrame:
        return await frames_on(self._line).exchange(
            request,
            decoder,
            reply_bytes=_LONGEST_BYTES,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )


def _device_time(row: int, taken: bytes | None, zone: tzinfo) -> DeviceTime:
    """Give when the value of a row was taken, as the meter says."""
    flags = DeviceTimeFlag.HISTORICAL
    if not taken:
        return DeviceTime(row=row, utc_ms=None, flags=flags)
    time = meter_time(taken, zone)
    return DeviceTime(row=row, utc_ms=time.utc_ms, flags=flags | DeviceTimeFlag.CLOCK_UNSET if time.unset else flags)


def _plan(profile: Profile) -> Iterator[_Planned]:
    """Put the points of each attribute together, as far as they have one period."""
    places = [place_of(point, profile.id) for point in profile.points]
    together: dict[tuple[float, ObjectPlace], list[int]] = {}
    for index, (point, place) in enumerate(zip(profile.points, places, strict=True)):
        together.setdefault((point.period_s, place.object), []).append(index)
    for (period_s, _), indexes in together.items():
        yield _Planned(
            read=Read(
                points=tuple(indexes), period_s=period_s, request_bytes=_REQUEST_BYTES, reply_bytes=_REPLY_BYTES
            ),
            points=tuple(profile.points[i] for i in indexes),
            places=tuple(places[i] for i in indexes),
        )


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "dlms": WireProtocol(
        build=DlmsDevice,
        check=check_places,
        covered=covered,
        decoders={"dlms-hdlc": read_hdlc, "dlms-apdu": read_bare},
        address=read_address,
        takes_password=True,
        prober=DlmsProber(),
        listening="drivers.protocols.dlms_listen",
    ),
})  # fmt: skip
