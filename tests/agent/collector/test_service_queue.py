"""How much a collector holds that it has not stored yet: a bound of blocks and one of bytes, for whoever sends."""

from __future__ import annotations

import random
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.collector.ingest import Ingest
from agent.collector.run import receipt_key
from agent.collector.service import QUEUE_BLOCKS, QUEUE_BYTES, Service
from agent.collector.store import Database
from agent.delivery.mqtt_options import MAX_PACKET_BYTES, MqttOptions, parse_broker_url
from agent.delivery.mqtt_state import Incoming
from agent.delivery.topics import topics_of
from agent.keys import NamedKey
from tests.agent.block.chains import Gateway

PATIENCE_S = 0.3


@pytest.mark.parametrize(
    ("size", "most"), [(1, QUEUE_BLOCKS), (MAX_PACKET_BYTES, QUEUE_BYTES // MAX_PACKET_BYTES + 1)]
)
async def test_a_broker_is_held_back_before_what_waits_fills_the_memory(
    tmp_path: Path, gateway: Gateway, size: int, most: int
) -> None:
    message = Incoming(topic=topics_of(gateway.identity.kid).block, payload=bytes(size), retained=False)
    with closing(Database.open(tmp_path / "c.db")) as db:
        service = Service(
            MqttOptions(endpoint=parse_broker_url("mqtt://127.0.0.1:1"), client_id="x"),
            Ingest(db, [NamedKey(spki=gateway.identity.spki, name="x")]),
            receipt_key(db),
            clock=SystemClock(),
            rng=random.Random(1),
        )
    handed: list[int] = []

    def flood() -> None:
        while not service._ending.is_set():
            service._incoming(message)
            handed.append(size)

    network = threading.Thread(target=flood)
    network.start()
    network.join(PATIENCE_S)  # nobody takes anything
    held = len(handed)
    service._ending.set()
    network.join()
    assert 0 < held <= most
