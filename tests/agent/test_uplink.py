"""Custody of blocks between the outbox and a platform, against a scripted MQTT server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.block import cbor
from agent.block.dictionary import encode_add, read_cbdict
from agent.block.messages import Receipt, make_receipt, make_resend
from agent.block.record import DeviceEntry, DictionaryAdd, PointEntry
from agent.config import Uplink as UplinkSettings
from agent.delivery.lanes import Lanes, Want
from agent.delivery.mqtt_state import Outcome, Phase, Trouble
from agent.delivery.standing import Standing
from agent.delivery.topics import topics_of
from agent.delivery.uplink_status import UplinkStatus
from agent.keys import FileKeyStore, SigningKey, key_line
from agent.messages import MESSAGES
from agent.storing.offering import dictionary_parts
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


@pytest.fixture
def platform(tmp_path: Path) -> SigningKey:
    return FileKeyStore(tmp_path / "platform").create_identity()


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


async def until(condition: Callable[[], bool], timeout_s: float = 8.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  it watches another thread
            await asyncio.sleep(0.01)


async def test_the_backlog_goes_in_chain_order_and_a_receipt_ends_custody(platform: SigningKey) -> None:
    shelf = Shelf(*((0, n) for n in range(40)), *((1, n) for n in range(5)))
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: len(seen_blocks(peer)) == 45)
        assert seen_blocks(peer) == [(0, n) for n in range(40)] + [(1, n) for n in range(5)]
        await until(lambda: uplink.status().published_blocks == 45)
        assert shelf.receipted_seq == -1
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[42]))
        await until(lambda: shelf.receipted_seq == seq_of(1, 2))
        assert uplink.status().receipted == (1, 2)


async def test_the_window_is_never_overrun(platform: SigningKey) -> None:
    shelf = Shelf(*((0, n) for n in range(30)))
    async with serving(shelf, platform, Script(puback_default=None), window=4) as (peer, uplink):
        for most in range(1, 7):
            await until(lambda most=most: len(peer.seen.published) >= 4 * most)  # type: ignore[misc]
            await asyncio.sleep(0.05)
            assert uplink.status().window == 4
            peer.release()
        assert peer.seen.unanswered_peak == 4


async def test_new_blocks_overtake_the_backlog_and_none_is_left_out(platform: SigningKey) -> None:
    shelf = Shelf(*((0, n) for n in range(100)))
    async with serving(shelf, platform, Script(puback_default=None), window=4) as (peer, _):
        await until(lambda: len(seen_blocks(peer)) >= 3)
        shelf.seal(0, 100)
        shelf.seal(0, 101)
        while len(seen_blocks(peer)) < 102:
            peer.release()
            await asyncio.sleep(0.005)
        order = seen_blocks(peer)
        assert sorted(order) == [(0, n) for n in range(102)]
        assert order.index((0, 101)) < 20


async def test_blocks_sealed_faster_than_sent_are_all_sent(platform: SigningKey) -> None:
    shelf = Shelf((0, 0))
    async with serving(shelf, platform, Script(puback_default=None), window=2) as (peer, _):
        await until(lambda: len(seen_blocks(peer)) == 1)
        for number in range(1, 80):
            shelf.seal(0, number)
        async with asyncio.timeout(8):
            while set(seen_blocks(peer)) != {(0, n) for n in range(80)}:
                peer.release()
                await asyncio.sleep(0.005)
        assert len(seen_blocks(peer)) == 80


@pytest.mark.parametrize(
    ("code", "outcome", "trouble"),
    [
        (0x10, Outcome.NO_SUBSCRIBERS, Trouble.NO_SUBSCRIBERS),
        (0x87, Outcome.DENIED, Trouble.PUBLISH_DENIED),
        (0x97, Outcome.QUOTA, Trouble.QUOTA),
        (0x83, Outcome.FAILED, Trouble.PUBLISH_FAILED),
    ],
)
async def test_a_refused_publish_is_named_kept_and_tried_one_at_a_time(
    platform: SigningKey, code: int, outcome: Outcome, trouble: Trouble
) -> None:
    shelf = Shelf(*((0, n) for n in range(10)))
    # the first PUBACK may be the status topic's: it is not a block, so it is answered like the blocks
    async with serving(shelf, platform, Script(puback_default=code), window=4) as (peer, uplink):
        await until(lambda: uplink.status().trouble is trouble)
        assert sentence_of(uplink.status())
        first = len(seen_blocks(peer))
        assert first <= 4
        assert dict(uplink.status().refusals)[outcome] >= 1
        assert uplink.status().published_blocks == 0
        await until(lambda: len(seen_blocks(peer)) > first)
        assert seen_blocks(peer)[first:] in ([(0, 0)], [(0, 0), (0, 0)])
        peer.script.puback_default = 0
        await until(lambda: set(seen_blocks(peer)) == {(0, n) for n in range(10)})
        await until(lambda: uplink.status().trouble is None)


async def test_a_receipt_ends_the_pause_after_no_subscribers(platform: SigningKey) -> None:
    shelf = Shelf(*((0, n) for n in range(3)))
    async with serving(shelf, platform, Script(puback_default=0x10)) as (peer, uplink):
        await until(lambda: dict(uplink.status().refusals).get(Outcome.NO_SUBSCRIBERS, 0) >= 5)
        peer.script.puback_default = 0
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[0]))
        await until(lambda: uplink.status().published_blocks >= 2, 1.0)


async def test_a_block_the_broker_refuses_is_set_aside_and_the_others_go_on(platform: SigningKey) -> None:
    shelf = Shelf((0, 0))
    async with serving(shelf, platform, Script(maximum_packet=1000)) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 1)
        shelf.seal(0, 1, size=5000)
        shelf.seal(0, 2)
        await until(lambda: uplink.status().published_blocks == 2)
        assert seen_blocks(peer) == [(0, 0), (0, 2)]
        assert uplink.status().quarantine == ((0, 1),)
        assert uplink.status().trouble is Trouble.BLOCK_REFUSED
        assert "0/1" in sentence_of(uplink.status())


async def test_after_a_lost_connection_everything_without_receipt_goes_again(platform: SigningKey) -> None:
    shelf = Shelf(*((0, n) for n in range(6)))
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 6)
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[1]))
        await until(lambda: shelf.receipted_seq == seq_of(0, 1))
        peer.seen.published.clear()
        peer.drop()
        await until(lambda: len(seen_blocks(peer)) == 4)
        assert seen_blocks(peer) == [(0, n) for n in range(2, 6)]


async def test_a_resend_request_is_served_in_order_and_only_to_the_platform(
    platform: SigningKey, tmp_path: Path
) -> None:
    shelf = Shelf(*((0, n) for n in range(50)), (1, 0))
    shelf.receipted_seq = seq_of(0, 49)
    stranger = FileKeyStore(tmp_path / "stranger").create_identity()
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 1)
        peer.push(TOPICS.resend, make_resend(stranger, GATEWAY, 0, 0, 5))
        peer.push(TOPICS.resend, make_resend(platform, bytes(8), 0, 0, 5))
        peer.push(TOPICS.resend, b"nonsense")
        await until(lambda: uplink.status().ignored == 3)
        peer.push(TOPICS.resend, make_resend(platform, GATEWAY, 0, 3, 40))
        await until(lambda: len(seen_blocks(peer)) == 39)
        assert seen_blocks(peer) == [(1, 0)] + [(0, n) for n in range(3, 41)]
        assert uplink.status().resends == 1


async def test_a_resend_without_end_goes_to_the_end_of_the_chain(platform: SigningKey) -> None:
    shelf = Shelf(*((0, n) for n in range(20)), *((1, n) for n in range(20)))
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 40)
        peer.seen.published.clear()
        peer.push(TOPICS.resend, make_resend(platform, GATEWAY, 0, 15, None))
        await until(lambda: {(0, 15), (1, 19)} <= set(seen_blocks(peer)))
        assert set(seen_blocks(peer)) >= {(0, n) for n in range(15, 20)} | {(1, n) for n in range(20)}


async def test_a_platform_that_lost_what_it_had_receipted_gets_it_again_over_all_epochs(
    platform: SigningKey,
) -> None:
    places = [(epoch, number) for epoch in (0, 1, 3) for number in range(20)]
    shelf = Shelf(*places)
    shelf.receipted_seq = seq_of(3, 18)
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 1)
        peer.seen.published.clear()
        peer.push(TOPICS.resend, make_resend(platform, GATEWAY, 0, 15, None))
        await until(lambda: (3, 19) in seen_blocks(peer))
        assert seen_blocks(peer) == places[15:]
        shelf.seal(3, 20)
        await until(lambda: (3, 20) in seen_blocks(peer))


def test_what_is_asked_for_again_while_it_is_on_its_way_is_not_sent_twice() -> None:
    lanes = Lanes()
    lanes.supply(Want(after=-1), ())
    blocks = [block(epoch, number) for epoch in range(3) for number in range(10)]
    assert lanes.ask(0, 0, None)
    sent: list[StoredBlock] = []
    while (want := lanes.want()) is not None:
        assert not lanes.ask(*place_of(sent[-1].seq if sent else 0), None)  # as far as the platform has come
        if want.after is not None:
            lanes.supply(want, ())
            continue
        lanes.supply(want, [one for one in blocks if one.seq >= seq_of(want.epoch, want.first)][: want.limit])
        while (one := lanes.take()) is not None:
            sent.append(one)
        if len(sent) == len(blocks):
            break
    assert sent == blocks


async def test_what_was_pruned_is_not_stepped_over_with_the_whole_archive(platform: SigningKey) -> None:
    shelf = Shelf((0, 0), (1, 0), (2, 0), *((2, number) for number in range(50, 90)))
    shelf.receipted_seq = seq_of(2, 87)
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 2)
        peer.seen.published.clear()
        peer.push(TOPICS.resend, make_resend(platform, GATEWAY, 0, 0, None))
        await until(lambda: len(seen_blocks(peer)) == 3)
        await asyncio.sleep(0.1)
        assert seen_blocks(peer) == [(0, 0), (2, 88), (2, 89)]


async def test_a_destination_without_chain_is_offered_the_dictionary_and_its_first_epoch(
    platform: SigningKey,
) -> None:
    shelf = Shelf((0, 0), *((2, n) for n in range(5)))
    shelf.dictionary = [
        (0, encode_add(addition(0, 0))),
        (1, encode_add(addition(1, 1))),
        (2, encode_add(addition(2, 2))),
    ]
    async with serving(shelf, platform, Script()) as (peer, uplink):
        shelf.blocks.pop(0)  # what is offered begins at epoch 2
        await until(lambda: uplink.status().published_blocks >= 5)
        peer.seen.published.clear()
        peer.push(TOPICS.resend, make_resend(platform, GATEWAY, 0, 0, None))
        await until(lambda: len(seen_blocks(peer)) == 5)
        parts = [payload for topic, payload in peer.seen.published if topic == TOPICS.dictionary]
        assert [read_cbdict(part).adds for part in parts] == [2]
        assert seen_blocks(peer) == [(2, n) for n in range(5)]


def addition(device: int, point: int) -> DictionaryAdd:
    named = DeviceEntry(id=bytes(8), name=f"meter {device}", profile="x/y", profile_hash=bytes(16))
    entry = PointEntry(device=device, quantity="voltage", unit="V", exponent=-1, kind=0, klass=0)
    return DictionaryAdd(first_device=device, devices=(named,), first_point=point, points=(entry,))


def test_a_long_dictionary_is_cut_into_parts_that_go_on_from_each_other() -> None:
    additions = [encode_add(addition(number, number)) for number in range(6000)]
    parts = dictionary_parts(additions)
    assert len(parts) > 1
    assert max(map(len, parts)) <= 256 * 1024
    found = [item for part in parts for item in cbor.decode_strict(part, tagged=False)]  # type: ignore[attr-defined]
    assert [cbor.encode(item) for item in found] == additions
    assert [read_cbdict(part).adds for part in dictionary_parts([])] == [0]


async def test_a_receipt_that_disagrees_is_an_alarm_and_frees_nothing(platform: SigningKey) -> None:
    shelf = Shelf((0, 0), (0, 1))
    troubles: list[UplinkStatus] = []
    async with serving(shelf, platform, Script(), troubles=troubles) as (peer, uplink):
        await until(lambda: uplink.status().published_blocks == 2)
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[1], head=bytes(32)))
        await until(lambda: uplink.status().trouble is Trouble.RECEIPT_DISAGREES)
        assert shelf.receipted_seq == -1
        assert "0/1" in sentence_of(troubles[-1])


async def test_when_no_receipt_comes_the_oldest_block_goes_again_and_the_reason_is_named(
    platform: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.standing.RECEIPT_PATIENCE_S", 0.5)
    shelf = Shelf((0, 0), (0, 1))
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().trouble is Trouble.NO_RECEIPT)
        assert sentence_of(uplink.status())
        await until(lambda: len(seen_blocks(peer)) >= 3)
        assert seen_blocks(peer)[:3] == [(0, 0), (0, 1), (0, 0)]
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[1]))
        await until(lambda: uplink.status().trouble is None)


async def test_a_wrong_receipt_key_is_named_when_receipts_come_and_none_counts(
    platform: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.standing.RECEIPT_PATIENCE_S", 0.3)
    other = FileKeyStore(tmp_path / "other").create_identity()
    shelf = Shelf((0, 0), (0, 1))
    async with serving(shelf, platform, Script()) as (peer, uplink):
        await until(lambda: uplink.status().trouble is Trouble.NO_RECEIPT)
        peer.push(TOPICS.receipt, receipt_of(other, shelf.blocks[1]))
        await until(lambda: uplink.status().trouble is Trouble.RECEIPT_KEY)
        assert other.kid.hex() in sentence_of(uplink.status())
        assert shelf.outcomes == []
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[1]))
        await until(lambda: uplink.status().trouble is None)


async def test_an_unreachable_broker_is_the_trouble_and_the_blocks_stay(platform: SigningKey) -> None:
    shelf = Shelf((0, 0))
    settings = UplinkSettings(url="mqtt://127.0.0.1:1", receipt_key=key_line(platform.spki, "city"))
    uplink = Uplink(settings, GATEWAY, shelf, clock=LoopClock(), rng=random.Random(3))
    assert uplink.status().link.phase is Phase.STOPPED
    async with asyncio.TaskGroup() as group:
        task = group.create_task(uplink.run())
        await until(lambda: uplink.status().trouble is Trouble.REFUSED)
        task.cancel()
    assert [place_of(stored.seq) for stored in shelf.blocks] == [(0, 0)]


def test_pauses_after_refusals_grow_to_five_minutes_and_end_with_success() -> None:
    standing = Standing(random.Random(1))
    now_s = 0.0
    pauses = []
    for _ in range(12):
        standing.refused(Outcome.DENIED, (), now_s)
        began_s = now_s
        while standing.allowance(16, 0, now_s) == 0:
            now_s += 0.25
        pauses.append(now_s - began_s)
        assert standing.allowance(16, 0, now_s) == 1
        assert standing.allowance(16, 1, now_s) == 0
    assert pauses[0] <= 1.0
    assert 150 <= pauses[-1] <= 300
    standing.accepted(now_s)
    assert standing.allowance(16, 3, now_s) == 16
