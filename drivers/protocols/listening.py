"""A meter that sends by itself, whatever it speaks: nothing is asked, the next telegram is awaited.

Some send short lists often, longer ones seldom, and the one with the energies once an hour. A read waits for a
telegram that says as much of its points as any did before; the first read, and one now and then, finds out how much
that is by waiting as long as the profile allows. What passes meanwhile is kept for the other reads, each telegram for
one reading of each. A read whose telegram came earlier, since it was read last and within its own period, is not kept
waiting; such readings say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from drivers.batch import Batch
from drivers.codec.framing import Decoder, Frame
from drivers.codec.listened import ListeningDecoder
from drivers.errors import ChecksumError, DriverError, FrameError, NoReplyError
from drivers.nameplate import Nameplate
from drivers.protocols.telegram import Group, Telegram
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, frames_on

F = TypeVar("F", bound=Frame)

_NOW_NS: Final = 1_000_000_000  # what was heard this long ago at most is as good as heard now
_LEARN_EVERY: Final = 60  # readings


class _Ear:
    """What has been heard of the points of one read, and not been given yet.

    Args:
        group: the points.
        lists: whether the meter sends lists of several kinds.
    """

    def __init__(self, group: Group, *, lists: bool) -> None:
        self.group = group
        self._lists = lists
        self._heard: Telegram | None = None
        self._count = 0
        self._fullest: int | None = None  # None until a read has waited for it
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether a telegram is there that says all that can be hoped for."""
        wanted = len(self.group.points) if self._fullest is None else self._fullest
        return self._heard is not None and (self._count >= wanted or not self._lists)

    def hear(self, telegram: Telegram) -> None:
        """Keep a telegram, unless it says less than the one that is there, or nothing."""
        count = self.group.count(telegram)
        if count and (self._heard is None or count >= self._count or not self._lists):
            self._heard, self._count = telegram, count

    def forget(self, before_ns: int) -> None:
        """Drop what was heard before."""
        if self._heard is not None and self._heard.mono_ns < before_ns:
            self._heard = None

    def take(self) -> Telegram | None:
        """Give what is there, once, and learn how full a telegram may be."""
        telegram, self._heard = self._heard, None
        if telegram is None:
            return None
        self._taken += 1
        self._fullest = max(self._count, self._fullest or 0) if self._taken % _LEARN_EVERY else None
        return telegram


class ListeningDevice(Generic[F]):
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``, and an ``IdentifiedDevice``.

    Args:
        placed: where it is.
        groups: what is read together.
        make: makes the decoder that finds its frames.
        understand: frame, its time and the port -> what it says; None for a frame that says nothing, a DriverError
            for one that cannot be read.
        lists: whether it sends lists of several kinds; else each one is as full as the next.
    """

    def __init__(
        self,
        placed: Placed,
        groups: Sequence[Group],
        make: Callable[[], Decoder[F]],
        understand: Callable[[F, int, str], Telegram | None],
        *,
        lists: bool = False,
    ) -> None:
        """Take the parts."""
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._settings = placed.settings
        self._timeout_s = placed.profile.limits.turnaround_ms / 1000
        self._ears = {group.read.points: _Ear(group, lists=lists) for group in groups}
        self._reads = tuple(group.read for group in groups)
        self._make = make
        self._understand = understand
        self._plate = Nameplate()

    @property
    def reads(self) -> Sequence[Read]:
        """One telegram for the points of each period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """What it said of itself so far."""
        return self._plate.text

    def use(self, line: AnyLink) -> None:
        """Listen to ``line`` from now on."""
        self._line = line
        for ear in self._ears.values():
            ear.forget(self._clock.mono_ns())

    async def read(self, read: Read) -> Batch:
        """Give the next full telegram about these points, or one heard since they were read last.

        Where the meter sends other telegrams only, the points have no data. Raises as ``Device.read`` says.
        """
        ear = self._ears[read.points]
        begun_ns = self._clock.mono_ns()
        ear.forget(begun_ns - round(read.period_s * 1e9))
        heard_ns = begun_ns if ear.is_full else await self._listen(ear)
        telegram = ear.take()
        if telegram is None:
            return ear.group.nothing(self._index, heard_ns)
        now_ns = self._clock.mono_ns()
        earlier = now_ns - telegram.mono_ns > _NOW_NS and telegram.mono_ns < begun_ns
        return ear.group.batch(self._index, now_ns if earlier else telegram.mono_ns, telegram, earlier=earlier)

    async def probe(self) -> None:
        """Wait for any telegram. Raises like ``read``."""
        await self._listen(None)

    async def _listen(self, ear: _Ear | None) -> int:
        """Wait for a full telegram (None: for any); give when the last one of any kind was there.

        Raises:
            NoReplyError: nothing came at all.
        """
        heard_ns: list[int] = []
        failed: list[DriverError] = []

        def wanted(frame: F) -> bool:
            there = bool(heard_ns) and (ear is None or ear.is_full)  # then this one only takes its place
            now_ns = self._clock.mono_ns()
            try:
                telegram = self._understand(frame, now_ns, self._line.name)
            except DriverError as error:
                failed.append(error)
                return not there
            if telegram is None:
                return False
            heard_ns.append(now_ns)
            self._keep(telegram)
            return not there and (ear is None or ear.is_full)

        try:
            await frames_on(self._line).exchange(
                b"",
                ListeningDecoder(self._make),
                wanted,
                reply_bytes=max(read.reply_bytes for read in self._reads),
                timeout_s=self._timeout_s,
                settings=self._settings,
            )
        except ChecksumError:
            raise
        except (NoReplyError, FrameError):  # the time was over, maybe in the middle of a telegram
            if not heard_ns:
                raise
        if failed and not (heard_ns and (ear is None or ear.is_full)):
            raise failed[0]
        return heard_ns[-1]

    def _keep(self, telegram: Telegram) -> None:
        self._plate.learn(telegram.plate)
        for ear in self._ears.values():
            ear.hear(telegram)
