"""A scripted MQTT server: answers as told, or not at all. Written from MQTT 5.0 and 3.1.1, far from a broker.

It stands in for the brokers that a test cannot install: one with a small Receive Maximum, one that refuses MQTT 5,
one that takes everything and stays silent, one that disconnects with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


@dataclass(slots=True)
class Script:
    """How the server behaves; change it while it runs.

    Attributes:
        connack: reason code of CONNACK, None to stay silent.
        receive_maximum: told to MQTT 5 clients, None to leave it out.
        maximum_packet: told to MQTT 5 clients, None to leave it out.
        only_v4: refuse MQTT 5 as nats-server does.
        puback: reason codes of the next PUBACKs; None inside means no answer. When used up: ``puback_default``.
        puback_default: the same for all later ones.
        pong: whether pings are answered.
        goodbye: reason code of a DISCONNECT sent on the next PUBLISH, None for no such thing.
    """

    connack: int | None = 0
    receive_maximum: int | None = None
    maximum_packet: int | None = None
    only_v4: bool = False
    puback: list[int | None] = field(default_factory=list)
    puback_default: int | None = 0
    pong: bool = True
    goodbye: int | None = None


@dataclass(slots=True)
class Seen:
    """What clients did.

    Attributes:
        versions: protocol level of each CONNECT.
        published: (topic, payload) of each PUBLISH.
        unanswered_peak: most publishes of one connection without PUBACK at any time.
    """

    versions: list[int] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    unanswered_peak: int = 0


class MqttPeer:
    """The server; ``push`` sends a QoS 0 message to every client, ``release`` answers the publishes held back."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen = Seen()
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._held: list[tuple[asyncio.StreamWriter, int, int]] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[MqttPeer]:
        """Listen on a free loopback port until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.drop()

    def drop(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def release(self, code: int = 0) -> None:
        """Answer every publish that was held back."""
        held, self._held = self._held, []
        for writer, mid, version in held:
            writer.write(_puback(mid, code, version))

    def push(self, topic: str, payload: bytes, version: int = 5) -> None:
        """Publish to every client that is connected."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + (b"\0" if version == 5 else b"") + payload
        for writer in self._writers:
            writer.write(_packet(PUBLISH, 0, body))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            self._held = [held for held in self._held if held[0] is not writer]
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version = 4
        while True:
            kind, flags, body = await _read(reader)
            if kind == CONNECT:
                version = body[6]
                self.seen.versions.append(version)
                if not self._greet(writer, version):
                    return
            elif kind == PUBLISH:
                if not self._take(writer, flags, body, version):
                    return
            elif kind == SUBSCRIBE:
                writer.write(_packet(SUBACK, 0, body[:2] + (b"\0" if version == 5 else b"") + b"\1"))
            elif kind == PINGREQ and self.script.pong:
                writer.write(_packet(PINGRESP, 0, b""))
            elif kind == DISCONNECT:
                return

    def _greet(self, writer: asyncio.StreamWriter, version: int) -> bool:
        script = self.script
        if script.connack is None:
            return True
        if version == 5 and script.only_v4:
            writer.write(_packet(CONNACK, 0, b"\0\x84\0"))
            return False
        if version != 5:
            writer.write(_packet(CONNACK, 0, bytes((0, min(script.connack, 5)))))
            return script.connack == 0
        properties = b""
        if script.receive_maximum is not None:
            properties += b"\x21" + script.receive_maximum.to_bytes(2, "big")
        if script.maximum_packet is not None:
            properties += b"\x27" + script.maximum_packet.to_bytes(4, "big")
        writer.write(_packet(CONNACK, 0, bytes((0, script.connack, len(properties))) + properties))
        return script.connack == 0

    def _take(self, writer: asyncio.StreamWriter, flags: int, body: bytes, version: int) -> bool:
        size = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        qos = flags >> 1 & 3
        mid = int.from_bytes(rest[:2], "big") if qos else 0
        rest = rest[2:] if qos else rest
        if version == 5:
            rest = rest[1 + rest[0] :]
        self.seen.published.append((topic, rest))
        if self.script.goodbye is not None:
            writer.write(_packet(DISCONNECT, 0, bytes((self.script.goodbye, 0))))
            self.script.goodbye = None
            return False
        if qos:
            self._answer(writer, mid, version)
        return True

    def _answer(self, writer: asyncio.StreamWriter, mid: int, version: int) -> None:
        code = self.script.puback.pop(0) if self.script.puback else self.script.puback_default
        if code is not None:
            writer.write(_puback(mid, code, version))
            return
        self._held.append((writer, mid, version))
        mine = sum(1 for held in self._held if held[0] is writer)
        self.seen.unanswered_peak = max(self.seen.unanswered_peak, mine)


def _puback(mid: int, code: int, version: int) -> bytes:
    return _packet(PUBACK, 0, mid.to_bytes(2, "big") + (bytes((code, 0)) if version == 5 else b""))


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    size, length = b"", len(body)
    while True:
        size += bytes((length & 127 | (128 if length > 127 else 0),))
        length >>= 7
        if not length:
            return bytes((kind << 4 | flags,)) + size + body


async def _read(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return first >> 4, first & 15, await reader.readexactly(length)
