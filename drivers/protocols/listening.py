"""A meter that sends by itself, whatever it speaks: nothing is asked, the next telegram is awaited.

A meter may send short lists often and a long one once an hour. A read takes the next telegram that says anything of
its points; what passes meanwhile is kept for the other reads, each telegram for one reading of each. A read whose
telegram came earlier, since it was read last and within its own period, is not kept waiting; such readings say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from drivers.batch import Batch
from drivers.codec.framing import Decoder, Frame
from drivers.codec.listened import ListeningDecoder
from drivers.errors import DriverError, NoReplyError
from drivers.protocols.telegram import Group, Telegram
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, frames_on

F = TypeVar("F", bound=Frame)

_NOW_NS: Final = 1_000_000_000  # what was heard this long ago at most is as good as heard now


class ListeningDevice(Generic[F]):
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``, and an ``IdentifiedDevice``.

    Args:
        placed: where it is.
        groups: what is read together.
        make: makes the decoder that finds its frames.
        understand: frame, its time and the port -> what it says; None for a frame that says nothing, a DriverError
            for one that cannot be read.
    """

    def __init__(
        self,
        placed: Placed,
        groups: Sequence[Group],
        make: Callable[[], Decoder[F]],
        understand: Callable[[F, int, str], Telegram | None],
    ) -> None:
        """Take the parts."""
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._settings = placed.settings
        self._timeout_s = placed.profile.limits.turnaround_ms / 1000
        self._groups = {group.read.points: group for group in groups}
        self._reads = tuple(group.read for group in groups)
        self._make = make
        self._understand = understand
        self._waiting: dict[tuple[int, ...], Telegram] = {}
        self._identity: str | None = None

    @property
    def reads(self) -> Sequence[Read]:
        """One telegram for the points of each period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """Who it said it is, when it said so last."""
        return self._identity

    def use(self, line: AnyLink) -> None:
        """Listen to ``line`` from now on."""
        self._line = line
        self._waiting.clear()

    async def read(self, read: Read) -> Batch:
        """Give the next telegram about these points, or one heard since they were read last.

        Where the meter sends other telegrams only, the points have no data. Raises as ``Device.read`` says.
        """
        group = self._groups[read.points]
        begun_ns = self._clock.mono_ns()
        telegram = self._waiting.pop(read.points, None)
        if telegram is None or begun_ns - telegram.mono_ns > read.period_s * 1e9:
            heard = await self._listen(group)
            telegram = self._waiting.pop(read.points, None)
            if telegram is None:
                return group.nothing(self._index, heard)
        now_ns = self._clock.mono_ns()
        earlier = now_ns - telegram.mono_ns > _NOW_NS
        return group.batch(self._index, now_ns if earlier else telegram.mono_ns, telegram, earlier=earlier)

    async def probe(self) -> None:
        """Wait for any telegram. Raises like ``read``."""
        await self._listen(None)

    async def _listen(self, group: Group | None) -> int:
        """Wait for a telegram that ``group`` wants (None: for any); give when the last one of any kind was there.

        Raises:
            NoReplyError: nothing came at all.
        """
        heard_ns: list[int] = []
        failed: list[DriverError] = []

        def wanted(frame: F) -> bool:
            there = bool(heard_ns) and self._is_there(group)  # then this one only takes its place
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
            return not there and self._is_there(group)

        try:
            await frames_on(self._line).exchange(
                b"",
                ListeningDecoder(self._make),
                wanted,
                reply_bytes=max(read.reply_bytes for read in self._reads),
                timeout_s=self._timeout_s,
                settings=self._settings,
            )
        except NoReplyError:
            if not heard_ns:
                raise
        if failed and not (heard_ns and self._is_there(group)):
            raise failed[0]
        return heard_ns[-1]

    def _is_there(self, group: Group | None) -> bool:
        return group is None or group.read.points in self._waiting

    def _keep(self, telegram: Telegram) -> None:
        self._identity = telegram.identity or self._identity
        for points, group in self._groups.items():
            if group.fits(telegram):
                self._waiting[points] = telegram
