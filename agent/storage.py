"""Storage as the rest of the agent sees it: hand over and go on, never wait for a disk or a key.

``Storage`` runs one thread that owns SQLite, the writer and the session key.
``agent.storing.inline`` has the same face without a thread, for tests under virtual time.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from agent.block.messages import Receipt
from agent.clock import SealingClock
from agent.errors import AgentError, StorageError
from agent.keys import KeyStore
from agent.killpoint import Reached, no_kill
from agent.storing.chain import StorageSettings
from agent.storing.desk import Desk
from agent.storing.flash import thread_written_bytes
from agent.storing.handover import QUEUE_READINGS, Handover
from agent.storing.stored import Pressure, ReceiptOutcome, StorageStatus, StoredBlock

__all__ = [
    "Pressure",
    "ReceiptOutcome",
    "Storage",
    "StoragePort",
    "StorageSettings",
    "StorageStatus",
    "StoredBlock",
]

FETCH_BLOCKS: Final = 1_000
T = TypeVar("T")


class StoragePort(Handover):
    """Everything that loop code may ask of storage. Every method is called in the loop and none waits for the disk.

    Attributes:
        moved_mono_ms: when the desk last did something; it does at least every ``max_age_s``, unless the disk hangs.
    """

    def __init__(
        self,
        settings: StorageSettings,
        keys: KeyStore,
        clock: SealingClock,
        *,
        reached: Reached = no_kill,
        random: Callable[[int], bytes] = os.urandom,
        written: Callable[[], int | None] = thread_written_bytes,
        queue_readings: int = QUEUE_READINGS,
    ) -> None:
        super().__init__(queue_readings)
        self._open: Callable[[], Desk] = lambda: Desk(
            settings, keys, clock, random=random, written=written, reached=reached
        )
        self._max_age_ms = int(settings.rules.max_age_s * 1000)
        self._clock = clock
        self._callbacks: list[Callable[[StoredBlock], None]] = []
        self._status = StorageStatus()
        self.moved_mono_ms = 0

    @abstractmethod
    def start(self) -> None:
        """Open the chain and register the devices given so far; returns when that is done.

        Raises:
            StorageError: the disk refuses, or another agent is running.
            ChainDamagedError: a restored backup or damage; nothing was signed.
            KeyUnavailableError: the identity or the session key cannot be used.
        """

    @abstractmethod
    async def close(self) -> None:
        """Seal and commit what was handed over, tell ``on_sealed``, end. What is offered afterwards is refused."""

    @abstractmethod
    def _deliver(self, stored: tuple[StoredBlock, ...]) -> None:
        """Let ``_publish`` be called in the loop, in the order of the calls."""

    @abstractmethod
    async def _ask(self, question: Callable[[Desk], T]) -> T:
        """Let the desk answer between two commits."""

    def on_sealed(self, callback: Callable[[StoredBlock], None]) -> None:
        """Call ``callback`` in the loop with each block once it is committed, in chain order."""
        self._callbacks.append(callback)

    async def peek(self, destination: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        """Give up to ``limit`` blocks with ``seq > after`` that ``destination`` has not receipted, in chain order.

        Raises:
            StorageError: the disk refuses, or storage has ended.
        """
        return await self._ask(lambda desk: desk.peek(destination, after, limit))

    async def fetch(
        self, epoch: int, first: int, last: int | None, limit: int = FETCH_BLOCKS
    ) -> tuple[StoredBlock, ...]:
        """Give up to ``limit`` of the blocks ``first`` to ``last`` of ``epoch`` that are here; None: all after.

        Raises:
            StorageError: the disk refuses, or storage has ended.
        """
        return await self._ask(lambda desk: desk.fetch(epoch, first, last, limit))

    async def dictionary_before(self, epoch: int) -> tuple[bytes, ...]:
        """Give the encoded dictionary-adds before block 0 of ``epoch``, for a destination that starts there.

        Raises:
            StorageError: the disk refuses, or storage has ended.
        """
        return await self._ask(lambda desk: desk.dictionary_before(epoch))

    async def receipted(self, destination: bytes, receipt: Receipt) -> ReceiptOutcome:
        """Take in a receipt whose signature and gateway were checked; kept on disk with the next block.

        Raises:
            StorageError: the disk refuses, or storage has ended.
        """

        def take(desk: Desk) -> ReceiptOutcome:
            outcome = desk.receipted(destination, receipt)
            self._look(desk)
            return outcome

        return await self._ask(take)

    async def flush(self) -> None:
        """Seal and commit what was handed over and tell ``on_sealed``; receipts can still come in afterwards.

        Raises:
            StorageError: not everything is on the disk (it refuses, or a key does; what waits is tried again), or
                storage has ended.
        """

        def seal(desk: Desk) -> None:
            self._drain(desk, self._now_ms(), flush=True)
            flushed = desk.flush()
            self._deliver(flushed.blocks)
            self._look(desk)
            if flushed.fault is not None:
                raise StorageError(flushed.fault.text)

        await self._ask(seal)

    def status(self) -> StorageStatus:
        """Tell how things were when the desk last did something."""
        return replace(self._status, waiting_readings=self._waiting())

    def pressure(self) -> Pressure:
        """Tell what is to be given up."""
        return self._status.pressure

    def _run(self, desk: Desk) -> tuple[StoredBlock, ...]:
        """Take in what was handed over and seal what is due; on the desk's own thread."""
        self._drain(desk, self._now_ms())
        stored = desk.turn()
        if self._counts is None and not desk.intake.opening:
            self._counts = desk.recollection.counts()
        self._drained_until(desk.room())
        self._look(desk)
        return stored

    def _finish(self, desk: Desk) -> tuple[StoredBlock, ...]:
        """Take in and seal all there is, and let go of the file."""
        self._drain(desk, self._now_ms(), flush=True)
        try:
            stored = desk.finish()
            self._look(desk)
        finally:
            desk.close()
        return stored

    def _look(self, desk: Desk) -> None:
        self._status, self.moved_mono_ms = desk.status(), self._now_ms()

    def _pause_s(self, desk: Desk) -> float:
        """How long nothing has to be done unless something comes in that cannot wait."""
        if self._left:
            return 0
        due_ms = desk.due_ms()
        now_ms = self._now_ms()
        latest_ms = now_ms + self._max_age_ms  # readings that need no wake-up are found by then
        return max(0, min(latest_ms, due_ms if due_ms is not None else latest_ms) - now_ms) / 1000

    def _now_ms(self) -> int:
        return self._clock.mono_ns() // 1_000_000

    def _publish(self, stored: tuple[StoredBlock, ...]) -> None:
        for block in stored:
            for callback in self._callbacks:
                callback(block)


