"""The MQTT client against a scripted server and a real mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.delivery.mqtt_client import MqttClient
from agent.delivery.mqtt_options import Credentials, Endpoint, MqttOptions, parse_broker_url
from agent.delivery.mqtt_state import Incoming, LinkState, Outcome, Phase, Trouble
from agent.delivery.mqtt_tls import CredentialsError, explain
from agent.errors import ConfigError
from agent.messages import MESSAGES
from hil.mqtt_peer import MqttPeer, Script
from hil.pki import Authority


class StillClock:
    """A clock that stands still."""

    def mono_ns(self) -> int:
        return 7

    def utc_ns(self) -> int:
        return 1_790_000_000 * 10**9


def options(port: int, **changes: object) -> MqttOptions:
    return MqttOptions(
        endpoint=Endpoint(host="127.0.0.1", port=port, tls=False),
        client_id="test",
        **changes,  # type: ignore[arg-type]
    )


@contextlib.asynccontextmanager
async def client_of(
    settings: MqttOptions,
    on_message: Callable[[Incoming], None] | None = None,
    states: list[LinkState] | None = None,
) -> AsyncIterator[MqttClient]:
    client = MqttClient(
        settings,
        clock=StillClock(),
        rng=random.Random(1),
        on_message=on_message,
        on_change=None if states is None else states.append,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.run())
        try:
            yield client
        finally:
            task.cancel()


@contextlib.asynccontextmanager
async def talking(
    script: Script,
    on_message: Callable[[Incoming], None] | None = None,
    states: list[LinkState] | None = None,
    **changes: object,
) -> AsyncIterator[tuple[MqttPeer, MqttClient]]:
    async with (
        MqttPeer(script).running() as peer,
        client_of(options(peer.port, **changes), on_message=on_message, states=states) as client,
    ):
        yield peer, client


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  it watches another thread
            await asyncio.sleep(0.01)


async def connected(client: MqttClient) -> None:
    await until(lambda: client.state.phase is Phase.CONNECTED)


async def test_never_more_publishes_in_flight_than_receive_maximum_allows() -> None:
    async with talking(Script(receive_maximum=3, puback_default=None), window=16) as (peer, client):
        await connected(client)
        assert client.free == 3
        answers = [client.publish("t", b"%d" % n) for n in range(3)]
        assert client.free == 0
        with pytest.raises(ValueError, match="window"):
            client.publish("t", b"one too many")
        await until(lambda: len(peer.seen.published) == 3)
        peer.release()
        assert {(await answer).outcome for answer in answers} == {Outcome.ACCEPTED}
        assert client.free == 3
        assert peer.seen.unanswered_peak == 3


@pytest.mark.parametrize("protocol", [5, 4])
async def test_the_configured_window_holds_where_the_broker_allows_more(protocol: int) -> None:
    async with talking(Script(puback_default=None), window=2, protocol=protocol) as (_, client):
        await connected(client)
        assert client.free == 2


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0x00, Outcome.ACCEPTED),
        (0x10, Outcome.NO_SUBSCRIBERS),
        (0x80, Outcome.FAILED),
        (0x83, Outcome.FAILED),
        (0x87, Outcome.DENIED),
        (0x90, Outcome.DENIED),
        (0x97, Outcome.QUOTA),
        (0x99, Outcome.BLOCK_REFUSED),
    ],
)
async def test_the_reason_code_of_a_puback_is_never_taken_for_success(code: int, outcome: Outcome) -> None:
    async with MqttPeer(Script(puback=[code])).running() as peer, client_of(options(peer.port)) as client:
        await connected(client)
        ack = await client.publish("t", b"x")
        assert (ack.outcome, ack.code) == (outcome, code)


async def test_what_had_no_puback_is_lost_with_the_connection_and_never_sent_behind_our_back() -> None:
    async with MqttPeer(Script(puback_default=None)).running() as peer, client_of(options(peer.port)) as client:
        await connected(client)
        answers = [client.publish("t", b"%d" % n) for n in range(5)]
        await until(lambda: len(peer.seen.published) == 5)
        peer.drop()
        assert {(await answer).outcome for answer in answers} == {Outcome.LOST}
        await until(lambda: len(peer.seen.versions) == 2)
        await connected(client)
        await client.publish("t", b"new") if peer.script.puback_default is not None else None
        peer.script.puback_default = 0
        assert (await client.publish("t", b"new")).outcome is Outcome.ACCEPTED
        assert [payload for _, payload in peer.seen.published[5:]] == [b"new"]


async def test_a_publish_without_connection_is_lost_at_once() -> None:
    client = MqttClient(options(1), clock=StillClock(), rng=random.Random(1))
    assert client.free == 0
    assert (await client.publish("t", b"x")).outcome is Outcome.LOST


async def test_a_broker_that_swallows_publishes_is_silent_within_the_deadline() -> None:
    states: list[LinkState] = []
    async with talking(Script(puback_default=None), states=states, publish_deadline_s=1.0) as (_, client):
        await connected(client)
        answer = client.publish("t", b"x")
        assert (await asyncio.wait_for(answer, 5)).outcome is Outcome.LOST
        await until(lambda: any(state.trouble is Trouble.BROKER_SILENT for state in states))


async def test_an_idle_connection_whose_pings_stay_unanswered_is_silent() -> None:
    states: list[LinkState] = []
    async with talking(Script(pong=False), states=states, keepalive_s=1) as (_, client):
        await connected(client)
        await until(lambda: any(state.trouble is Trouble.BROKER_SILENT for state in states), 8)


async def test_a_server_that_accepts_and_says_nothing_is_named() -> None:
    states: list[LinkState] = []
    async with talking(Script(connack=None), states=states, connect_deadline_s=0.5):
        await until(lambda: any(state.trouble is Trouble.NO_ANSWER for state in states))


async def test_a_refused_connection_is_named_and_retried_with_growing_pauses() -> None:
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        states: list[LinkState] = []
        async with client_of(options(placeholder.getsockname()[1]), states=states) as client:
            await until(lambda: client.state.failures >= 3, 10)
    assert {state.trouble for state in states if state.phase is Phase.WAITING} == {Trouble.REFUSED}


async def test_pauses_are_full_jitter_between_one_second_and_five_minutes() -> None:
    client = MqttClient(options(1), clock=StillClock(), rng=random.Random(4))
    for failures, bound in ((1, 1.0), (2, 2.0), (6, 32.0), (9, 256.0), (12, 300.0), (5000, 300.0)):
        pauses = [client._pause_s(failures) for _ in range(400)]
        assert all(0.05 <= pause <= bound for pause in pauses)
        assert max(pauses) > 0.9 * bound
        assert min(pauses) < 0.1 * bound + 0.05


@pytest.mark.parametrize(("code", "trouble"), [(0x87, Trouble.NOT_AUTHORISED), (0x89, Trouble.BROKER_BUSY)])
async def test_a_refusing_connack_is_named(code: int, trouble: Trouble) -> None:
    states: list[LinkState] = []
    async with MqttPeer(Script(connack=code)).running() as peer, client_of(options(peer.port), states=states):
        await until(lambda: any(state.trouble is trouble for state in states))


async def test_a_broker_that_speaks_only_3_1_1_is_spoken_to_in_it() -> None:
    async with MqttPeer(Script(only_v4=True)).running() as peer, client_of(options(peer.port)) as client:
        await connected(client)
        assert client.state.protocol == 4
        assert (await client.publish("t", b"x")).outcome is Outcome.ACCEPTED
        assert peer.seen.versions == [5, 4]


async def test_a_disconnect_with_a_reason_is_named() -> None:
    states: list[LinkState] = []
    async with talking(Script(goodbye=0x8E), states=states) as (_, client):
        await connected(client)
        assert (await client.publish("t", b"x")).outcome is Outcome.LOST
        await until(lambda: any(state.trouble is Trouble.TAKEN_OVER for state in states))


async def test_messages_come_in_whole() -> None:
    got: list[Incoming] = []
    async with talking(Script(), on_message=got.append, subscriptions=("a/#",)) as (peer, client):
        await connected(client)
        peer.push("a/b", bytes(range(256)))
        await until(lambda: len(got) == 1)
    assert got == [Incoming(topic="a/b", payload=bytes(range(256)), retained=False)]


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()}")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (socket.gaierror(-2, "Name or service not known"), Trouble.HOST_UNKNOWN),
        (ConnectionRefusedError(111, "Connection refused"), Trouble.REFUSED),
        (TimeoutError("timed out"), Trouble.NO_ANSWER),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Trouble.UNREACHABLE),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Trouble.UNREACHABLE),
        (ConnectionResetError(104, "Connection reset by peer"), Trouble.CONNECTION_LOST),
        (None, Trouble.CONNECTION_LOST),
        (tls_error("SSLV3_ALERT_CERTIFICATE_EXPIRED"), Trouble.CERTIFICATE_EXPIRED),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Trouble.CERTIFICATE_MISSING),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), Trouble.CERTIFICATE_REFUSED),
        (tls_error("WRONG_VERSION_NUMBER"), Trouble.NOT_TLS),
        (CredentialsError(2, "No such file or directory", "/nowhere"), Trouble.CREDENTIALS_UNREADABLE),
    ],
)
def test_what_broke_a_connection_has_a_name_and_all_that_its_sentence_wants(
    error: BaseException | None, trouble: Trouble, tmp_path: Path
) -> None:
    (tmp_path / "client.pem").write_bytes(certificate(StillClock().utc_ns()))
    secure = MqttOptions(
        endpoint=Endpoint(host="broker.example", port=8883, tls=True),
        client_id="test",
        credentials=Credentials(cert_file=tmp_path / "client.pem"),
    )
    found, facts = explain(error, secure, StillClock().utc_ns())
    assert found is trouble
    sentence = MESSAGES[trouble.value].text.format(**dict(facts))
    assert sentence


def certificate(utc_ns: int) -> bytes:
    now = datetime.fromtimestamp(utc_ns / 1e9, tz=UTC)
    with tempfile.TemporaryDirectory() as folder:
        return Authority(Path(folder), now).client("test").cert_file.read_bytes()


@pytest.mark.parametrize(
    "url", ["http://x", "mqtt://", "mqtt://a:0", "mqtt://a:70000", "mqtt://u:p@a", "mqtt://a/topic", "broker:1883"]
)
def test_a_wrong_broker_url_is_refused_with_its_key(url: str) -> None:
    with pytest.raises(ConfigError, match=r"uplink\.url"):
        parse_broker_url(url)


def test_a_broker_url_has_the_usual_ports() -> None:
    assert parse_broker_url("mqtt://broker.example") == Endpoint(host="broker.example", port=1883, tls=False)
    assert parse_broker_url("mqtts://[::1]") == Endpoint(host="::1", port=8883, tls=True)
