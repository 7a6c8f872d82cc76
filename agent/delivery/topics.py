"""The topic tree of block format version 1: ``tidegate/1/<shard>/<gateway id>/<leaf>``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "tidegate/1"
SHARDS: Final = 64
GATEWAY_ID_BYTES: Final = 8
BLOCK_CONTENT_TYPE: Final = 'application/cose; cose-type="cose-sign1"'

ALL_BLOCKS: Final = f"{PREFIX}/+/+/block"
ALL_DICTIONARIES: Final = f"{PREFIX}/+/+/dictionary"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTopics:
    """Every topic of one gateway."""

    block: str
    dictionary: str
    status: str
    receipt: str
    resend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What a topic of the tree says: whose it is and what for."""

    gateway: bytes
    name: str


def shard_of(gateway: bytes) -> str:
    """Name the shard of a gateway: first byte of its id modulo 64, two digits."""
    return f"{gateway[0] % SHARDS:02d}"


def topics_of(gateway: bytes) -> GatewayTopics:
    """Give the topics of the gateway with this 8-byte id."""
    root = f"{PREFIX}/{shard_of(gateway)}/{gateway.hex()}"
    return GatewayTopics(
        block=f"{root}/block",
        dictionary=f"{root}/dictionary",
        status=f"{root}/status",
        receipt=f"{root}/receipt",
        resend=f"{root}/resend",
    )


def parse_topic(topic: str) -> Leaf | None:
    """Read a topic; None unless it is one of ours, with the right shard and lower-case hex."""
    prefix, _, rest = topic.partition(f"{PREFIX}/")
    parts = rest.split("/")
    if prefix or len(parts) != 3 or len(parts[1]) != 2 * GATEWAY_ID_BYTES:
        return None
    try:
        gateway = bytes.fromhex(parts[1])
    except ValueError:
        return None
    if gateway.hex() != parts[1] or shard_of(gateway) != parts[0]:
        return None
    return Leaf(gateway=gateway, name=parts[2])
