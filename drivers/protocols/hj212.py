"""Stations that speak HJ 212 toward us: data loggers and analysers that push what they measure.

Nothing is asked; the port is listened to nearly all the time, so a station needs one of its own. Each packet of the
station is acknowledged if it wants that (9014; 9013 for a notice and for the heartbeat of 2025), also one that came
before; a packet with a wrong CRC, or of another station, is not. Each message is given once, with the station's own
time: of what is measured now the newest, of minutes, hours and days all. It is acknowledged when it is heard, a few
seconds before it is sealed and committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from drivers.batch import Batch, DeviceTime, in_columns
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.hj212 import Edition, Hj212Frame, Rules, encode, stream_decoder
from drivers.codec.hj212_segment import DATA_ANSWER, NOTICE_ANSWER, Segment, answer, compose, parse
from drivers.errors import ChecksumError, NoReplyError
from drivers.nameplate import Nameplate
from drivers.protocols.hj212_decode import read_hj212
from drivers.protocols.hj212_group import Group, covered, plan, value_of
from drivers.protocols.hj212_place import ANY, Carrier, check_places, read_address
from drivers.protocols.hj212_said import Message, Messages
from drivers.protocols.hj212_scan import UNASKED
from drivers.sanitize import sanitize
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, attended

_LONGEST: Final = 9999
_MOST_WAITING: Final = 256
_NOTICES: Final = ("1013", "9015")
_ANSWERS: Final = ("9011", "9012", "9013", "9014")
_SHARE: Final = 0.9
_MOMENT_S: Final = 0.2
_STUCK_NS: Final = 15_000_000_000


class Hj212Station:
    """One station; a ``LinkedDevice`` of ``drivers.wire_protocol`` and an ``IdentifiedDevice``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that the standard does not know."""
        self._index = placed.index
        self._address = placed.address
        self._line = placed.link
        self._clock = placed.clock
        self._settings = placed.settings
        self._zone = placed.zone
        self._timeout_s = placed.profile.limits.turnaround_ms / 1000
        self._groups = {group.read.points: group for group in plan(placed.profile)}
        self._reads = tuple(group.read for group in self._groups.values())
        self._waiting: dict[Carrier, deque[Message]] = {}
        for group in self._groups.values():
            newest_only = 1 if not group.carrier.is_past else _MOST_WAITING
            self._waiting.setdefault(group.carrier, deque(maxlen=newest_only))
        carriers = [group.carrier for group in self._groups.values()]
        self._listens_for = next((carrier for carrier in carriers if not carrier.is_past), carriers[0])
        self._given: dict[tuple[int, ...], int] = {}
        self._decoder = stream_decoder(Rules(longest=_LONGEST))
        self._messages = Messages(placed.zone)
        self._plate = Nameplate()
        self._heard_ns = placed.clock.mono_ns()  # it has its time-out to be heard for the first time
        self._other = ""
        self._damaged = b""

    @property
    def reads(self) -> Sequence[Read]:
        """One read for the points of each upload and period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """Who it says it is."""
        return self._plate.text

    def use(self, line: AnyLink) -> None:
        """Listen to ``line`` from now on."""
        self._line = line
        self._decoder = stream_decoder(Rules(longest=_LONGEST))

    async def read(self, read: Read) -> Batch:
        """Give the next message about these points; an empty batch if none has come and the station is there.

        A station waits for its acknowledgements, so the time between two reads is spent listening: nearly the whole
        period, or until what is measured now has come. Raises as ``Device.read`` says.
        """
        group = self._groups[read.points]
        listens = group.carrier is self._listens_for
        await self._attend(group.carrier, read.period_s * _SHARE if listens else 0.0)
        message = self._take(group)
        if message is not None:
            return self._batch(group, message)
        now_ns = self._clock.mono_ns()
        if now_ns - self._heard_ns < max(self._timeout_s, 2 * read.period_s) * 1e9:
            return Batch(device=self._index, mono_ns=now_ns, points=(), values=(), statuses=())
        raise self._silence()

    async def probe(self) -> None:
        """Take what it has sent meanwhile, and listen for a moment. Raises like ``read``."""
        before_ns = self._heard_ns
        await self._attend(None, _MOMENT_S)
        if self._heard_ns == before_ns:
            raise self._silence()

    async def _attend(self, carrier: Carrier | None, wait_s: float) -> None:
        """Hear and answer until a message of ``carrier`` waits (None: until anything came) or the time is over."""
        self._damaged, begun_ns = b"", self._heard_ns

        def enough() -> bool:
            return self._heard_ns != begun_ns if carrier is None else bool(self._waiting[carrier])

        def hear(data: bytes) -> tuple[bytes, bool]:
            return self._hear(data), enough()

        await attended(self._line).attend(hear, timeout_s=0.0 if enough() else wait_s, settings=self._settings)
        stuck_ns = self._clock.mono_ns() - self._heard_ns
        if self._decoder.buffered and not enough() and stuck_ns > _STUCK_NS:
            self._take_in(self._decoder.flush())  # what looked like a long packet may hide a whole one

    def _hear(self, data: bytes) -> bytes:
        """Take bytes in and give what they are answered."""
        return self._take_in(self._decoder.feed(data))

    def _take_in(self, events: Iterable[Hj212Frame | Noise]) -> bytes:
        answers = b""
        for event in events:
            if isinstance(event, Noise):
                if event.reason is NoiseReason.BAD_CHECKSUM:
                    self._damaged = event.raw
                continue
            said = parse(event.segment)
            if said is not None and self._is_ours(said):
                answers += self._answer(said)
        return answers

    def _is_ours(self, said: Segment) -> bool:
        name = said.head("MN")
        if self._address not in (ANY, name):
            self._other = name
            return False
        self._heard_ns = self._clock.mono_ns()
        self._plate.learn({"address": name})
        return True

    def _answer(self, said: Segment) -> bytes:
        """Keep what a packet tells, and give its acknowledgement if it wants one.

        What there is no room for is not acknowledged: the station sends it again.
        """
        room = next(
            (self._waiting[one] for one in self._waiting if one.value == said.head("CN") and one.is_past), None
        )
        if room is not None and len(room) == room.maxlen:
            return b""
        message = self._messages.take(said, self._clock.mono_ns())
        if message is not None and message.carrier in self._waiting:
            self._waiting[message.carrier].append(message)
        command = said.head("CN")
        if not said.wants_answer or command in _ANSWERS:
            return b""
        edition = Edition(min(said.version, Edition.V2025.value))
        return encode(compose(answer(said, NOTICE_ANSWER if command in _NOTICES else DATA_ANSWER, edition)))

    def _take(self, group: Group) -> Message | None:
        """Give the oldest message that this read has not had; it goes when all reads of its kind have had it."""
        waiting = self._waiting[group.carrier]
        mine = [one for one in waiting if one.mono_ns > self._given.get(group.read.points, -1)]
        if not mine:
            waiting.clear()
            return None
        self._given[group.read.points] = mine[0].mono_ns
        last_ns = min(
            self._given.get(one.read.points, -1) for one in self._groups.values() if one.carrier is group.carrier
        )
        while waiting and waiting[0].mono_ns <= last_ns:
            waiting.popleft()
        return mine[0]

    def _batch(self, group: Group, message: Message) -> Batch:
        both = [
            value_of(point, place, message.fields) for point, place in zip(group.points, group.places, strict=True)
        ]
        times = tuple(
            DeviceTime(row=row, utc_ms=message.utc_ms_of(place.factor, self._zone), flags=message.flags(place.factor))
            for row, (place, (value, _)) in enumerate(zip(group.places, both, strict=True))
            if value is not None
        )
        values, statuses = in_columns(both)
        return Batch(
            device=self._index,
            mono_ns=message.mono_ns,
            points=group.read.points,
            values=values,
            statuses=statuses,
            device_times=times,
        )

    def _silence(self) -> NoReplyError | ChecksumError:
        where = f"{self._line.name}: station {self._address}"
        if self._damaged:
            return ChecksumError(f"{where} sent a packet with a wrong CRC", self._damaged)
        other = f"; one that calls itself {sanitize(self._other)} did" if self._other else ""
        silent_s = (self._clock.mono_ns() - self._heard_ns) / 1e9
        return NoReplyError(f"{where} sent nothing for {silent_s:.0f} s{other}")


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "hj212": WireProtocol(
        build=Hj212Station,
        check=check_places,
        covered=covered,
        decoders={"hj212": read_hj212},
        address=read_address,
        unasked=UNASKED,
        listening="drivers.protocols.hj212_listen",
    ),
})  # fmt: skip
