"""What a broker refuses, swallows or asks for, as the gateway names it, until its blocks are receipted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.delivery.mqtt_client import SUPERVISE_S
from agent.delivery.mqtt_options import MqttOptions, parse_broker_url
from agent.delivery.mqtt_state import Trouble
from agent.delivery.topics import shard_of
from agent.delivery.uplink_status import UplinkStatus
from agent.messages import MESSAGES
from hil.broker import Broker, BrokerOptions
from hil.pki import Authority
from hil.proxy import FaultProxy, Mode
from tests.agent.block.chains import Gateway
from tests.agent.collector.service_site import Outbox, Platform, running, until, uplink_of

pytestmark = pytest.mark.upstream
ACL = Path(__file__).parents[3] / "deploy/mosquitto/tidegate.acl"


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
            outbox.seal(10)
            await until(lambda: uplink.status().trouble is Trouble.BROKER_SILENT, 60)
            proxy.become(Mode.PASS)
            await until(lambda: outbox.all_receipted)
    options = MqttOptions(endpoint=parse_broker_url(broker.url), client_id="x")
    assert options.publish_deadline_s + SUPERVISE_S < 30


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
