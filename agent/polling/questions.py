"""What people and commands want of the devices of a bus, waiting for its turn."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.errors import AgentError
from drivers.sources import Device

T = TypeVar("T")


class BusLentError(AgentError):
    """The bus is lent to a technician."""

    code = "bus-lent"


@dataclass(frozen=True, slots=True)
class Question:
    """One exchange that somebody wants with the device at a position of the bus."""

    device: int
    work: Callable[[Device], Awaitable[Any]]
    answer: asyncio.Future[Any]

    def failed(self, error: Exception) -> None:
        """Tell whoever asked that nothing comes of it."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def answered(self, found: object) -> None:
        """Tell whoever asked, if they still wait."""
        if not self.answer.done():
            self.answer.set_result(found)


class Questions:
    """The open questions of one bus, by ticket."""

    def __init__(self) -> None:
        self._tickets = itertools.count()
        self._open: dict[int, Question] = {}

    def put(self, device: int, work: Callable[[Device], Awaitable[T]]) -> tuple[int, asyncio.Future[T]]:
        """Take a question; give its ticket and the future of its answer."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        ticket = next(self._tickets)
        self._open[ticket] = Question(device, work, answer)
        return ticket, answer

    def take(self, ticket: int) -> Question | None:
        """Give the question whose turn it is, None if nobody waits for its answer any more."""
        question = self._open.pop(ticket, None)
        return None if question is None or question.answer.done() else question

    def drop(self, error: Exception) -> None:
        """Answer every open question with ``error``."""
        questions, self._open = self._open, {}
        for question in questions.values():
            question.failed(error)
