"""What is known about a connection to a broker, for status, log and the next decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

Facts: TypeAlias = tuple[tuple[str, str], ...]
"""Named values for the sentence that belongs to a trouble, such as ``(("host", "broker.example"),)``."""


class Phase(Enum):
    """Where a client stands."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"


class Trouble(Enum):
    """Why blocks do not reach the platform; the value is the key of the sentence that a person reads."""

    HOST_UNKNOWN = "uplink-host-unknown"
    REFUSED = "uplink-connection-refused"
    UNREACHABLE = "uplink-unreachable"
    NO_ANSWER = "uplink-no-answer"
    CONNECTION_LOST = "uplink-connection-lost"
    BROKER_SILENT = "uplink-broker-silent"
    BROKER_BUSY = "uplink-broker-busy"
    TAKEN_OVER = "uplink-taken-over"
    PROTOCOL_UNSUPPORTED = "uplink-protocol-unsupported"
    NOT_AUTHORISED = "uplink-not-authorised"
    CREDENTIALS_UNREADABLE = "uplink-credentials-unreadable"
    NOT_TLS = "uplink-not-tls"
    SERVER_UNTRUSTED = "uplink-server-untrusted"
    SERVER_EXPIRED = "uplink-server-expired"
    CERTIFICATE_EXPIRED = "uplink-certificate-expired"
    CERTIFICATE_EARLY = "uplink-certificate-not-yet-valid"
    CERTIFICATE_MISSING = "uplink-certificate-missing"
    CERTIFICATE_REFUSED = "uplink-certificate-refused"
    PUBLISH_DENIED = "uplink-publish-denied"
    PUBLISH_FAILED = "uplink-publish-failed"
    QUOTA = "uplink-quota"
    BLOCK_REFUSED = "uplink-block-refused"
    NO_SUBSCRIBERS = "uplink-no-subscribers"
    NO_RECEIPT = "uplink-no-receipt"
    RECEIPT_DISAGREES = "uplink-receipt-disagrees"
    RECEIPT_KEY = "uplink-receipt-key"


class Outcome(Enum):
    """What became of one publish. ACCEPTED opens the window; nothing but a signed receipt ends custody."""

    ACCEPTED = "accepted"
    NO_SUBSCRIBERS = "no-subscribers"
    DENIED = "denied"
    QUOTA = "quota"
    BLOCK_REFUSED = "block-refused"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class PubAck:
    """The broker's answer to one publish.

    Attributes:
        outcome: what it means for the block.
        code: reason code of the PUBACK (0 with MQTT 3.1.1, which has none); 0 when LOST.
    """

    outcome: Outcome
    code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """One look at a connection.

    Attributes:
        trouble: why it is not connected, or was not the last time; None while all is well.
        facts: values for the sentence of ``trouble``.
        since_mono_ns: when ``phase`` or ``trouble`` last changed, CLOCK_BOOTTIME.
        failures: connections in a row that failed or did not last.
        protocol: 5 or 4, the version in use.
    """

    phase: Phase
    trouble: Trouble | None = None
    facts: Facts = ()
    since_mono_ns: int = 0
    failures: int = 0
    protocol: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


_PUBACK = {
    0x00: Outcome.ACCEPTED,
    0x10: Outcome.NO_SUBSCRIBERS,
    0x87: Outcome.DENIED,
    0x90: Outcome.DENIED,
    0x95: Outcome.BLOCK_REFUSED,
    0x97: Outcome.QUOTA,
    0x99: Outcome.BLOCK_REFUSED,
}


def outcome_of(code: int) -> Outcome:
    """Sort a PUBACK reason code (MQTT 5.0, table 3-4) by what the caller does next."""
    return _PUBACK.get(code, Outcome.FAILED)
