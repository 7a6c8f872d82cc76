"""Meters on a wired M-Bus (EN 13757-2 and -3), by primary or secondary address. Only reading.

A readout gives everything that the meter sends, in one telegram or several. A meter repeats its last telegram as long
as the frame count bit stays the same, which is right for a retry and stale for a new reading: so each readout that
does not follow a good one begins with SND_NKE, after which the meter starts anew. Not every meter starts anew when it
is selected by its secondary address: the bit turns from one readout to the next there too, and after a failure the
meter is selected, reset and selected again. It need not answer that reset, so without an answer it may have missed
it: then a first readout, which may begin with an old telegram, is thrown away, and the one after it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.batch import Batch, Value
from drivers.codec.mbus import LONGEST, SELECTED, Function, MbusFrame, MbusReplyDecoder, short, with_count_bit
from drivers.codec.mbus_header import Ci, SecondaryAddress, split_header
from drivers.codec.mbus_record import parse_records
from drivers.codec.mbus_search import select_request
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.errors import DeviceFailedError, FrameError, NoReplyError, RefusedError
from drivers.keeping import kept
from drivers.meter_clock import OFFSET, began_ms, offset, offset_value, utc_ms_of
from drivers.named_values import columns, sealed
from drivers.nameplate import Nameplate
from drivers.periods import by_period
from drivers.profile import Example, Point, Profile
from drivers.protocols.mbus_decode import answers, quantities, read_mbus, read_mbus_request
from drivers.protocols.mbus_place import check_records, is_meant, read_address, record_of, secondary_address
from drivers.protocols.mbus_scan import MbusProber
from drivers.protocols.mbus_times import shown, times
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_ACK_BYTES: Final = 8  # one, and room for the glitches around it that an adapter hands over with it
_MOST_TELEGRAMS: Final = 32
_ANSWER_BITS: Final = 330  # EN 13757-2, 5.7.2: the meter answers within this and 50 ms
_ANSWER_S: Final = 0.05
_FAILING: Final = frozenset((8, 9))  # busy, too many readouts
_NAMES: Final = {
    0: "unspecified", 1: "unknown CI field", 2: "buffer too long", 3: "too many records", 4: "cut record",
    5: "too many DIFE", 6: "too many VIFE", 8: "busy", 9: "too many readouts",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One readout with the points that are wanted of it and the names of their records."""

    read: Read
    points: tuple[Point, ...]
    records: tuple[str, ...]


