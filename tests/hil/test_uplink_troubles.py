"""Whatever the broker does, polling goes on, nothing is deleted, and status and log say the true reason."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hil.broker import Broker, BrokerOptions
from hil.ledger import committed_blocks, committed_readings, compare
from hil.pki import Authority
from hil.process import wait_until
from hil.site_file import BusEntry, DeviceEntry, Sealing
from hil.stage import Stage, pending_blocks, tidegate

pytestmark = [pytest.mark.upstream, pytest.mark.timeout(240)]

REASON_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One gateway with one simulated device, not yet started."""

    stage: Stage
    port: int

    def write(self, url: str, credentials: Sequence[tuple[str, Path]] = ()) -> None:
        self.stage.write_site(
            [BusEntry(name="b", port=f"tcp://127.0.0.1:{self.port}")],
            [DeviceEntry(name="d", bus="b", unit=1, profile="generic/block-98", every="0.5 s")],
            url=url,
            sealing=Sealing(max_age="0.5 s"),
            credentials=credentials,
        )

    def told(self) -> list[str]:
        """Codes of the findings of ``tidegate status``."""
        return [finding["code"] for finding in self._status()["findings"]]

    def sentences(self) -> str:
        return " ".join(finding["text"]["en"] for finding in self._status()["findings"])

    def log(self) -> str:
        return self.stage.agent.log.read_text()

    def goes_on(self) -> bool:
        """Whether new readings are committed and every block is still there."""
        before = committed_readings(self.stage.outbox_db)
        return wait_until(lambda: committed_readings(self.stage.outbox_db) > before, 10)

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(tidegate("--json", "--site", self.stage.site, "status").stdout)
        return status


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[[Broker], Site]]:
    stages: list[Stage] = []

    def make(broker: Broker) -> Site:
        stage = Stage(folder=tmp_path, broker=broker)
        stages.append(stage)
        simulator = stage.start_simulator("tcp", "--devices", "1", "--seed", "1")
        stage.prepare()
        assert wait_until(lambda: '"ready": true' in simulator.last_words(1), 10), simulator.last_words()
        return Site(stage=stage, port=json.loads(simulator.last_words(1))["ports"][0])

    yield make
    for stage in stages:
        stage.stop()


def assert_says(site: Site, code: str) -> None:
    assert wait_until(lambda: code in site.told(), REASON_S, 0.5), (site.told(), site.stage.agent.last_words())
    assert code in site.log()
    assert site.goes_on()


def assert_all_arrived(site: Site) -> None:
    stage = site.stage
    assert wait_until(lambda: pending_blocks(stage.site) == 0, 60, 0.5), site.told()
    stage.agent.stop()
    ledger = compare(stage.outbox_db, stage.collector_db)
    assert ledger.committed > 0
    assert ledger.twice == 0
    assert ledger.missing <= 98 * 2  # what was sealed at the very end may wait for the next start


def assert_nothing_has_left(site: Site) -> None:
    # The agent goes on sealing while it is asked: what it holds lies between the two counts of what it committed.
    before = committed_blocks(site.stage.outbox_db)
    held = pending_blocks(site.stage.site)
    after = committed_blocks(site.stage.outbox_db)
    assert held is not None, site.stage.agent.last_words()
    assert 0 < before <= held <= after


def test_a_publish_that_the_brokers_rules_refuse(
    make_broker: Callable[..., Broker], make_site: Callable[[Broker], Site]
) -> None:
    broker = make_broker(BrokerOptions(acl="topic read tidegate/#\ntopic write tidegate/1/+/+/receipt"))
    site = make_site(broker)
    site.stage.start_collector()
    site.write(broker.url)
    site.stage.start_agent()
    assert_says(site, "uplink-publish-denied")
    assert_nothing_has_left(site)
    broker.allow("topic readwrite tidegate/#")
    assert_all_arrived(site)


def test_a_broker_without_subscribers(
    make_broker: Callable[..., Broker], make_site: Callable[[Broker], Site]
) -> None:
    broker = make_broker()
    site = make_site(broker)
    site.stage.start_collector()
    site.stage.collector.stop()
    site.write(broker.url)
    site.stage.start_agent()
    assert_says(site, "uplink-no-subscribers")
    site.stage.collector.start()
    assert_all_arrived(site)


def test_a_black_holed_connection(make_broker: Callable[..., Broker], make_site: Callable[[Broker], Site]) -> None:
    broker = make_broker()
    site = make_site(broker)
    site.stage.start_collector()
    site.write(broker.url)
    site.stage.start_agent()
    assert wait_until(
        lambda: bool(pending_blocks(site.stage.site) == 0 and committed_blocks(site.stage.outbox_db)), 20
    )
    broker.freeze()
    assert_says(site, "uplink-broker-silent")
    broker.thaw()
    assert_all_arrived(site)


def test_an_expired_client_certificate_is_named_with_its_date(
    make_broker: Callable[..., Broker], make_site: Callable[[Broker], Site], tmp_path: Path
) -> None:
    pki = tmp_path / "pki"
    pki.mkdir()
    authority = Authority(pki, dt.datetime.now(dt.UTC))  # noqa: TID251 - certificates are valid in real time
    expired = authority.client("expired", until_h=-0.5)
    broker = make_broker(BrokerOptions(ca_file=authority.ca_file, server=authority.server()))
    site = make_site(broker)
    site.write(
        broker.url,
        [("ca_file", authority.ca_file), ("cert_file", expired.cert_file), ("key_file", expired.key_file)],
    )
    site.stage.start_agent()
    assert_says(site, "uplink-certificate-expired")
    assert dt.datetime.now(dt.UTC).strftime("%Y-%m-") in site.sentences()  # noqa: TID251
    assert_nothing_has_left(site)
