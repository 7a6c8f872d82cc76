"""DLMS/COSEM meters that are asked over HDLC, unencrypted: registers, clock and data. Only reading.

The association is kept from poll to poll and opened again after any fault. Scaler and unit of a register are read
once. What the meter refuses is not asked again before the next association.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

from drivers.batch import Batch, DeviceTime, DeviceTimeFlag
from drivers.codec.axdr import Data
from drivers.codec.hdlc import HdlcFrame
from drivers.codec.hdlc_reply import HdlcReplyDecoder
from drivers.errors import DeviceFailedError, DriverError, FrameError, NoReplyError, RefusedError
from drivers.named_values import sealed
from drivers.nameplate import Nameplate
from drivers.profile import Point, Profile
from drivers.protocols.dlms_decode import read_bare, read_hdlc
from drivers.protocols.dlms_example import covered
from drivers.protocols.dlms_place import DATA, ObjectPlace, check_places, meter_of, place_of, read_address
from drivers.protocols.dlms_push_told import meter_time
from drivers.protocols.dlms_session import LostError, Session
from drivers.protocols.dlms_values import Scaling, quantity, scaling_of
from drivers.quality import Quality
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_REQUEST_BYTES: Final = 27
_REPLY_BYTES: Final = 32
_LONGEST_BYTES: Final = (
    160  # a frame with 128 bytes of information, which is what a meter sends unless asked for more
)
_FAILING: Final = frozenset((1, 2, 11, 14, 15, 16, 17, 18, 19, 250))
_NAMES: Final = {
    1: "hardware fault", 2: "temporary failure", 3: "read access denied", 4: "object undefined",
    9: "object class inconsistent", 11: "object unavailable", 12: "type unmatched", 13: "scope of access violated",
}  # fmt: skip
"""Data access results (IEC 62056-5-3, 7.3.13)."""
_SERIAL: Final = ObjectPlace(class_id=DATA, obis=bytes((0, 0, 96, 1, 0, 255)), attribute=2, is_text=True)
_LOGICAL_DEVICE: Final = ObjectPlace(class_id=DATA, obis=bytes((0, 0, 42, 0, 0, 255)), attribute=2, is_text=True)
_IDENTITY: Final = (("serial", _SERIAL), ("logical_device", _LOGICAL_DEVICE))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One attribute with the points that are read from it."""

    read: Read
    points: tuple[Point, ...]
    places: tuple[ObjectPlace, ...]


class DlmsDevice:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``, and an ``IdentifiedDevice``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that is none."""
        profile = placed.profile
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._zone = placed.zone
        self._settings = placed.settings
        self._timeout_s = profile.limits.turnaround_ms / 1000
        self._meter = meter_of(placed.address)
        self._session = Session(self._meter, self._exchange)
        self._planned = {planned.read.points: planned for planned in _plan(profile)}
        self._reads = tuple(planned.read for planned in self._planned.values())
        self._scalings: dict[ObjectPlace, Scaling] = {}
        self._refused: dict[ObjectPlace, int] = {}
        self._plate = Nameplate()
        self._identified = False
        self._heard_ns = 0
        self._idle_ns: int | None = None

    @property
    def reads(self) -> Sequence[Read]:
        """One get request for each attribute and period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """What it told of itself so far."""
        return self._plate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on; the association is opened anew."""
        self._line = line
        self._session.lose()
        self._identified = False

    async def read(self, read: Read) -> Batch:
        """Read one attribute; raises as ``Device.read`` says."""
        planned = self._planned[read.points]
        place = planned.places[0]
        scaling = await self._scaling(place)
        data = await self._get(place)
        mono_ns = self._clock.mono_ns()
        taken = await self._taken(place)
        if not self._identified:
            await self._identify()
        both = [
            sealed(point, quantity(own, data, scaling))
            for point, own in zip(planned.points, planned.places, strict=True)
        ]
        times = () if taken is None else (taken,)
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=tuple([value for value, _ in both]),
            statuses=tuple([int(status) for _, status in both]),
            device_times=tuple(
                DeviceTime(row=row, utc_ms=t.utc_ms, flags=t.flags) for row in range(len(both)) for t in times
            ),
        )

    async def probe(self) -> None:
        """Ask for the first attribute, or connect. A refusal counts as life. Raises like ``read``."""
        if not self._session.is_open:
            await self._open()
            return
        try:
            await self._get(next(iter(self._planned.values())).places[0])
        except RefusedError:
            return
