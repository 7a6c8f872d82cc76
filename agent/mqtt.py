"""One MQTT connection over paho, from CONNECT to its end. The only importer of paho.

paho forgets its in-flight count on reconnect and sends everything at once, and its ``is_published()`` is true for a
publish that the broker refused; so no paho client lives longer than one connection, and a publish counts as taken in
only when ``on_publish`` fired for it with reason code 0. ``mqtt_client`` makes one of these after the other.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from agent.delivery.mqtt_options import MAX_PACKET_BYTES, MqttOptions
from agent.delivery.mqtt_state import Facts, Incoming, Outcome, PubAck, Trouble, outcome_of
from agent.delivery.mqtt_tls import ask_again, explain, is_vague, make_context, read_password
from agent.leaving_out import leaving_out

# paho asks urllib.request for proxies, and only where there is PySocks; it drags http and email along: 1.6 MiB
with leaving_out("urllib.request", unless="socks"):
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

RECEIVE_WINDOW: Final = 1000
ASK_S: Final = 3.0

_CONNACK: Final = {
    0x84: Trouble.PROTOCOL_UNSUPPORTED,
    0x85: Trouble.NOT_AUTHORISED,
    0x86: Trouble.NOT_AUTHORISED,
    0x87: Trouble.NOT_AUTHORISED,
    0x88: Trouble.BROKER_BUSY,
    0x89: Trouble.BROKER_BUSY,
    0x8A: Trouble.NOT_AUTHORISED,
    0x97: Trouble.QUOTA,
    0x9F: Trouble.BROKER_BUSY,
}
_DISCONNECT: Final = {
    0x87: Trouble.NOT_AUTHORISED,
    0x89: Trouble.BROKER_BUSY,
    0x8B: Trouble.BROKER_BUSY,
    0x8E: Trouble.TAKEN_OVER,
    0x95: Trouble.BLOCK_REFUSED,
    0x96: Trouble.QUOTA,
    0x97: Trouble.QUOTA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What the broker's CONNACK allows.

    Attributes:
        window: its Receive Maximum.
        packet_bytes: its Maximum Packet Size.
    """

    window: int
    packet_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why a connection is over; ``connack`` tells whether the broker had accepted it."""

    trouble: Trouble
    facts: Facts
    connack: bool = False


class Owner(Protocol):
    """Who made the connection."""

    def utc_ns(self) -> int:
        """UTC, to hold against the dates of certificates."""
        ...

    def slot_freed(self) -> None:
        """The window has opened, or the connection is over; called in the loop."""
        ...

    def incoming(self, message: Incoming) -> None:
        """A message came; called in the network thread."""
        ...


class _LastError(logging.Handler):
    """Keeps the exception that paho logs and hides: a TLS 1.3 alert shows itself nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        args = record.args if isinstance(record.args, tuple) else ()
        self.error = next((arg for arg in args if isinstance(arg, BaseException)), self.error)


