"""A Modbus device over a line: plans its reads, asks, converts (Modbus Application Protocol V1.1b3, 6.1 to 6.4).

Everything that depends on the profile alone is compiled once. What a device refuses for its address or length is cut
in two and remembered for as long as the device object lives, over reconnections too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from drivers.batch import Batch
from drivers.clock import Clock
from drivers.codec import modbus_ascii, modbus_rtu, modbus_tcp
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, payload_bytes, read_request
from drivers.errors import DeviceFailedError, FrameError, NoReplyError, OtherDeviceError, RefusedError
from drivers.periods import by_period
from drivers.plan import Block, block_of, plan, split
from drivers.profile import Framing, LineSettings, Point, Profile, RawRead
from drivers.protocols.modbus_identity import Identity
from drivers.protocols.modbus_values import Conversion, compile_block
from drivers.sources import Line, Read

_SPLITTING: Final = frozenset((2, 3))  # illegal address, illegal value: some part of the block, or its length
_FAILING: Final = frozenset((4, 5, 6, 8))  # failure, acknowledged, busy, memory parity
_GATEWAY: Final = {
    10: "the gateway has no path to it",
    11: "the device behind the gateway does not answer",
}
_NAMES: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
}
_SIZES: Final[dict[Framing, Callable[[int], int]]] = {
    Framing.RTU: lambda pdu_bytes: pdu_bytes + modbus_rtu.OVERHEAD,
    Framing.ASCII: modbus_ascii.characters,
    Framing.TCP: lambda pdu_bytes: pdu_bytes + modbus_tcp.HEADER_BYTES,
}
"""Bytes on the wire around a PDU."""

_DATA: Final = slice(2, None)  # behind function and byte count
_TCP_SLACK_S: Final = 1.0  # a lost segment is sent again after 0.2 s at the earliest (RFC 6298), usually later


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One block with what belongs to it."""

    read: Read
    block: Block
    request: bytes
    head: bytes
    size: int
    conversion: Conversion
    data: slice
    told: int | None = None
    kept: tuple[tuple[int, slice], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    """What all devices of one model share."""

    points: tuple[Point, ...]
    planned: tuple[_Planned, ...]
    probe_request: bytes


class ModbusDevice:
    """One device; a ``Device`` of ``drivers.sources``.

    Args:
        index: its place in the site's device list; goes into its batches.
        unit: Modbus address.
        profile: what model it is.
        line: how it is asked.
        clock: stamps the batches.
        framing: how its PDUs travel; gives the lengths on the wire.
        settings: speed and parity of this device if the line carries several.
    """

    def __init__(
        self,
        *,
        index: int,
        unit: int,
        profile: Profile,
        line: Line,
        clock: Clock,
        framing: Framing,
        settings: LineSettings | None = None,
    ) -> None:
        compiled = _compiled(profile, framing)
        self._index = index
        self._unit = unit
        self._points = compiled.points
        self._line = line
        self._clock = clock
        self._framing = framing
        self._settings = settings
        slack_s = _TCP_SLACK_S if framing is Framing.TCP else 0.0
        self._timeout_s = profile.limits.turnaround_ms / 1000 + slack_s
        self._planned = {planned.read.points: planned for planned in compiled.planned}
        self._reads = tuple(planned.read for planned in compiled.planned)
        self._probe_request = compiled.probe_request
        self._unsure = False
        self._identity = Identity(profile.fingerprint)

    @property
    def reads(self) -> Sequence[Read]:
        """The exchanges that read every point once per period; a read that stays is the same object."""
        return self._reads

    def use(self, line: Line) -> None:
        """Talk over ``line`` from now on, since the one before is gone; what was learnt of the device stays."""
        self._line = line
        self._identity.reopened()

    async def read(self, read: Read) -> Batch:
        """Do one exchange; raises as ``Device.read`` says. A read of an earlier plan may still be done."""
        planned = self._planned[read.points]
        if self._unsure:
            await self.probe()
        if self._identity.due and not self._identity.fits(await self._ask(self._identity.request)):
            raise OtherDeviceError(f"{self._where} is another model than before the port was lost")
        reply = await self._ask(planned.request, planned.told)
        mono_ns = self._clock.mono_ns()
        if len(reply) != planned.size or not reply.startswith(planned.head):
            self._refused(planned, reply)
        data = reply[planned.data]
        values, statuses = planned.conversion.columns(data)
        return Batch(
            device=self._index,
            mono_ns=mono_ns,
            points=read.points,
            values=values,
            statuses=statuses,
            raws=tuple([(row, data[part]) for row, part in planned.kept]) if planned.kept else (),
        )

    async def probe(self) -> None:
        """Ask for the first point; a refusal counts as life. Raises like ``read``."""
        reply = await self._ask(self._probe_request)
        exception = reply[1] if len(reply) == 2 and reply[0] & EXCEPTION_FLAG else 0
        if exception in _GATEWAY:
            raise NoReplyError(f"{self._where}: {_GATEWAY[exception]} (exception {exception})", reply)

    async def _ask(self, pdu: bytes, reply_bytes: int | None = None) -> bytes:
        """Ask, and note while no answer has come that one may still be on its way; over TCP answers are numbered."""
        self._unsure = self._framing is not Framing.TCP
        reply = await self._line.ask(
            self._unit, pdu, timeout_s=self._timeout_s, line=self._settings, reply_bytes=reply_bytes
        )
        self._unsure = False
        return reply

    @property
    def _where(self) -> str:
        return f"{self._line.name}: unit {self._unit}"

    def _refused(self, planned: _Planned, reply: bytes) -> None:
        """Raise what a reply that is not the data means; a refused block is cut in two first."""
        function = planned.request[0]
        if len(reply) != 2 or reply[0] != function | EXCEPTION_FLAG:
            raise FrameError(f"{self._where} gave an answer of the wrong length", reply)
        exception = reply[1]
        if exception in _GATEWAY:
            raise NoReplyError(f"{self._where}: {_GATEWAY[exception]} (exception {exception})", reply)
        block = planned.block
        what = f"{_NAMES.get(exception, 'unknown')} (exception {exception})"
        sentence = f"{self._where} refuses {_name_of(block)}: {what}"
        if exception in _FAILING:
            raise DeviceFailedError(sentence, exception, reply)
        replanned = exception in _SPLITTING and self._cut(planned)
        raise RefusedError(sentence, exception, reply, replanned=replanned)

    def _cut(self, planned: _Planned) -> bool:
        """Replace a block by its two halves; False if it cannot be cut."""
        halves = split(planned.block, self._points)
        if halves is None:
            return False
        if planned.read in self._reads:
            at = self._reads.index(planned.read)
            cut = [_plan_block(self._points, half, planned.read.period_s, self._framing) for half in halves]
            self._planned |= {half.read.points: half for half in cut}
            self._reads = (*self._reads[:at], *(half.read for half in cut), *self._reads[at + 1 :])
            self._probe_request = _probe_request(self._points, [self._planned[read.points] for read in self._reads])
        return True


@lru_cache(maxsize=128)
def _compiled(profile: Profile, framing: Framing) -> _Compiled:
    """Compile a profile once for all devices of that model: 200 of them with 98 points each would hold 5 MiB."""
    planned = tuple(_plan_block(profile.points, block, period_s, framing) for period_s, block in _blocks(profile))
    return _Compiled(points=profile.points, planned=planned, probe_request=_probe_request(profile.points, planned))


def _plan_block(points: tuple[Point, ...], block: Block, period_s: float, framing: Framing) -> _Planned:
    if block.raw is not None:
        return _plan_raw(points, block, block.raw, period_s, framing)
    request = read_request(block.table, block.first, block.count)
    data_bytes = payload_bytes(request)
    size = _SIZES[framing]
    read = Read(
        points=block.points,
        period_s=period_s,
        request_bytes=size(len(request)),
        reply_bytes=size(2 + data_bytes),
    )
    return _Planned(
        read=read,
        block=block,
        request=request,
        head=bytes((block.table.value, data_bytes)),
        size=2 + data_bytes,
        data=_DATA,
        conversion=compile_block([points[i] for i in block.points], block.first, block.count),
        kept=_kept(points, block, block.first),
    )


def _plan_raw(points: tuple[Point, ...], block: Block, raw: RawRead, period_s: float, framing: Framing) -> _Planned:
    size = _SIZES[framing]
    read = Read(
        points=block.points,
        period_s=period_s,
        request_bytes=size(len(raw.request)),
        reply_bytes=size(raw.reply_bytes),
    )
    return _Planned(
        read=read,
        block=block,
        request=raw.request,
        head=raw.request[:1],
        size=raw.reply_bytes,
        conversion=compile_block([points[i] for i in block.points], 0, block.count),
        data=slice(raw.skip, raw.skip + 2 * block.count),
        told=raw.reply_bytes,
        kept=_kept(points, block, 0),
    )


def _kept(points: tuple[Point, ...], block: Block, first: int) -> tuple[tuple[int, slice], ...]:
    """Give row and place in the data of every point whose bytes the profile keeps: its registers, or all bits."""
    found = []
    for row, index in enumerate(block.points):
        point = points[index]
        start = 2 * (point.location.address - first)
        whole = point.location.table.is_bits
        if point.keep_raw:
            found.append((row, slice(None) if whole else slice(start, start + 2 * point.location.count)))
    return tuple(found)


def _blocks(profile: Profile) -> list[tuple[float, Block]]:
    """Plan the points of each period by themselves: what is wanted often is not slowed by what is not."""
    points = profile.points
    return [(period_s, block) for period_s, due in by_period(points) for block in plan(points, profile.limits, due)]


def _probe_request(points: tuple[Point, ...], planned: Sequence[_Planned]) -> bytes:
    """Give a short request that the device should answer and whose reply cannot pass for that to any read.

    A reply on a serial line tells its function and length only. So the probe differs in one of them from every read,
    if the device has two points to make a difference with: its answer shows that no older one is on its way.
    """
    planned = [one for one in planned if one.block.raw is None]
    if not planned:
        return b"\x11"  # report server id (6.13): a device of vendor functions alone refuses it, and so lives
    taken = {(one.request[0], payload_bytes(one.request)) for one in planned}
    plain = [i for i, point in enumerate(points) if point.location.raw is None]
    alone = sorted(plain, key=lambda i: (points[i].side_effect, points[i].location.count))
    chosen = [(i,) for i in alone] + [one.block.points[:2] for one in planned if len(one.block.points) > 2]
    blocks = [block_of(points, some) for some in chosen]
    requests = [read_request(block.table, block.first, block.count) for block in blocks]
    return next((one for one in requests if (one[0], payload_bytes(one)) not in taken), requests[0])


def _name_of(block: Block) -> str:
    if block.raw is not None:
        return f"function {block.raw.request[0]}"
    return f"{block.table.name.lower().replace('_', ' ')}s {block.first} to {block.first + block.count - 1}"
