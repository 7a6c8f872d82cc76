"""Custody of blocks between the outbox and a platform, against a scripted MQTT server."""

from __future__ import annotations

import asyncio
import random

import pytest

from agent.config import Uplink as UplinkSettings
from agent.delivery.mqtt_state import Outcome, Phase, Trouble
from agent.keys import SigningKey, key_line
from agent.storing.stored import place_of, seq_of
from agent.uplink import Uplink
from hil.mqtt_peer import Script
from tests.agent.uplink_site import (
    GATEWAY,
    TOPICS,
    LoopClock,
    Shelf,
    receipt_of,
    seen_blocks,
    sentence_of,
    serving,
    until,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at what time brings while something is open, and else hardly ever."""
    monkeypatch.setattr("agent.uplink.WATCH_S", 0.05)
    monkeypatch.setattr("agent.uplink.CALM_S", 3600.0)
    monkeypatch.setattr("agent.delivery.standing.REFUSED_PAUSE_S", 0.1)


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
        async with asyncio.timeout(30):
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
        assert uplink.status().published_blocks == 0
        await until(lambda: seen_blocks(peer).count((0, 0)) >= 3)
        order = seen_blocks(peer)
        window = order.index((0, 0), 1)
        assert window <= 4
        assert order[:window] == [(0, n) for n in range(window)]
        assert set(order[window:]) == {(0, 0)}, "the oldest alone, again and again"
        assert dict(uplink.status().refusals)[outcome] >= window
        peer.script.puback_default = 0
        await until(lambda: set(seen_blocks(peer)) == {(0, n) for n in range(10)})
        await until(lambda: uplink.status().trouble is None)


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
