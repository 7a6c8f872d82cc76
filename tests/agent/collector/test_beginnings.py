"""A chain that begins in the middle of a gateway's life."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.block.dictionary import encode_add
from agent.block.events import addition_of, read_events
from agent.block.form import EVENTS, read_form
from agent.block.record import EventKind
from agent.collector.ingest import Arrival, Batch, Ingest
from agent.collector.store import Database
from agent.keys import NamedKey
from agent.storing.offering import dictionary_parts
from tests.agent.block.chains import UTC, Gateway


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway()
    for epoch in range(3):
        if epoch:
            gateway.open()
        for _ in range(4):
            gateway.seal(10)
    return gateway


def additions_of(gateway: Gateway) -> list[bytes]:
    """Every dictionary-add of its life."""
    payloads = [read_form(message).payload for message in gateway.messages]
    found = [event for payload in payloads if EVENTS in payload for event in read_events(payload[EVENTS])]
    return [encode_add(addition_of(event)) for event in found if event.kind == EventKind.DICTIONARY]


class Collector:
    def __init__(self, db: Database, gateway: Gateway) -> None:
        self.db = db
        self.gateway = gateway
        self.ingest = Ingest(db, [NamedKey(spki=gateway.identity.spki, name="school")])

    def blocks(self, *messages: bytes) -> Batch:
        return self.ingest.take([Arrival(message=message) for message in messages], UTC)

    def dictionary(self, *parts: bytes) -> Batch:
        kid = self.gateway.identity.kid
        return self.ingest.take([Arrival(message=part, gateway=kid, dictionary=True) for part in parts], UTC)

    def readings(self) -> list[int]:
        return [number for (number,) in self.db.all("SELECT reading FROM readings ORDER BY reading")]


@pytest.fixture
def collector(tmp_path: Path, gateway: Gateway) -> Iterator[Collector]:
    with closing(Database.open(tmp_path / "c.db")) as db:
        yield Collector(db, gateway)


@pytest.mark.parametrize("dictionary_first", [True, False])
def test_it_begins_at_block_0_of_an_epoch_that_proves_the_dictionary(
    collector: Collector, gateway: Gateway, dictionary_first: bool
) -> None:
    parts = dictionary_parts(additions_of(gateway))
    later = gateway.messages[4:]
    if dictionary_first:
        collector.dictionary(*parts)
        batch = collector.blocks(*later)
    else:
        assert collector.blocks(*later).progress[0].place is None
        batch = collector.dictionary(*parts)
    assert batch.progress[0].place == (2, 3)
    assert collector.readings() == list(range(40, 120))
    assert collector.db.all("SELECT DISTINCT device FROM readings") == [("meter-1",)]
    fresh = Collector(collector.db, gateway)
    assert fresh.blocks(gateway.seal(10).message).progress[0].place == (2, 4)


def test_a_wrong_dictionary_begins_nothing(collector: Collector, gateway: Gateway) -> None:
    other = Gateway(name="other", kinds=(0,))
    other.seal()
    collector.dictionary(*dictionary_parts(additions_of(other)))
    assert collector.blocks(*gateway.messages[4:]).progress[0].place is None
    assert collector.readings() == []
    collector.dictionary(*dictionary_parts(additions_of(gateway)))
    assert collector.readings() == list(range(40, 120))


@pytest.mark.parametrize("part", [b"", b"\xff", b"\x01", b"\x81\x01", bytes(300_000), b"\x80\x80"])
def test_what_is_no_dictionary_is_refused_and_counted(collector: Collector, part: bytes) -> None:
    assert sum(count for _, count in collector.dictionary(part).reasons) == 1


def test_a_chain_that_has_begun_takes_no_dictionary(collector: Collector, gateway: Gateway) -> None:
    collector.blocks(*gateway.messages[:6])
    collector.dictionary(*dictionary_parts([]))
    assert collector.blocks(*gateway.messages[6:]).progress[0].place == (2, 3)
    assert collector.readings() == list(range(120))
