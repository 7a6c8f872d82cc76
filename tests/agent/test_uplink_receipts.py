"""What ends custody and what does not: receipts that fit, disagree, are signed by another, or never come."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.delivery.mqtt_state import Outcome, Trouble
from agent.delivery.uplink_status import UplinkStatus
from agent.keys import FileKeyStore, SigningKey
from hil.mqtt_peer import Script
from tests.agent.uplink_site import (
    TOPICS,
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


async def test_a_receipt_ends_the_pause_after_no_subscribers(
    platform: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.standing.REFUSED_PAUSE_S", 3600.0)
    shelf = Shelf(*((0, n) for n in range(3)))
    async with serving(shelf, platform, Script(puback_default=0x10)) as (peer, uplink):
        await until(lambda: dict(uplink.status().refusals).get(Outcome.NO_SUBSCRIBERS, 0) == 3)
        peer.script.puback_default = 0
        peer.push(TOPICS.receipt, receipt_of(platform, shelf.blocks[0]))
        await until(lambda: uplink.status().published_blocks >= 2)


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
