"""A gateway that only archived gets a broker: its URL is all that changes, its chain is offered whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.broker import Broker
from hil.ledger import committed_blocks, compare
from hil.process import wait_until
from hil.site_file import BusEntry, DeviceEntry, Sealing
from hil.stage import Stage, pending_blocks, tidegate

pytestmark = [pytest.mark.upstream, pytest.mark.timeout(120)]


def test_a_broker_url_is_all_that_changes(broker: Broker, tmp_path: Path) -> None:
    stage = Stage(folder=tmp_path, broker=broker)
    try:
        simulator = stage.start_simulator("tcp", "--devices", "1", "--seed", "1")
        stage.prepare()
        assert wait_until(lambda: '"ready": true' in simulator.last_words(1), 10), simulator.last_words()
        port = json.loads(simulator.last_words(1))["ports"][0]
        for url in ("", broker.url):
            if url:
                stage.start_collector()
            stage.write_site(
                [BusEntry(name="b", port=f"tcp://127.0.0.1:{port}")],
                [DeviceEntry(name="d", bus="b", unit=1, profile="generic/block-98", every="0.5 s")],
                url=url,
                sealing=Sealing(max_age="0.5 s"),
            )
            before = committed_blocks(stage.outbox_db)
            stage.start_agent()
            assert wait_until(lambda: committed_blocks(stage.outbox_db) > before + 4, 20), stage.agent.last_words()  # noqa: B023
            if url:
                assert wait_until(lambda: pending_blocks(stage.site) == 0, 30, 0.3), stage.agent.last_words()
            assert stage.agent.stop() == 0
        assert compare(stage.outbox_db, stage.collector_db).exactly_once
        proof = tidegate("verify", stage.collector_db, "--trust", stage.trust_file)
        assert proof.returncode == 0, proof.stdout
    finally:
        stage.stop()
