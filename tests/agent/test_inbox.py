"""What comes from the broker for a gateway: what counts, and how much of it may wait."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.block.cose import PublicKey
from agent.block.messages import Receipt, Resend, make_resend
from agent.delivery.inbox import MOST_HELD, Inbox
from agent.delivery.mqtt_state import Incoming
from agent.keys import FileKeyStore, SigningKey
from tests.agent.uplink_site import GATEWAY, TOPICS, block, receipt_of, until

MANY = 20 * MOST_HELD


@dataclass
class Came:
    """What an inbox let in."""

    receipts: list[Receipt] = field(default_factory=list)
    resends: list[Resend] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def inbox(self, platform: SigningKey) -> Inbox:
        return Inbox(
            GATEWAY,
            PublicKey.from_spki(platform.spki),
            on_receipt=self.receipts.append,
            on_resend=self.resends.append,
            on_other_key=self.others.append,
        )


def message(topic: str, payload: bytes) -> Incoming:
    return Incoming(topic=topic, payload=payload, retained=False)


async def test_only_what_the_platform_signed_for_this_gateway_counts(platform: SigningKey, tmp_path: Path) -> None:
    stranger = FileKeyStore(tmp_path / "stranger").create_identity()
    came = Came()
    inbox = came.inbox(platform)
    inbox.open()
    inbox.put(message(TOPICS.receipt, receipt_of(platform, block(0, 7))))
    inbox.put(message(TOPICS.resend, make_resend(platform, GATEWAY, 0, 3, None)))
    for payload in (receipt_of(stranger, block(0, 8)), make_resend(platform, GATEWAY, 0, 3, 4), b"nonsense"):
        inbox.put(message(TOPICS.receipt, payload))
    for payload in (make_resend(stranger, GATEWAY, 0, 0, 1), make_resend(platform, bytes(8), 0, 0, 1), b""):
        inbox.put(message(TOPICS.resend, payload))
    inbox.put(message(TOPICS.block, receipt_of(platform, block(0, 9))))
    await until(lambda: inbox.ignored == 7)
    assert [receipt.number for receipt in came.receipts] == [7]
    assert [(resend.first, resend.last) for resend in came.resends] == [(3, None)]
    assert came.others == [stranger.kid.hex()]


async def test_a_broker_that_floods_is_held_back_and_no_message_is_lost(platform: SigningKey) -> None:
    came = Came()
    inbox = came.inbox(platform)
    inbox.open()
    handed: list[int] = []

    def flood() -> None:
        for number in range(MANY):
            inbox.put(message(TOPICS.receipt, b"nonsense"))
            handed.append(number)

    network = threading.Thread(target=flood)
    network.start()
    busy_until_s = time.monotonic() + 0.2
    while time.monotonic() < busy_until_s:
        pass  # the loop does something else: nothing is taken
    assert len(handed) <= MOST_HELD
    await until(lambda: inbox.ignored == MANY)
    await asyncio.to_thread(network.join)


def test_a_network_thread_does_not_wait_for_a_loop_that_has_ended(
    platform: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.inbox._LOOK_S", 0.01)
    inbox = Came().inbox(platform)

    async def opened() -> None:
        inbox.open()

    inbox.put(message(TOPICS.receipt, b"before it was opened"))
    asyncio.run(opened())
    for _ in range(MOST_HELD + 2):
        inbox.put(message(TOPICS.receipt, b"nonsense"))
    assert inbox.ignored == 0
