"""An uplink between blocks in memory and a scripted MQTT server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Callable

from agent.block.messages import Receipt, make_receipt
from agent.block.record import DeviceEntry, DictionaryAdd, PointEntry
from agent.config import Uplink as UplinkSettings
from agent.delivery.topics import topics_of
from agent.delivery.uplink_status import UplinkStatus
from agent.keys import SigningKey, key_line
from agent.messages import MESSAGES
from agent.storing.stored import DestinationStatus, ReceiptOutcome, StorageStatus, StoredBlock, place_of, seq_of
from agent.uplink import Uplink
from hil.mqtt_peer import MqttPeer, Script

GATEWAY = bytes.fromhex("41a0b1c2d3e4f506")
TOPICS = topics_of(GATEWAY)
UTC_MS = 1_790_000_000_000


class LoopClock:
    """The loop's clock as CLOCK_BOOTTIME."""

    def mono_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def utc_ns(self) -> int:
        return UTC_MS * 10**6


def block(epoch: int, number: int, size: int = 100) -> StoredBlock:
    message = f"{epoch}/{number} ".encode().ljust(size, b".")
    head = hashlib.sha256(message).digest()
    return StoredBlock(seq=seq_of(epoch, number), epoch=epoch, number=number, head=head, message=message, readings=1)


class Shelf:
    """Blocks in memory, with the promises of storage."""

    kid = bytes(8)

    def __init__(self, *places: tuple[int, int]) -> None:
        self.blocks = [block(*place) for place in places]
        self.receipted_seq = -1
        self.outcomes: list[ReceiptOutcome] = []
        self.dictionary: list[tuple[int, bytes]] = []
        self._callbacks: list[Callable[[StoredBlock], None]] = []

    def seal(self, epoch: int, number: int, size: int = 100) -> None:
        self.blocks.append(block(epoch, number, size))
        for callback in self._callbacks:
            callback(self.blocks[-1])

    def on_sealed(self, callback: Callable[[StoredBlock], None]) -> None:
        self._callbacks.append(callback)

    async def peek(self, destination: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        assert len(destination) == 8
        await asyncio.sleep(0)
        floor = max(after, self.receipted_seq)
        return tuple([stored for stored in self.blocks if stored.seq > floor][:limit])

    async def fetch(self, epoch: int, first: int, last: int | None, limit: int) -> tuple[StoredBlock, ...]:
        await asyncio.sleep(0)
        end = seq_of(epoch, last) if last is not None else 2**63
        return tuple([stored for stored in self.blocks if seq_of(epoch, first) <= stored.seq <= end][:limit])

    async def dictionary_before(self, epoch: int) -> tuple[bytes, ...]:
        return tuple(addition for at, addition in self.dictionary if at < epoch)

    async def receipted(self, destination: bytes, receipt: Receipt) -> ReceiptOutcome:
        assert len(destination) == 8
        seq = seq_of(receipt.epoch, receipt.number)
        mine = next((stored for stored in self.blocks if stored.seq == seq), None)
        if mine is None:
            outcome = ReceiptOutcome.ABOVE_CHAIN
        elif mine.head != receipt.head:
            outcome = ReceiptOutcome.FOREIGN_HEAD
        elif seq <= self.receipted_seq:
            outcome = ReceiptOutcome.KNOWN
        else:
            outcome = ReceiptOutcome.ACCEPTED
            self.receipted_seq = seq
        self.outcomes.append(outcome)
        return outcome

    def status(self) -> StorageStatus:
        pending = sum(1 for stored in self.blocks if stored.seq > self.receipted_seq)
        last = (self.blocks[-1].epoch, self.blocks[-1].number) if self.blocks else None
        receipted = place_of(self.receipted_seq) if self.receipted_seq >= 0 else None
        mine = DestinationStatus(kid=self.kid, receipted=receipted, pending_blocks=pending, pending_bytes=0)
        return StorageStatus(pending_blocks=pending, last=last, destinations=(mine,))


def seen_blocks(peer: MqttPeer) -> list[tuple[int, int]]:
    found = [payload.split(b" ")[0].split(b"/") for topic, payload in peer.seen.published if topic == TOPICS.block]
    return [(int(epoch), int(number)) for epoch, number in found]


def receipt_of(platform: SigningKey, stored: StoredBlock, *, head: bytes | None = None) -> bytes:
    return make_receipt(platform, GATEWAY, stored.epoch, stored.number, head or stored.head, UTC_MS)


@contextlib.asynccontextmanager
async def serving(
    shelf: Shelf, platform: SigningKey, script: Script, window: int = 16, troubles: list[UplinkStatus] | None = None
) -> AsyncIterator[tuple[MqttPeer, Uplink]]:
    async with MqttPeer(script).running() as peer:
        shelf.kid = platform.kid
        settings = UplinkSettings(
            url=f"mqtt://127.0.0.1:{peer.port}", receipt_key=key_line(platform.spki, "city"), window=window
        )
        uplink = Uplink(
            settings,
            GATEWAY,
            shelf,
            clock=LoopClock(),
            rng=random.Random(3),
            on_trouble=None if troubles is None else troubles.append,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(uplink.run())
            try:
                yield peer, uplink
            finally:
                task.cancel()


def sentence_of(status: UplinkStatus) -> str:
    assert status.trouble is not None
    return MESSAGES[status.trouble.value].text.format(**dict(status.facts))


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  it watches another thread
            await asyncio.sleep(0.01)


def addition(device: int, point: int) -> DictionaryAdd:
    named = DeviceEntry(id=bytes(8), name=f"meter {device}", profile="x/y", profile_hash=bytes(16))
    entry = PointEntry(device=device, quantity="voltage", unit="V", exponent=-1, kind=0, klass=0)
    return DictionaryAdd(first_device=device, devices=(named,), first_point=point, points=(entry,))
