"""The private broker does what the upstream tests rely on: refuses, dies, freezes, returns, checks certificates."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hil.broker import Broker, BrokerError, BrokerOptions, free_port
from hil.pki import Authority, Credentials
from hil.proxy import FaultProxy, Mode

pytestmark = [pytest.mark.upstream, pytest.mark.peers]

Maker = Callable[..., Broker]
NOT_AUTHORIZED = 0x87
NO_SUBSCRIBERS = 0x10


class Client:
    """A paho client whose outcomes can be waited for."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._paho = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if tls is not None:
            self._paho.tls_set_context(tls)
        self.connects: list[int] = []
        self.acks: list[int] = []
        self.gone = 0
        self._paho.on_connect = lambda *got: self.connects.append(got[3].value)
        self._paho.on_publish = lambda *got: self.acks.append(got[3].value)
        self._paho.on_disconnect = self._on_disconnect
        self._paho.connect("localhost" if tls else "127.0.0.1", port, keepalive=5)
        self._paho.loop_start()

    def _on_disconnect(self, *_got: object) -> None:
        self.gone += 1

    def publish(self) -> None:
        self._paho.publish("tidegate/1/0011223344556677/t/block", b"x", qos=1)

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], object], patience_s: float = 8.0) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - paho's thread sets no event
            await asyncio.sleep(0.01)


async def test_a_publish_is_acknowledged_and_nobody_listens(broker: Broker) -> None:
    client = Client(broker.port)
    client.publish()
    await until(lambda: client.acks)
    assert client.acks == [NO_SUBSCRIBERS]
    client.close()


async def test_an_acl_refuses_with_the_code_of_mqtt_5_until_it_is_changed(make_broker: Maker) -> None:
    broker = make_broker(BrokerOptions(acl="topic read tidegate/#"))
    client = Client(broker.port)
    client.publish()
    await until(lambda: client.acks)
    assert client.acks == [NOT_AUTHORIZED]
    broker.allow("topic readwrite tidegate/#")
    await until(lambda: "Reloading config" in broker.last_words(50))
    client.publish()
    await until(lambda: len(client.acks) == 2)
    assert client.acks[1] == NO_SUBSCRIBERS
    client.close()


@pytest.mark.parametrize("end", [Broker.stop, Broker.kill], ids=["stop", "kill"])
async def test_it_comes_back_on_the_same_port(broker: Broker, end: Callable[[Broker], None]) -> None:
    port, pid = broker.port, broker.pid
    client = Client(port)
    await until(lambda: client.connects)
    end(broker)
    await until(lambda: client.gone)
    assert pid is not None
    assert not alive(pid)
    broker.start()
    assert broker.port == port
    await until(lambda: len(client.connects) == 2)
    client.close()


async def test_a_frozen_broker_takes_connections_and_answers_nothing(broker: Broker) -> None:
    client = Client(broker.port)
    await until(lambda: client.connects)
    broker.freeze()
    client.publish()
    await asyncio.sleep(0.5)
    assert client.acks == []
    broker.thaw()
    await until(lambda: client.acks)
    client.close()


async def test_certificates_decide_who_may_connect(tmp_path: Path, make_broker: Maker) -> None:
    authority = Authority(tmp_path, dt.datetime.fromtimestamp(time.time_ns() / 1e9, dt.UTC))
    broker = make_broker(BrokerOptions(ca_file=authority.ca_file, server=authority.server()))
    assert broker.url.startswith("mqtts://localhost:")

    async def code_for(credentials: Credentials | None) -> list[int]:
        context = ssl.create_default_context(cafile=str(authority.ca_file))
        if credentials is not None:
            context.load_cert_chain(credentials.cert_file, credentials.key_file)
        try:
            client = Client(broker.port, context)
        except (ssl.SSLError, OSError):
            return []
        try:
            await until(lambda: client.connects or client.gone)
        finally:
            client.close()
        return client.connects

    assert await code_for(authority.client("good")) == [0]
    assert await code_for(authority.client("expired", until_h=-0.5)) != [0]
    assert await code_for(None) != [0]


def test_a_port_that_is_taken_is_said(tmp_path: Path, broker: Broker) -> None:
    with pytest.raises(BrokerError, match="does not start"):
        Broker(tmp_path, port=broker.port).start()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_the_proxy_passes_swallows_slows_and_resets() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", free_port())
    async with FaultProxy(server.sockets[0].getsockname()[1], slow_bytes_s=1000) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        proxy.become(Mode.HOLE)
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(3)
        assert proxy.swallowed_bytes == 3
        proxy.become(Mode.SLOW)
        began = asyncio.get_running_loop().time()
        writer.write(bytes(100))
        assert await reader.readexactly(100) == bytes(100)
        assert asyncio.get_running_loop().time() - began >= 0.2
        proxy.become(Mode.RESET)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        assert proxy.accepted == 1
    server.close()
