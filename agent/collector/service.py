"""The collector on the line: blocks in from the broker, receipts and questions out.

paho's thread fills a bounded queue (when it is full the broker has to wait), one thread judges and stores, the loop
signs and publishes. A receipt is signed after the commit that it speaks of.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from agent.block.cose import Signer
from agent.block.messages import make_receipt, make_resend
from agent.block.verify import Verdict
from agent.collector.ingest import Arrival, Batch, Ingest, Receipted
from agent.collector.owed import Due, Owed, ReceiptDue
from agent.delivery.mqtt_client import MqttClient
from agent.delivery.mqtt_options import MqttOptions
from agent.delivery.mqtt_state import Incoming, LinkState, Outcome
from agent.delivery.topics import ALL_BLOCKS, ALL_DICTIONARIES, parse_topic, topics_of
from agent.errors import AgentError, StorageError
from drivers.clock import Clock

BATCH_S: Final = 0.05
BATCH_BLOCKS: Final = 100
QUEUE_BLOCKS: Final = 2000
QUEUE_BYTES: Final = 64 * 1024 * 1024
TICK_S: Final = 0.1
IDLE_S: Final = 0.5
RETRY_S: Final = 1.0
_SENT: Final = frozenset({Outcome.ACCEPTED, Outcome.NO_SUBSCRIBERS})


class CollectorStoppedError(AgentError):
    """A fault of this program ended the thread that stores: nothing more is taken in."""

    code = "internal-error"


@dataclass(slots=True)
class Totals:
    """Counters of this run.

    Attributes:
        refused: receipts and questions that the broker did not take.
        reasons: refusals of messages by kebab-case reason.
        fault: sentence of the last failed transaction, empty since the last good one.
    """

    blocks: int = 0
    readings: int = 0
    duplicates: int = 0
    receipts: int = 0
    resends: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    fault: str = ""


class Service:
    """One collector process. ``run`` until cancelled.

    Args:
        options: of the MQTT client; its subscriptions are set here.
        ingest: over the database, used by the ingest thread only while this runs.
        signer: the receipt key.
        clock: UTC of receipts; times of the link.
        rng: for pauses between connections.
        on_change: called in the loop when the connection has changed.
        on_batch: called in the loop after each commit.
        on_fault: called in the loop with the sentence when nothing can be stored, and with none when it can again.
    """

    def __init__(
        self,
        options: MqttOptions,
        ingest: Ingest,
        signer: Signer,
        *,
        clock: Clock,
        rng: random.Random,
        on_change: Callable[[LinkState], None] | None = None,
        on_batch: Callable[[Batch], None] | None = None,
        on_fault: Callable[[str], None] | None = None,
    ) -> None:
        self.totals = Totals()
        self._ingest = ingest
        self._signer = signer
        self._clock = clock
        self._on_batch = on_batch
        self._on_fault = on_fault
        self._owed = Owed()
        for progress in ingest.known():  # a gateway that gave up for want of a subscriber hears that we are back
            self._owed.note(progress, greet=True)
        self._arrivals: queue.Queue[Arrival] = queue.Queue(QUEUE_BLOCKS)
        self._put_bytes = self._taken_bytes = 0  # each written by one thread
        self._sent: queue.SimpleQueue[Receipted] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._stopped = asyncio.Event()
        self._client = MqttClient(
            replace(options, subscriptions=(ALL_BLOCKS, ALL_DICTIONARIES)),
            clock=clock,
            rng=rng,
            on_message=self._incoming,
            on_change=on_change,
        )

    @property
    def link(self) -> LinkState:
        """The connection to the broker."""
        return self._client.state

    async def run(self) -> None:
        """Serve until cancelled; what was taken in by then is stored before this returns."""
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._store, args=(loop,), name="ingest", daemon=True)
        thread.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._client.run())
                group.create_task(self._settle())
                group.create_task(self._guard())
        finally:
            self._ending.set()
            await asyncio.to_thread(thread.join)

    def _incoming(self, message: Incoming) -> None:
        """In the network thread; blocks while the queue is full, by count or by bytes."""
        leaf = parse_topic(message.topic)
        if leaf is None or leaf.name not in ("block", "dictionary"):
            return
        arrival = Arrival(message=message.payload, gateway=leaf.gateway, dictionary=leaf.name == "dictionary")
        while not self._ending.is_set():
            if self._put_bytes - self._taken_bytes >= QUEUE_BYTES:
                self._ending.wait(TICK_S)
                continue
            with suppress(queue.Full):
                self._arrivals.put(arrival, timeout=TICK_S)
                self._put_bytes += len(arrival.message)
                return

    def _store(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the ingest thread: batches of 50 ms or 100 blocks, each in one transaction."""
        unsaved: list[Receipted] = []
        try:
            batch: list[Arrival] | None = []
            while batch is not None:
                batch = self._gather()
                unsaved += self._drain_sent()
                if batch or unsaved:
                    done = self._store_batch(loop, batch or [], unsaved)
                    if done is None:
                        break  # not stored, so not receipted: the gateways still have it
                    unsaved = []
                    _post(loop, self._stored, done)
        finally:
            _post(loop, self._stopped.set)

    def _store_batch(
        self, loop: asyncio.AbstractEventLoop, batch: list[Arrival], receipted: list[Receipted]
    ) -> Batch | None:
        """Repeat until it is stored; None when the end comes first."""
        while True:
            try:
                return self._ingest.take(batch, self._clock.utc_ns() // 1_000_000, receipted)
            except StorageError as error:
                _post(loop, self._failed, str(error))
                if self._ending.wait(RETRY_S):
                    return None

    def _gather(self) -> list[Arrival] | None:
        """Wait for a block, then for more of them; empty when none came, None at the end when none is left."""
        try:
            batch = [self._arrivals.get(timeout=IDLE_S)]
        except queue.Empty:
            return None if self._ending.is_set() else []
        deadline_ns = self._clock.mono_ns() + int(BATCH_S * 1e9)
        while len(batch) < BATCH_BLOCKS:
            left_s = (deadline_ns - self._clock.mono_ns()) / 1e9
            try:
                batch.append(self._arrivals.get(timeout=left_s) if left_s > 0 else self._arrivals.get_nowait())
            except queue.Empty:
                break
        self._taken_bytes += sum(len(arrival.message) for arrival in batch)
        return batch

    def _drain_sent(self) -> list[Receipted]:
        sent: list[Receipted] = []
        with suppress(queue.Empty):
            while True:
                sent.append(self._sent.get_nowait())
        return sent

    def _stored(self, batch: Batch) -> None:
        """In the loop: the batch is committed."""
        totals = self.totals
        verdicts = dict(batch.verdicts)
        totals.blocks += sum(progress.chained for progress in batch.progress)
        totals.readings += batch.readings
        totals.duplicates += verdicts.get(Verdict.DUPLICATE, 0)
        totals.reasons.update(dict(batch.reasons))
        self._failed("")
        for progress in batch.progress:
            self._owed.note(progress)
        self._publish_due()
        if self._on_batch is not None:
            self._on_batch(batch)

    def _failed(self, sentence: str) -> None:
        if sentence != self.totals.fault and self._on_fault is not None:
            self._on_fault(sentence)
        self.totals.fault = sentence

    async def _guard(self) -> None:
        """A collector whose ingest thread has died must not look alive."""
        await self._stopped.wait()
        raise CollectorStoppedError("the thread that stores has ended; see the trace before this line")

    async def _settle(self) -> None:
        """Send what becomes due with time."""
        while True:
            self._publish_due()
            await asyncio.sleep(TICK_S)

    def _publish_due(self) -> None:
        if self._client.free == 0:
            return
        for due in self._owed.due(self._clock.mono_ns() / 1e9):
            if self._client.free == 0:
                self._owed.failed(due)
                continue
            self._publish(due)

    def _publish(self, due: Due) -> None:
        topics = topics_of(due.gateway)
        if isinstance(due, ReceiptDue):
            utc_ms = self._clock.utc_ns() // 1_000_000
            message = make_receipt(self._signer, due.gateway, *due.place, due.head, utc_ms)
            topic = topics.receipt
        else:
            message = make_resend(self._signer, due.gateway, due.epoch, due.first, due.last)
            topic = topics.resend
        answer = self._client.publish(topic, message)
        answer.add_done_callback(lambda done: self._answered(due, done.result().outcome))

    def _answered(self, due: Due, outcome: Outcome) -> None:
        """A receipt that the gateway was not there to take is signed all the same: it gets it again for any block."""
        if outcome is Outcome.LOST:
            self._owed.failed(due)
        elif outcome not in _SENT:
            self.totals.refused += 1
        elif isinstance(due, ReceiptDue):
            self.totals.receipts += 1
            self._sent.put(Receipted(gateway=due.gateway, place=due.place))
        else:
            self.totals.resends += 1


def _post(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
        loop.call_soon_threadsafe(function, *arguments)