class Connection:
    """One paho client for one connection. Made in the loop; paho's callbacks come in its network thread.

    Attributes:
        pending: publishes without PUBACK, by packet identifier.
        granted: set when the broker has accepted the connection.
        ended: set when it is over, whether it was accepted or not.
        last_heard_s: loop time of the last PUBACK, or of the publish that found none pending.
    """

    def __init__(self, owner: Owner, options: MqttOptions, loop: asyncio.AbstractEventLoop) -> None:
        self.pending: dict[int, asyncio.Future[PubAck]] = {}
        self.granted: asyncio.Future[Granted] = loop.create_future()
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self.last_heard_s = loop.time()
        self._owner = owner
        self._options = options
        self._loop = loop
        self._last = _LastError()
        self._starting = threading.Lock()
        self._abandoned = False
        self._client = self._make_client()

    def start(self) -> None:
        """Connect in a thread of its own: names, TCP and TLS may take their time."""
        threading.Thread(target=self._connect, name="mqtt-connect", daemon=True).start()

    def publish(
        self, topic: str, payload: bytes, *, retain: bool, content_type: str | None
    ) -> asyncio.Future[PubAck]:
        """Send at QoS 1; the future is set on PUBACK, or LOST at the end of the connection."""
        future: asyncio.Future[PubAck] = self._loop.create_future()
        properties = None
        if content_type is not None and self._options.protocol == MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = content_type
        if not self.pending:
            self.last_heard_s = self._loop.time()
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            future.set_result(PubAck(outcome=Outcome.LOST))
        else:
            self.pending[info.mid] = future
        return future

    def close(self) -> None:
        """Say goodbye, which keeps the Will back."""
        self._client.disconnect()

    def abort(self) -> None:
        """End a connection that does not answer: the network thread wakes up with an end of file."""
        with self._starting:
            self._abandoned = True
        sock = self._client.socket()
        if sock is not None:
            with suppress(OSError, ValueError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # type: ignore[arg-type]  # a TLS socket is one too

    def end(self, ended: Ended) -> None:
        """Settle everything that still waits; the first reason stands."""
        if not self.ended.done():
            self.ended.set_result(ended)
        for future in self.pending.values():
            if not future.done():
                future.set_result(PubAck(outcome=Outcome.LOST))
        self.pending.clear()
        self._owner.slot_freed()

    def _make_client(self) -> Client:
        options = self._options
        v5 = options.protocol == MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=None if v5 else True,
            protocol=MQTTv5 if v5 else MQTTv311,
            reconnect_on_failure=False,
        )
        logger = logging.Logger("mqtt", logging.ERROR)  # noqa: LOG001  private: only its handler hears it
        logger.addHandler(self._last)
        client.enable_logger(logger)
        client.max_inflight_messages_set(0)  # the window is ours
        if options.will is not None:
            client.will_set(options.will.topic, options.will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> None:
        options = self._options
        properties = None
        if options.protocol == MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = RECEIVE_WINDOW
            properties.MaximumPacketSize = MAX_PACKET_BYTES
        try:
            credentials = options.credentials
            if options.endpoint.tls:
                self._client.tls_set_context(make_context(credentials))
            if credentials.username is not None:
                self._client.username_pw_set(credentials.username, read_password(credentials))
            self._client.connect(
                options.endpoint.host, options.endpoint.port, options.keepalive_s, properties=properties
            )
            with self._starting:
                if self._abandoned:
                    self._client.disconnect()
                else:
                    self._client.loop_start()
        except (OSError, ValueError) as error:
            self._post(self._lost, error)

    def _lost(self, error: BaseException | None) -> None:
        """The connection broke; where TLS may have a word to say that got lost, ask once more."""
        connack = self.granted.done()
        if connack or self.ended.done() or not self._options.endpoint.tls or not is_vague(error):
            self._fail(error, connack)
            return
        threading.Thread(target=self._ask_again, args=(error,), name="mqtt-ask", daemon=True).start()

    def _ask_again(self, error: BaseException | None) -> None:
        told = ask_again(self._options.endpoint, self._options.credentials, ASK_S)
        self._post(self._fail, told or error, False)

    def _fail(self, error: BaseException | None, connack: bool) -> None:
        if connack:
            lost: Facts = (("host", self._options.endpoint.host), ("reason", str(error or "closed by the broker")))
            self.end(Ended(trouble=Trouble.CONNECTION_LOST, facts=lost, connack=True))
            return
        trouble, facts = explain(error, self._options, self._owner.utc_ns())
        self.end(Ended(trouble=trouble, facts=facts))

    def _post(self, function: Callable[..., object], *args: Any) -> None:  # noqa: ANN401
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(function, *args)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            trouble = _CONNACK.get(code.value, Trouble.CONNECTION_LOST)
            facts = (("host", self._options.endpoint.host), ("reason", str(code)))
            self._post(self.end, Ended(trouble=trouble, facts=facts))
            return
        window = getattr(properties, "ReceiveMaximum", None) or 65535
        size = getattr(properties, "MaximumPacketSize", None) or 2**28
        if self._options.subscriptions:
            self._client.subscribe([(topic, 1) for topic in self._options.subscriptions])
        self._post(self._grant, Granted(window=window, packet_bytes=size))

    def _grant(self, granted: Granted) -> None:
        self.last_heard_s = self._loop.time()
        if not self.granted.done():
            self.granted.set_result(granted)

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._post(self._disconnected, flags.is_disconnect_packet_from_server, code.value, str(code))

    def _disconnected(self, from_broker: bool, code: int, text: str) -> None:
        place = (("host", self._options.endpoint.host), ("reason", text))
        if from_broker and code in _DISCONNECT:
            self.end(Ended(trouble=_DISCONNECT[code], facts=place, connack=True))
        elif code == 0x8D and not from_broker:
            self.end(Ended(trouble=Trouble.BROKER_SILENT, facts=place, connack=True))
        else:
            self._lost(self._last.error)

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._post(self._settle, mid, code.value)

    def _settle(self, mid: int, code: int) -> None:
        self.last_heard_s = self._loop.time()
        future = self.pending.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(PubAck(outcome=outcome_of(code), code=code))
        self._owner.slot_freed()

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = next((str(code) for code in codes if code.is_failure), None)
        if refused is not None:
            facts = (("host", self._options.endpoint.host), ("reason", refused))
            self._post(self.end, Ended(trouble=Trouble.NOT_AUTHORISED, facts=facts, connack=True))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with suppress(UnicodeDecodeError):
            self._owner.incoming(
                Incoming(topic=message.topic, payload=bytes(message.payload), retained=message.retain)
            )
