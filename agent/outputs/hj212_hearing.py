"""What the bureau wants on one connection: one request after another, each answered when it is done.

An order is done when it is on disk: what was answered as executed survives any kill. Whoever asks behind an order is
answered behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from agent.outputs.hj212_book import Book
from agent.outputs.hj212_packets import Identity
from agent.outputs.hj212_record import Record
from agent.outputs.hj212_requests import Done, Past, Reaction, ended, react
from drivers.codec.hj212_segment import Segment

MOST_REQUESTS: Final = 32
"""Requests that wait while the disk is slow; what comes beyond is not heard, and is asked again by whoever asked."""
_MOST_QUESTIONS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about the past.

    Attributes:
        records: what is still to be told, oldest first.
    """

    asked: Segment
    records: deque[Record]


class Hearing:
    """The bureau's end of one connection.

    Args:
        identity: who answers.
        book: what is known, and what is in force.
        say: sends a packet.
        news: is set when ``book`` has something to bring to disk.
        work: is set when there is something to tell, or other settings to tell it by.
    """

    def __init__(
        self,
        identity: Identity,
        book: Book,
        say: Callable[[Segment], None],
        *,
        news: asyncio.Event,
        work: asyncio.Event,
    ) -> None:
        self._identity = identity
        self._book = book
        self._say = say
        self._news, self._work = news, work
        self._requests: deque[Segment] = deque()
        self._came = asyncio.Event()
        self._questions: deque[Question] = deque()

    @property
    def question(self) -> Question | None:
        """What is to be told of the past next."""
        return self._questions[0] if self._questions else None

    def hear(self, said: Segment) -> None:
        """Take in what the bureau said."""
        if len(self._requests) < MOST_REQUESTS:
            self._requests.append(said)
            self._came.set()

    async def obey(self) -> NoReturn:
        """Do what was asked, in order; LinkDownError if the connection is gone."""
        while True:
            await self._came.wait()
            while self._requests:
                await self._do(self._requests.popleft())
            self._came.clear()

    def told_all(self) -> None:
        """Say of ``question`` that all was told (tables C.47 to C.50)."""
        self._say(ended(self._questions.popleft().asked, self._identity.edition, Done.DONE))

    async def _do(self, said: Segment) -> None:
        reaction = react(said, self._identity, self._book.settings, self._book.local())
        self._say_all(reaction.say)
        if reaction.settings is not None:
            await self._order(reaction)
        elif reaction.past is not None and reaction.asked is not None:
            self._look_up(reaction.past, reaction.asked)
        self._work.set()

    async def _order(self, reaction: Reaction) -> None:
        assert reaction.settings is not None  # it is an order
        done = self._book.order(reaction.settings)
        self._news.set()
        self._say_all(reaction.done if await done else reaction.failed)

    def _look_up(self, past: Past, asked: Segment) -> None:
        if any(_same(one.asked, asked) for one in self._questions):
            return  # asked again while it is being answered
        records = deque(self._book.kept.past(past.report, past.first, past.last))
        if not records:
            self._say(ended(asked, self._identity.edition, Done.NO_DATA))
        elif len(self._questions) >= _MOST_QUESTIONS:
            self._say(ended(asked, self._identity.edition, Done.BUSY))
        else:
            self._questions.append(Question(asked=asked, records=records))

    def _say_all(self, packets: tuple[Segment, ...]) -> None:
        for packet in packets:
            self._say(packet)


def _same(one: Segment, other: Segment) -> bool:
    return (one.head("QN"), one.head("CN"), one.items) == (other.head("QN"), other.head("CN"), other.items)
