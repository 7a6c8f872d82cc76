"""Gateways, a real mosquitto and the collector's service together."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.block.dictionary import encode_add
from agent.block.events import addition_of, read_events
from agent.block.form import EVENTS, read_form
from agent.block.messages import Receipt
from agent.block.record import EventKind
from agent.clock import SystemClock
from agent.collector.ingest import Ingest
from agent.collector.run import CollectOptions, receipt_key, run_collect
from agent.collector.service import Service
from agent.collector.store import Database
from agent.config import Uplink as UplinkSettings
from agent.delivery.mqtt_options import MqttOptions, parse_broker_url
from agent.delivery.mqtt_state import Outcome, Phase, Trouble
from agent.delivery.topics import shard_of
from agent.delivery.uplink_status import UplinkStatus
from agent.errors import ConfigError
from agent.keys import NamedKey, key_line
from agent.messages import MESSAGES
from agent.storing.stored import ReceiptOutcome, StorageStatus, StoredBlock, seq_of
from agent.uplink import Uplink
from hil.broker import Broker, BrokerOptions
from hil.pki import Authority
from hil.proxy import FaultProxy, Mode
from tests.agent.block.chains import Gateway

pytestmark = pytest.mark.upstream
ACL = Path(__file__).parents[3] / "deploy/mosquitto/tidegate.acl"


class Outbox:
    """Storage of a test gateway: blocks in memory, custody as in the agent."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.receipted_seq = -1
        self._told = 0
        self._callback: Callable[[StoredBlock], None] = lambda _: None

    def stored(self) -> list[StoredBlock]:
        return [
            StoredBlock(
                seq=seq_of(sealed.epoch, sealed.number),
                epoch=sealed.epoch,
                number=sealed.number,
                head=sealed.head,
                message=sealed.message,
                readings=sealed.readings,
            )
            for sealed in self.gateway.sealed
        ]

    def seal(self, count: int) -> None:
        self.gateway.seal(count)
        self._callback(self.stored()[-1])

    def on_sealed(self, callback: Callable[[StoredBlock], None]) -> None:
        self._callback = callback

    async def peek(self, destination: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        assert len(destination) == 8
        floor = max(after, self.receipted_seq)
        return tuple([block for block in self.stored() if block.seq > floor][:limit])

    async def fetch(self, epoch: int, first: int, last: int | None, limit: int) -> tuple[StoredBlock, ...]:
        found = [block for block in self.stored() if (block.epoch, block.number) >= (epoch, first)]
        return tuple([block for block in found if last is None or block.seq <= seq_of(epoch, last)][:limit])

    async def dictionary_before(self, epoch: int) -> tuple[bytes, ...]:
        payloads = [read_form(sealed.message).payload for sealed in self.gateway.sealed if sealed.epoch < epoch]
        found = [event for payload in payloads if EVENTS in payload for event in read_events(payload[EVENTS])]
        return tuple(encode_add(addition_of(event)) for event in found if event.kind == EventKind.DICTIONARY)

    async def receipted(self, destination: bytes, receipt: Receipt) -> ReceiptOutcome:
        assert len(destination) == 8
        seq = seq_of(receipt.epoch, receipt.number)
        mine = next(block for block in self.stored() if block.seq == seq)
        assert mine.head == receipt.head
        if seq <= self.receipted_seq:
            return ReceiptOutcome.KNOWN
        self.receipted_seq = seq
        return ReceiptOutcome.ACCEPTED

    def status(self) -> StorageStatus:
        return StorageStatus()

    @property
    def all_receipted(self) -> bool:
        return self.receipted_seq == self.stored()[-1].seq


async def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  it watches other threads
            await asyncio.sleep(0.02)


class Platform:
    """A collector's database, and the service over it whenever it is wanted."""

    def __init__(self, path: Path, *gateways: Gateway) -> None:
        self.path = path
        self.faults: list[str] = []
        self.trust = [NamedKey(spki=gateway.identity.spki, name=gateway.name) for gateway in gateways]
        with closing(Database.open(path)) as db:
            self.key = receipt_key(db)
        self.key_line = key_line(self.key.spki, "city")

    @contextlib.asynccontextmanager
    async def serving(self, url: str, protocol: int = 5) -> AsyncIterator[Service]:
        with closing(Database.open(self.path)) as db:
            options = MqttOptions(
                endpoint=parse_broker_url(url),
                client_id=f"collector-{random.randrange(10**9)}",
                protocol=protocol,
                window=50,
            )
            service = Service(
                options,
                Ingest(db, self.trust),
                self.key,
                clock=SystemClock(),
                rng=random.Random(5),
                on_fault=self.faults.append,
            )
            async with asyncio.TaskGroup() as group:
                task = group.create_task(service.run())
                try:
                    await until(lambda: service.link.phase is Phase.CONNECTED)
                    yield service
                finally:
                    task.cancel()

    def readings(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as db:
            return [number for (number,) in db.execute("SELECT reading FROM readings ORDER BY reading")]


def uplink_of(outbox: Outbox, url: str, receipt: str, **settings: object) -> Uplink:
    return Uplink(
        UplinkSettings(url=url, receipt_key=receipt, **settings),  # type: ignore[arg-type]
        outbox.gateway.identity.kid,
        outbox,
        clock=SystemClock(),
        rng=random.Random(7),
    )


@contextlib.asynccontextmanager
async def running(uplink: Uplink) -> AsyncIterator[Uplink]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(uplink.run())
        try:
            yield uplink
        finally:
            task.cancel()


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway()
    for epoch in range(2):
        if epoch:
            gateway.open()
        for _ in range(20):
            gateway.seal(10)
    return gateway


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
    tmp_path: Path, broker: Broker, gateway: Gateway
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with running(uplink_of(outbox, broker.url, platform.key_line)) as uplink:
        async with platform.serving(broker.url):
            await until(lambda: outbox.all_receipted)
        outbox.seal(10)
        await until(lambda: dict(uplink.status().refusals).get(Outcome.NO_SUBSCRIBERS, 0) >= 5, 40)
        async with platform.serving(broker.url):
            await until(lambda: outbox.all_receipted, 3.0)


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


async def test_a_denied_publish_is_named_and_kept(
    tmp_path: Path, make_broker: Callable[..., Broker], gateway: Gateway
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    broker = make_broker(BrokerOptions(acl="topic read #"))
    outbox = Outbox(gateway)
    async with running(uplink_of(outbox, broker.url, platform.key_line)) as uplink:
        await until(lambda: uplink.status().trouble is Trouble.PUBLISH_DENIED)
        assert dict(uplink.status().facts)["topic"].endswith("/block")
        assert uplink.status().published_blocks == 0
        broker.allow("topic readwrite #")
        async with platform.serving(broker.url):
            await until(lambda: outbox.all_receipted, 40)  # this broker also closes, so the pauses grow


async def test_a_denied_publish_on_3_1_1_shows_as_a_missing_receipt(
    tmp_path: Path, make_broker: Callable[..., Broker], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.standing.RECEIPT_PATIENCE_S", 1.0)
    platform = Platform(tmp_path / "c.db", gateway)
    broker = make_broker(BrokerOptions(acl="topic read #"))
    outbox = Outbox(gateway)
    async with running(uplink_of(outbox, broker.url, platform.key_line, protocol=4)) as uplink:
        await until(lambda: uplink.status().trouble is Trouble.NO_RECEIPT)
        assert outbox.receipted_seq == -1
        broker.allow("topic readwrite #")
        async with platform.serving(broker.url, 4):
            await until(lambda: outbox.all_receipted, 40)


async def test_a_black_hole_is_named_within_half_a_minute_and_heals(
    tmp_path: Path, broker: Broker, gateway: Gateway
) -> None:
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    async with platform.serving(broker.url), FaultProxy(broker.port) as proxy:
        url = f"mqtt://127.0.0.1:{proxy.port}"
        async with running(uplink_of(outbox, url, platform.key_line)) as uplink:
            await until(lambda: outbox.all_receipted)
            proxy.become(Mode.HOLE)
            began_s = asyncio.get_running_loop().time()
            outbox.seal(10)
            await until(lambda: uplink.status().trouble is Trouble.BROKER_SILENT, 30)
            assert asyncio.get_running_loop().time() - began_s < 30
            proxy.become(Mode.PASS)
            await until(lambda: outbox.all_receipted, 30)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "pki"
    folder.mkdir()
    return Authority(folder, datetime.fromtimestamp(SystemClock().utc_ns() / 1e9, tz=UTC))


def secured(authority: Authority) -> BrokerOptions:
    return BrokerOptions(
        acl=ACL.read_text(encoding="utf-8"),
        ca_file=authority.ca_file,
        server=authority.server(),
        extra=("use_identity_as_username true",),
    )


async def status_with(outbox: Outbox, url: str, line: str, trouble: Trouble, **settings: object) -> UplinkStatus:
    async with running(uplink_of(outbox, url, line, **settings)) as uplink:
        await until(lambda: uplink.status().trouble is trouble)
        status = uplink.status()
        assert MESSAGES[trouble.value].text.format(**dict(status.facts))
        return status


async def test_the_shipped_acl_lets_a_gateway_write_under_its_own_id_only(
    tmp_path: Path, make_broker: Callable[..., Broker], authority: Authority, gateway: Gateway
) -> None:
    broker = make_broker(secured(authority))
    platform = Platform(tmp_path / "c.db", gateway)
    outbox = Outbox(gateway)
    mine = authority.client(gateway.identity.kid.hex())
    other = authority.client("41a0b1c2d3e4f506")
    files = {"ca_file": authority.ca_file, "cert_file": mine.cert_file, "key_file": mine.key_file}
    async with running(uplink_of(outbox, broker.url, platform.key_line, **files)) as uplink:
        await until(lambda: uplink.status().trouble is Trouble.NO_SUBSCRIBERS)
    files = {"ca_file": authority.ca_file, "cert_file": other.cert_file, "key_file": other.key_file}
    status = await status_with(outbox, broker.url, platform.key_line, Trouble.PUBLISH_DENIED, **files)
    assert shard_of(gateway.identity.kid) in dict(status.facts)["topic"]


@pytest.mark.parametrize(
    ("from_h", "until_h", "trouble"),
    [(-48.0, -24.0, Trouble.CERTIFICATE_EXPIRED), (24.0, 48.0, Trouble.CERTIFICATE_EARLY)],
)
async def test_a_certificate_out_of_its_dates_is_named_with_the_date(
    tmp_path: Path,
    make_broker: Callable[..., Broker],
    authority: Authority,
    gateway: Gateway,
    from_h: float,
    until_h: float,
    trouble: Trouble,
) -> None:
    broker = make_broker(secured(authority))
    platform = Platform(tmp_path / "c.db", gateway)
    client = authority.client("old", from_h=from_h, until_h=until_h)
    files = {"ca_file": authority.ca_file, "cert_file": client.cert_file, "key_file": client.key_file}
    status = await status_with(Outbox(gateway), broker.url, platform.key_line, trouble, **files)
    facts = dict(status.facts)
    assert facts["path"] == str(client.cert_file)
    assert facts["date"] != facts["now"]
    assert facts["date"].endswith("Z")


async def test_tls_troubles_have_their_names(
    tmp_path: Path, make_broker: Callable[..., Broker], authority: Authority, gateway: Gateway
) -> None:
    broker = make_broker(secured(authority))
    plain = make_broker()
    line = Platform(tmp_path / "c.db", gateway).key_line
    outbox = Outbox(gateway)
    (tmp_path / "foreign").mkdir()
    foreign = Authority(tmp_path / "foreign", datetime.fromtimestamp(SystemClock().utc_ns() / 1e9, tz=UTC))
    stranger = foreign.client("stranger")
    ca = {"ca_file": authority.ca_file}
    for trouble, url, files in (
        (Trouble.CERTIFICATE_MISSING, broker.url, ca),
        (Trouble.CERTIFICATE_REFUSED, broker.url, {
            **ca, "cert_file": stranger.cert_file, "key_file": stranger.key_file,
        }),
        (Trouble.SERVER_UNTRUSTED, broker.url, {"ca_file": foreign.ca_file}),
        (Trouble.CREDENTIALS_UNREADABLE, broker.url, {"ca_file": tmp_path / "nowhere.pem"}),
        (Trouble.CREDENTIALS_UNREADABLE, broker.url, {
            **ca, "cert_file": stranger.cert_file, "key_file": authority.client("x").key_file,
        }),
    ):  # fmt: skip
        status = await status_with(outbox, url, line, trouble, **files)
        assert status.facts
    plain_as_tls = f"mqtts://localhost:{plain.port}"
    async with running(uplink_of(outbox, plain_as_tls, line, **ca)) as uplink:
        await until(lambda: uplink.status().trouble in (Trouble.NOT_TLS, Trouble.CONNECTION_LOST))


def test_a_file_is_taken_in_to_its_end(tmp_path: Path, gateway: Gateway) -> None:
    trust = tmp_path / "trust.txt"
    trust.write_text(key_line(gateway.identity.spki, "school") + "\n", encoding="utf-8")
    file = tmp_path / "chain.cbseq"
    file.write_bytes(b"".join(gateway.messages[:5]) + b"rubbish" + b"".join(gateway.messages[5:]))
    options = CollectOptions(db=tmp_path / "c.db", trust=trust, input=file)
    collected = run_collect(options)
    assert (collected.messages, collected.blocks, collected.readings) == (40, 40, 400)
    assert collected.bad_stretches == 1
    assert not collected.whole
    file.write_bytes(b"".join(gateway.messages))
    assert run_collect(options).verdicts == (("duplicate", 40),)
    assert run_collect(options).whole
    file.write_bytes(b"".join([*gateway.messages[:3], *gateway.messages[4:]]))
    fresh = run_collect(CollectOptions(db=tmp_path / "d.db", trust=trust, input=file))
    assert fresh.waiting == 1
    assert not fresh.whole


def test_a_collector_that_is_told_nothing_useful_says_so(tmp_path: Path) -> None:
    trust = tmp_path / "trust.txt"
    trust.write_text("# nobody yet\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="nothing to collect from"):
        run_collect(CollectOptions(db=tmp_path / "c.db", trust=trust))
    with pytest.raises(ConfigError, match="no key is in it"):
        run_collect(CollectOptions(db=tmp_path / "c.db", trust=trust, broker="mqtt://127.0.0.1"))
