"""Gateways, a real mosquitto and the collector's service together."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.delivery.mqtt_state import Outcome, Trouble
from agent.storing.stored import seq_of
from hil.broker import Broker
from tests.agent.block.chains import Gateway
from tests.agent.collector.service_site import Outbox, Platform, running, until, uplink_of

pytestmark = pytest.mark.upstream


@pytest.mark.parametrize("protocol", [5, 4])
async def test_every_block_is_stored_and_receipted(
    tmp_path: Path, broker: Broker, gateway: Gateway, protocol: int
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with platform.serving(broker.url, protocol) as service:
        async with running(uplink_of(outbox, broker.url, platform.key_line, protocol=protocol)) as uplink:
            await until(lambda: outbox.all_receipted)
            outbox.seal(10)
            await until(lambda: outbox.all_receipted)
            assert uplink.status().trouble is None
        assert service.totals.blocks == 41
        assert platform.readings() == list(range(410))
    with closing(sqlite3.connect(platform.path)) as db:
        assert db.execute("SELECT receipted_block, last_block FROM gateways").fetchone() == ("1/20", "1/20")


async def test_a_broker_killed_in_between_loses_and_doubles_nothing(
    tmp_path: Path, broker: Broker, gateway: Gateway
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with platform.serving(broker.url), running(uplink_of(outbox, broker.url, platform.key_line)):
        await until(lambda: outbox.receipted_seq >= 0)
        for round_ in range(3):
            outbox.seal(10)
            outbox.seal(10)
            broker.kill()
            outbox.seal(10)
            await asyncio.sleep(0.2 * round_)
            broker.start()
            await until(lambda: outbox.all_receipted, 30)
    assert platform.readings() == list(range(490))


async def test_without_a_collector_the_blocks_stay_and_it_finds_them_when_it_comes(
    tmp_path: Path, broker: Broker, gateway: Gateway
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with running(uplink_of(outbox, broker.url, platform.key_line)) as uplink:
        await until(lambda: uplink.status().trouble is Trouble.NO_SUBSCRIBERS)
        assert dict(uplink.status().refusals).keys() == {Outcome.NO_SUBSCRIBERS}
        assert outbox.receipted_seq == -1
        async with platform.serving(broker.url):
            await until(lambda: outbox.all_receipted)
            assert uplink.status().trouble is None
    assert platform.readings() == list(range(400))


async def test_a_database_that_is_gone_is_told_and_nothing_is_receipted_until_it_is_back(
    tmp_path: Path, broker: Broker, gateway: Gateway
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with platform.serving(broker.url), running(uplink_of(outbox, broker.url, platform.key_line)):
        await until(lambda: outbox.all_receipted)
        before = outbox.receipted_seq
        platform.path.rename(tmp_path / "away.db")
        outbox.seal(10)
        await until(lambda: bool(platform.faults))
        assert "c.db is not in its place" in platform.faults[0]
        assert outbox.receipted_seq == before
        (tmp_path / "away.db").rename(platform.path)
        await until(lambda: outbox.all_receipted)
        assert platform.faults[1:] == [""]
    assert platform.readings() == list(range(410))


async def test_a_collector_that_comes_back_greets_and_a_waiting_gateway_goes_on_at_once(
    tmp_path: Path, broker: Broker, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with running(uplink_of(outbox, broker.url, platform.key_line)) as uplink:
        async with platform.serving(broker.url):
            await until(lambda: outbox.all_receipted)
            monkeypatch.setattr("agent.delivery.standing.REFUSED_PAUSE_S", 3600.0)
            outbox.seal(1)  # once this is taken in, the next refusal is waited out for an hour
            await until(lambda: outbox.all_receipted)
        outbox.seal(10)
        await until(lambda: Outcome.NO_SUBSCRIBERS in dict(uplink.status().refusals))
        async with platform.serving(broker.url):
            await until(lambda: outbox.all_receipted)


async def test_a_block_lost_by_the_broker_is_asked_for_and_healed(
    tmp_path: Path, broker: Broker, gateway: Gateway
) -> None:
    """The gateway believes its first blocks sent; only later ones reach the collector."""
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with platform.serving(broker.url) as service:
        uplink = uplink_of(outbox, broker.url, platform.key_line)
        uplink._lanes._cursor = gateway_cursor = seq_of(1, 9)
        async with running(uplink):
            await until(lambda: outbox.all_receipted)
            assert uplink.status().resends >= 1
            assert gateway_cursor == seq_of(1, 9)
        assert service.totals.resends >= 1
    assert platform.readings() == list(range(400))


async def test_a_new_platform_begins_where_the_archive_does(tmp_path: Path, broker: Broker, gateway: Gateway) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    outbox.receipted_seq = seq_of(1, 0) - 1  # storage offers it nothing before epoch 1
    async with platform.serving(broker.url), running(uplink_of(outbox, broker.url, platform.key_line)):
        await until(lambda: outbox.all_receipted)
    assert platform.readings() == list(range(200, 400))
