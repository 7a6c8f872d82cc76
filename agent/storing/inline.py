"""Storage without a thread, for tests under virtual time: the loop itself does the work, between its other turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from agent.errors import StorageError
from agent.storage import StoragePort
from agent.storing.desk import Desk
from agent.storing.stored import StoredBlock

T = TypeVar("T")


class InlineStorage(StoragePort):
    """Same face, same rules, same file; every wait is a timer of the running loop."""

    def start(self) -> None:
        """Open the chain; see ``StoragePort.start``."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        desk = self._open()
        self._run(desk)
        self._desk = desk
        self._again()

    async def close(self) -> None:
        """Seal and commit what was handed over; see ``StoragePort.close``."""
        if self._desk is None:
            return
        self._disarm()
        desk, self._desk = self._desk, None
        self._publish(self._finish(desk))

    def _wake(self) -> None:
        self._disarm()
        self._timer = self._loop.call_later(0, self._fire)

    def _deliver(self, stored: tuple[StoredBlock, ...]) -> None:
        self._publish(stored)

    async def _ask(self, question: Callable[[Desk], T]) -> T:
        if self._desk is None:
            raise StorageError("storage has ended")
        await asyncio.sleep(0)
        if self._desk is None:
            raise StorageError("storage has ended")
        return question(self._desk)

    def _fire(self) -> None:
        if self._desk is None:
            return
        stored = self._run(self._desk)
        self._again()
        self._publish(stored)

    def _again(self) -> None:
        self._disarm()
        if self._desk is not None:
            self._timer = self._loop.call_later(self._pause_s(self._desk), self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