class MbusDevice:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a record that M-Bus does not know."""
        profile = placed.profile
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._zone = placed.zone
        self._character_s = (placed.settings or profile.line).character_s
        self._nameplate = Nameplate()
        self._raws: dict[str, bytes] = {}  # telegram in which a record came
        self._settings = placed.settings
        self._meter = secondary_address(placed.address)
        self._address = SELECTED if self._meter is not None else int(placed.address)
        self._name = f"meter {placed.address}"
        baud = (placed.settings or profile.line).baud
        self._timeout_s = max(profile.limits.turnaround_ms / 1000, _ANSWER_BITS / baud + _ANSWER_S)
        self._planned = {planned.read.points: planned for planned in _plan(profile)}
        self._reads = tuple(planned.read for planned in self._planned.values())
        self._count_bit = False
        self._in_step = False
        self._reset_heard = True

    @property
    def reads(self) -> Sequence[Read]:
        """One readout for the points of each period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """See ``IdentifiedDevice``: what the header of its telegrams says."""
        return self._nameplate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._line = line
        self._in_step = False

    async def read(self, read: Read) -> Batch:
        """Do one readout, all its telegrams; raises as ``Device.read`` says."""
        planned = self._planned[read.points]
        said, ours_ms = await self._readout()
        mono_ns = self._clock.mono_ns()
        self._nameplate.learn(nameplate(said))
        values, statuses = columns(planned.points, planned.records, said)
        if OFFSET in planned.records:
            clock = shown(said)
            meter_ms = None if clock is None else utc_ms_of(str(clock.value), self._zone)
            at = planned.records.index(OFFSET)
            value, status = offset_value(planned.points[at], offset(meter_ms, ours_ms), self._clock)
            values = (*values[:at], value, *values[at + 1 :])
            statuses = (*statuses[:at], status, *statuses[at + 1 :])
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=values,
            statuses=statuses,
            raws=kept(planned.points, lambda row: self._raws.get(planned.records[row])),
            device_times=tuple(times(planned.points, planned.records, values, said, self._zone)),
        )

    async def probe(self) -> None:
        """Select the meter, or bring it to its beginning. Raises like ``read``."""
        await (self._begin() if self._meter is None else self._select(self._meter))

    async def _readout(self) -> tuple[dict[str, Quantity], int]:
        """Give what all telegrams say, and our UTC, milliseconds, when the first one began."""
        if not self._in_step or self._meter is not None:
            await self._begin()
        self._in_step = False
        if not self._reset_heard:
            await self._telegrams()
            self._reset_heard = True
        told = await self._telegrams()
        self._in_step = True
        return told

    async def _telegrams(self) -> tuple[dict[str, Quantity], int]:
        """Ask until the meter has no more; give what ``_readout`` does."""
        said: dict[str, Quantity] = {}
        seen: dict[str, int] = {}
        self._raws.clear()
        ours_ms = 0
        for _ in range(_MOST_TELEGRAMS):
            frame = await self._data()
            ours_ms = ours_ms or began_ms(self._clock, self._character_s, frame.raw)
            try:
                told = {one.quantity: one for one in quantities(frame, seen)}
            except DecodeError as error:
                raise FrameError(f"{self._where}: {error.detail}", frame.raw) from error
            said, self._raws = told | said, dict.fromkeys(told, frame.raw) | self._raws
            if not _more(frame):
                return said, ours_ms
        raise FrameError(f"{self._where} does not come to the end of its telegrams")

    async def _begin(self) -> None:
        """Bring the meter to its first telegram: reset its link where that is needed, and select it."""
        anew, self._in_step = not self._in_step, False
        if self._meter is not None:
            await self._select(self._meter)
        if anew:
            await self._reset()
        self._in_step = True

    async def _select(self, meter: SecondaryAddress) -> None:
        await self._ask(select_request(meter), _ACK_BYTES)

    async def _reset(self) -> None:
        """Reset the link; a meter that is selected is no longer, so it is selected once more, and may say nothing."""
        request = short(Function.SND_NKE, self._address)
        self._count_bit = True
        if self._meter is None:
            await self._ask(request, _ACK_BYTES)
            return
        try:
            await self._ask(request, _ACK_BYTES)
            self._reset_heard = True
        except NoReplyError:
            self._reset_heard = False
        await self._select(self._meter)

    async def _data(self) -> MbusFrame:
        """Ask for the next telegram; the bit turns over once it is here."""
        control = with_count_bit(Function.REQ_UD2, on=self._count_bit)
        frame = await self._ask(short(control, self._address), LONGEST)
        if frame.ci == Ci.APPLICATION_ERROR:
            self._refused(frame)
        if self._meter is not None and frame.ci == Ci.VARIABLE:
            meter = _header_of(frame, self._where)
            if meter is not None and not is_meant(self._meter, meter):
                raise FrameError(f"{self._where}: meter {meter.id} answered instead", frame.raw)
        self._count_bit = not self._count_bit
        return frame

    async def _ask(self, request: bytes, reply_bytes: int) -> MbusFrame:
        peer = b"" if self._meter is None else self._meter.encode()
        return await frames_on(self._line).exchange(
            request,
            MbusReplyDecoder(request, peer),
            reply_bytes=reply_bytes,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )

    @property
    def _where(self) -> str:
        return f"{self._line.name}: {self._name}"

    def _refused(self, frame: MbusFrame) -> None:
        code = frame.data[0] if frame.data else 0
        sentence = f"{self._where} reports an error: {_NAMES.get(code, 'unknown')} (application error {code})"
        kind = DeviceFailedError if code in _FAILING else RefusedError
        raise kind(sentence, code, frame.raw)


def _header_of(frame: MbusFrame, where: str) -> SecondaryAddress | None:
    try:
        return split_header(Ci.VARIABLE, frame.data)[0].meter
    except FrameError as error:
        raise FrameError(f"{where}: {error}", frame.raw) from error


def nameplate(said: Mapping[str, Quantity]) -> dict[str, str | None]:
    """Give who sent the telegrams; the id is the serial number, or what was set in its place."""
    parts = {"serial": "id", "manufacturer": "manufacturer", "version": "version", "medium": "medium"}
    found = {part: said[name].value for part, name in parts.items() if name in said}
    return {part: None if value is None else str(value) for part, value in found.items()}


def _more(frame: MbusFrame) -> bool:
    """Tell whether another telegram carries on; the frame has been read, so its records are whole."""
    if frame.ci in (None, Ci.FIXED):
        return False
    return parse_records(split_header(frame.ci, frame.data)[1]).more


def _plan(profile: Profile) -> Iterator[_Planned]:
    points = profile.points
    for period_s, indexes in by_period(points):
        yield _Planned(
            read=Read(points=indexes, period_s=period_s, request_bytes=5, reply_bytes=LONGEST),
            points=tuple(points[i] for i in indexes),
            records=tuple(record_of(points[i], profile.id) for i in indexes),
        )


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's telegrams hold, by its index.

    Raises:
        DecodeError: the frames cannot be read, or hold none of the points.
    """
    said: dict[str, Quantity] = {}
    seen: dict[str, int] = {}
    for frame in answers(example.request or None, example.reply):
        said = {one.quantity: one for one in quantities(frame, seen)} | said
    records = [record_of(point, profile.id) for point in profile.points]
    found = {i: sealed(profile.points[i], said[name])[0] for i, name in enumerate(records) if name in said}
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "none of the points is in these telegrams")
    return found


PROTOCOLS: Final = {
    "mbus": WireProtocol(
        build=MbusDevice,
        check=check_records,
        covered=covered,
        decoders={"mbus": read_mbus},
        request_decoders={"mbus": read_mbus_request},
        address=read_address,
        prober=MbusProber(),
        listening="drivers.protocols.mbus_listen",
    )
}
