"""Gateways with their blocks in memory, and a platform with its database, to be put at both ends of a broker."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

from agent.block.dictionary import encode_add
from agent.block.events import addition_of, read_events
from agent.block.form import EVENTS, read_form
from agent.block.messages import Receipt
from agent.block.record import EventKind
from agent.clock import SystemClock
from agent.collector.ingest import Ingest
from agent.collector.run import receipt_key
from agent.collector.service import Service
from agent.collector.store import Database
from agent.config import Uplink as UplinkSettings
from agent.delivery.mqtt_options import MqttOptions, parse_broker_url
from agent.delivery.mqtt_state import Phase
from agent.keys import NamedKey, key_line
from agent.storing.stored import ReceiptOutcome, StorageStatus, StoredBlock, seq_of
from agent.uplink import Uplink
from tests.agent.block.chains import Gateway


class Outbox:
    """Storage of a test gateway: blocks in memory, custody as in the agent."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.receipted_seq = -1
        self._told = 0
        self._callback: Callable[[StoredBlock], None] = lambda _: None

    def stored(self) -> list[StoredBlock]:
        return [
            StoredBlock(
                seq=seq_of(sealed.epoch, sealed.number),
                epoch=sealed.epoch,
                number=sealed.number,
                head=sealed.head,
                message=sealed.message,
                readings=sealed.readings,
            )
            for sealed in self.gateway.sealed
        ]

    def seal(self, count: int) -> None:
        self.gateway.seal(count)
        self._callback(self.stored()[-1])

    def on_sealed(self, callback: Callable[[StoredBlock], None]) -> None:
        self._callback = callback

    async def peek(self, destination: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        assert len(destination) == 8
        floor = max(after, self.receipted_seq)
        return tuple([block for block in self.stored() if block.seq > floor][:limit])

    async def fetch(self, epoch: int, first: int, last: int | None, limit: int) -> tuple[StoredBlock, ...]:
        found = [block for block in self.stored() if (block.epoch, block.number) >= (epoch, first)]
        return tuple([block for block in found if last is None or block.seq <= seq_of(epoch, last)][:limit])

    async def dictionary_before(self, epoch: int) -> tuple[bytes, ...]:
        payloads = [read_form(sealed.message).payload for sealed in self.gateway.sealed if sealed.epoch < epoch]
        found = [event for payload in payloads if EVENTS in payload for event in read_events(payload[EVENTS])]
        return tuple(encode_add(addition_of(event)) for event in found if event.kind == EventKind.DICTIONARY)

    async def receipted(self, destination: bytes, receipt: Receipt) -> ReceiptOutcome:
        assert len(destination) == 8
        seq = seq_of(receipt.epoch, receipt.number)
        mine = next(block for block in self.stored() if block.seq == seq)
        assert mine.head == receipt.head
        if seq <= self.receipted_seq:
            return ReceiptOutcome.KNOWN
        self.receipted_seq = seq
        return ReceiptOutcome.ACCEPTED

    def status(self) -> StorageStatus:
        return StorageStatus()

    @property
    def all_receipted(self) -> bool:
        return self.receipted_seq == self.stored()[-1].seq


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  it watches other threads
            await asyncio.sleep(0.02)


class Platform:
    """A collector's database, and the service over it whenever it is wanted."""

    def __init__(self, path: Path, *gateways: Gateway) -> None:
        self.path = path
        self.faults: list[str] = []
        self.trust = [NamedKey(spki=gateway.identity.spki, name=gateway.name) for gateway in gateways]
        with closing(Database.open(path)) as db:
            self.key = receipt_key(db)
        self.key_line = key_line(self.key.spki, "city")

    @contextlib.asynccontextmanager
    async def serving(self, url: str, protocol: int = 5) -> AsyncIterator[Service]:
        with closing(Database.open(self.path)) as db:
            options = MqttOptions(
                endpoint=parse_broker_url(url),
                client_id=f"collector-{random.randrange(10**9)}",
                protocol=protocol,
                window=50,
            )
            service = Service(
                options,
                Ingest(db, self.trust),
                self.key,
                clock=SystemClock(),
                rng=random.Random(5),
                on_fault=self.faults.append,
            )
            async with asyncio.TaskGroup() as group:
                task = group.create_task(service.run())
                try:
                    await until(lambda: service.link.phase is Phase.CONNECTED)
                    yield service
                finally:
                    task.cancel()

    def readings(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as db:
            return [number for (number,) in db.execute("SELECT reading FROM readings ORDER BY reading")]


def uplink_of(outbox: Outbox, url: str, receipt: str, **settings: object) -> Uplink:
    return Uplink(
        UplinkSettings(url=url, receipt_key=receipt, **settings),  # type: ignore[arg-type]
        outbox.gateway.identity.kid,
        outbox,
        clock=SystemClock(),
        rng=random.Random(7),
    )


@contextlib.asynccontextmanager
async def running(uplink: Uplink) -> AsyncIterator[Uplink]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(uplink.run())
        try:
            yield uplink
        finally:
            task.cancel()
