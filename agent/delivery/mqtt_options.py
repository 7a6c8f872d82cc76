"""Everything that one MQTT client has to be told, and reading a broker URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent.errors import ConfigError

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
MAX_PACKET_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the broker listens."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes, retained, when the connection breaks."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who this client is for the broker; files are read anew at every connection, so renewal needs no restart.

    Attributes:
        ca_file: certificate authority for TLS, None for the system's.
        cert_file: client certificate, PEM; with ``key_file``.
        password_file: its one line is the password of ``username``; nobody but the owner may read it.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """One client.

    Attributes:
        client_id: the broker ends the older connection of two with one id.
        protocol: 5, or 4 for MQTT 3.1.1; a broker that refuses 5 is spoken to in 4.
        keepalive_s: an idle connection that is dead is found within twice this time.
        window: most publishes without PUBACK; the broker's Receive Maximum lowers it.
        subscriptions: topic filters, QoS 1.
        connect_deadline_s: for name, connection, handshake and CONNACK together.
        publish_deadline_s: a connection without any PUBACK for so long while one is due is dead. It asks for
            64 KiB in this time at least, 3.3 kB/s with the default.
        backoff_max_s: upper bound of the pauses between connections.
    """

    endpoint: Endpoint
    client_id: str
    credentials: Credentials = Credentials()
    protocol: int = 5
    keepalive_s: int = 12
    window: int = 16
    subscriptions: tuple[str, ...] = ()
    will: Will | None = None
    connect_deadline_s: float = 10.0
    publish_deadline_s: float = 20.0
    backoff_max_s: float = 300.0


def parse_broker_url(url: str, where: str = "uplink.url") -> Endpoint:
    """Read ``mqtt://host[:port]`` or ``mqtts://host[:port]``.

    Raises:
        ConfigError: another scheme, no host, or more than scheme, host and port.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS:
        raise ConfigError(where, f"{url!r} is not a broker URL", "write mqtt://HOST:PORT or mqtts://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(where, "user and password do not belong into the URL", "use username and password_file")
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(where, f"{url!r} has a bad port", "a port is 1 to 65535") from None
    if not parts.hostname or port == 0:
        raise ConfigError(where, f"{url!r} names no host or port 0", "write mqtt://HOST:PORT or mqtts://HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(
            where, f"{url!r} has something behind the host", "write mqtt://HOST:PORT or mqtts://HOST:PORT"
        )
    return Endpoint(host=parts.hostname, port=port or PORTS[parts.scheme], tls=parts.scheme == "mqtts")
