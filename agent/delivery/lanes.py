"""Which block goes to a destination next: new ones first, then those asked for again, then the backlog. Pure.

New blocks overtake the backlog, so that a platform sees what happens now while it catches up with the past; the
verifier puts them in order (block format, rules for the verifier, 4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.storing.stored import StoredBlock, place_of, seq_of

LIVE_BLOCKS: Final = 16
PAGE_BLOCKS: Final = 16
MOST_REQUESTS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What has to be read from storage before anything more can be sent.

    Attributes:
        after: give unreceipted blocks behind this ``seq``; None for a range that was asked for.
        epoch: of the range, when ``after`` is None.
        first: number of its first block.
        last: number of its last block; None: everything after the first, later epochs too.
        limit: most blocks that are wanted.
    """

    after: int | None = None
    epoch: int = 0
    first: int = 0
    last: int | None = 0
    limit: int = PAGE_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    epoch: int
    first: int
    last: int | None
    since: int  # where an open-ended one began: what it has passed by is on its way

    def holds(self, other: _Request) -> bool:
        if self.last is None:
            return self.since <= seq_of(other.epoch, other.first)
        ends = other.last is not None and other.last <= self.last
        return self.epoch == other.epoch and self.first <= other.first and ends


class Lanes:
    """The queues of one destination; bounded, since what falls out of them is still in storage."""

    def __init__(self) -> None:
        self._live: deque[StoredBlock] = deque(maxlen=LIVE_BLOCKS)
        self._again: deque[StoredBlock] = deque()
        self._page: deque[StoredBlock] = deque()
        self._requests: deque[_Request] = deque()
        self._cursor = -1
        self._overtook: set[int] = set()
        self._quarantine: set[int] = set()
        self._caught_up = False

    @property
    def quarantine(self) -> tuple[tuple[int, int], ...]:
        """(epoch, number) of blocks that the broker will not take."""
        return tuple(place_of(seq) for seq in sorted(self._quarantine))

    @property
    def caught_up(self) -> bool:
        """Whether the backlog has been read to its end."""
        return self._caught_up

    def sealed(self, block: StoredBlock) -> None:
        """A new block was committed."""
        if len(self._live) == LIVE_BLOCKS:
            self._caught_up = False
        self._live.append(block)

    def ask(self, epoch: int, first: int, last: int | None) -> bool:
        """Take in a request for blocks.

        Returns:
            False if it is in the queue already, or the queue is full, or the backlog will come to it by itself.
        """
        if not self._caught_up and seq_of(epoch, first) > self._cursor:
            return False
        request = _Request(epoch=epoch, first=first, last=last, since=seq_of(epoch, first))
        if len(self._requests) >= MOST_REQUESTS or any(queued.holds(request) for queued in self._requests):
            return False
        self._requests.append(request)
        return True

    def again(self, blocks: Sequence[StoredBlock]) -> None:
        """Send these once more, before the backlog."""
        self._again.extend(block for block in blocks if block.seq not in self._quarantine)

    def rewind(self, seq: int) -> None:
        """Read the backlog anew from behind ``seq``."""
        self._cursor = min(self._cursor, seq)
        self._page.clear()
        self._overtook.clear()
        self._caught_up = False

    def forget_until(self, seq: int) -> None:
        """Everything up to ``seq`` is receipted."""
        self._cursor = max(self._cursor, seq)
        while self._page and self._page[0].seq <= seq:
            self._page.popleft()
        self._overtook = {other for other in self._overtook if other > seq}
        self._quarantine = {other for other in self._quarantine if other > seq}

    def set_aside(self, seq: int) -> None:
        """Never send this block again in this run: the broker refuses the block itself."""
        self._quarantine.add(seq)

    def take(self) -> StoredBlock | None:
        """Give the next block that is at hand."""
        while self._live:
            block = self._live.popleft()
            if block.seq <= self._cursor or block.seq in self._overtook:
                continue
            if self._caught_up and not self._page:
                self._cursor = block.seq
            else:
                self._overtook.add(block.seq)
            return block
        if self._again:
            return self._again.popleft()
        while self._page and not self._requests:
            block = self._page.popleft()
            self._cursor = block.seq
            if block.seq in self._overtook:
                self._overtook.discard(block.seq)
            elif block.seq not in self._quarantine:
                return block
        return None

    def want(self) -> Want | None:
        """Say what to read when ``take`` gave nothing; None if everything has been sent."""
        if self._requests:
            request = self._requests[0]
            last = None if request.last is None else min(request.first + PAGE_BLOCKS - 1, request.last)
            return Want(epoch=request.epoch, first=request.first, last=last)
        return None if self._caught_up else Want(after=self._cursor)

    def supply(self, want: Want, blocks: Sequence[StoredBlock]) -> None:
        """Take what storage gave for ``want``."""
        if want.after is not None:
            if want.after == self._cursor:
                self._page.extend(blocks)
                self._caught_up = not blocks
            return
        if want.last is None:
            self._supply_open(want, blocks)
            return
        self.again(blocks)
        if not self._is_first(want):
            return
        request = self._requests[0]
        if want.last == request.last:
            self._requests.popleft()
        else:
            self._requests[0] = replace(request, first=want.last + 1)

    def _supply_open(self, want: Want, blocks: Sequence[StoredBlock]) -> None:
        """What goes on from the block asked for without a gap is sent, over epochs, up to where the backlog stands.

        Behind a gap nothing can be chained, unless the gateway declared it; what says so has no receipt yet, so the
        backlog is read anew.
        """
        sent = [block for block in _going_on(want, blocks) if self._caught_up or block.seq <= self._cursor]
        self.again(sent)
        if not self._is_first(want):
            return
        epoch, first = (sent[-1].epoch, sent[-1].number + 1) if sent else (want.epoch, want.first)
        if blocks and len(sent) == len(blocks):
            self._requests[0] = replace(self._requests[0], epoch=epoch, first=first)
            return
        self._requests.popleft()
        self.rewind(seq_of(epoch, first) - 1)

    def _is_first(self, want: Want) -> bool:
        """Whether the first request in the queue is the one that ``want`` was made for."""
        return bool(self._requests) and (self._requests[0].epoch, self._requests[0].first) == (want.epoch, want.first)


def _going_on(want: Want, blocks: Sequence[StoredBlock]) -> Iterator[StoredBlock]:
    """The first of ``blocks``, each the next number or a later epoch's block 0.

    Openings are kept for ever and the blocks between them are not: of two openings in a row only the first goes on.
    """
    epoch, number = want.epoch, want.first
    for index, block in enumerate(blocks):
        opens = block.number == 0 and block.epoch > epoch and (index == 0 or number > 1)
        if (block.epoch, block.number) != (epoch, number) and not opens:
            return
        yield block
        epoch, number = block.epoch, block.number + 1