class Storage(StoragePort):
    """Storage with its thread; ``start`` and ``close`` belong to one running loop."""

    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the chain; see ``StoragePort.start``. Blocks for the few milliseconds that takes."""
        self._loop = asyncio.get_running_loop()
        self._looked = threading.Event()
        self._event = threading.Event()
        self._questions: deque[tuple[Callable[[Desk], object], asyncio.Future[object]]] = deque()
        self._closing = False
        self._error: AgentError = StorageError("the storage thread died")
        self._ended = self._loop.create_future()
        thread = threading.Thread(target=self._work, name="storage", daemon=True)
        thread.start()
        self._looked.wait()
        if self._desk is None:
            thread.join()
            raise self._error
        self._thread = thread

    async def close(self) -> None:
        """Seal and commit what was handed over, then end; see ``StoragePort.close``."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing = True
        self._event.set()
        await self._ended
        thread.join()

    def _wake(self) -> None:
        if not self._event.is_set():
            self._event.set()

    async def _ask(self, question: Callable[[Desk], T]) -> T:
        if self._desk is None or self._closing:
            raise StorageError("storage has ended")
        answer: asyncio.Future[object] = self._loop.create_future()
        self._questions.append((question, answer))
        self._event.set()
        return await answer  # type: ignore[return-value]  # what the question gave

    def _work(self) -> None:
        """The storage thread."""
        try:
            desk = self._open()
            self._run(desk)
            self._desk = desk
        except AgentError as error:
            self._error = error
            return
        finally:
            self._looked.set()
        try:
            while not self._closing:
                self._event.wait(self._pause_s(desk))
                self._event.clear()
                self._answer(desk)
                self._deliver(self._run(desk))
            self._deliver(self._finish(desk))
        finally:
            self._desk = None
            desk.close()
            if not self._closing:
                self._status = replace(self._status, fault_code=StorageError.code, fault="the storage thread died")
            self._tell(self._end)

    def _answer(self, desk: Desk) -> None:
        while self._questions:
            question, answer = self._questions[0]  # stays until answered: if the thread dies, _end finds it
            try:
                result = question(desk)
            except StorageError as error:
                self._tell(_refuse, answer, error)
            else:
                self._tell(_fulfil, answer, result)
            self._questions.popleft()

    def _deliver(self, stored: tuple[StoredBlock, ...]) -> None:
        if stored:
            self._tell(self._publish, stored)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _end(self) -> None:
        """In the loop, last of all: whoever still waits for an answer gets none."""
        while self._questions:
            _refuse(self._questions.popleft()[1], StorageError("storage has ended"))
        if not self._ended.done():
            self._ended.set_result(None)


def _fulfil(answer: asyncio.Future[object], result: object) -> None:
    if not answer.done():
        answer.set_result(result)


def _refuse(answer: asyncio.Future[object], error: StorageError) -> None:
    if not answer.done():
        answer.set_exception(error)
