"""What a platform asks for again, and what one is offered that begins in the middle of a gateway's life."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.block import cbor
from agent.block.dictionary import encode_add, read_cbdict
from agent.block.messages import make_resend
from agent.keys import FileKeyStore, SigningKey
from agent.storing.offering import dictionary_parts
from agent.storing.stored import seq_of
from hil.mqtt_peer import Script
from tests.agent.uplink_site import (
    GATEWAY,
    TOPICS,
    Shelf,
    addition,
    seen_blocks,
    serving,
    until,
)


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


def test_a_long_dictionary_is_cut_into_parts_that_go_on_from_each_other() -> None:
    additions = [encode_add(addition(number, number)) for number in range(6000)]
    parts = dictionary_parts(additions)
    assert len(parts) > 1
    assert max(map(len, parts)) <= 256 * 1024
    found = [item for part in parts for item in cbor.decode_strict(part, tagged=False)]  # type: ignore[attr-defined]
    assert [cbor.encode(item) for item in found] == additions
    assert [read_cbdict(part).adds for part in dictionary_parts([])] == [0]
