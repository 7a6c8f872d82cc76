"""From the outbox to one platform: publishes sealed blocks, and lets storage know what the platform has receipted.

A PUBACK only opens the window (brokers were seen to lose what they had acknowledged); nothing but a receipt that the
platform signed ends custody. So whatever has no receipt is sent again: on every new connection, when the platform
asks, and, should no receipt come, the oldest block in growing pauses.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from agent.block.cose import PublicKey
from agent.block.messages import Receipt, Resend
from agent.config import Uplink as UplinkSettings
from agent.delivery.inbox import Inbox
from agent.delivery.lanes import Lanes
from agent.delivery.mqtt_client import MqttClient
from agent.delivery.mqtt_options import Credentials, MqttOptions, Will, parse_broker_url
from agent.delivery.mqtt_state import LinkState, Outcome, Phase, PubAck, Trouble
from agent.delivery.standing import Standing
from agent.delivery.topics import BLOCK_CONTENT_TYPE, GatewayTopics, topics_of
from agent.delivery.uplink_status import UplinkStatus
from agent.delivery.uplink_storage import UplinkStorage
from agent.errors import StorageError
from agent.keys import parse_key_line
from agent.killpoint import KillPoint, Reached, no_kill
from agent.storing.offering import dictionary_parts
from agent.storing.stored import ReceiptOutcome, StoredBlock, seq_of
from drivers.clock import Clock

REWIND_BLOCKS: Final = 256
WATCH_S: Final = 1.0
CALM_S: Final = 5.0
STATUS_EVERY_S: Final = 600.0
OFFER_EVERY_S: Final = 30.0
PACKET_EXTRA_BYTES: Final = 256
"""Topic, content type and header of a publish, at most."""
_DISAGREES: Final = frozenset({ReceiptOutcome.FOREIGN_HEAD, ReceiptOutcome.ABOVE_CHAIN})


class Uplink:
    """One destination. ``run`` does the work; the rest may be asked at any time, in the loop.

    Args:
        settings: of this destination.
        gateway: 8-byte id of this gateway.
        storage: where blocks come from and receipts go to.
        clock: for times in the status.
        rng: for pauses.
        reached: kill points of the crash tests.
        on_trouble: called in the loop when the trouble has changed, with the new status.

    Raises:
        ConfigError: the URL or the receipt key cannot be used.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        gateway: bytes,
        storage: UplinkStorage,
        *,
        clock: Clock,
        rng: random.Random,
        reached: Reached = no_kill,
        on_trouble: Callable[[UplinkStatus], None] | None = None,
    ) -> None:
        key = parse_key_line(settings.receipt_key, "uplink.receipt_key")
        self._url = settings.url
        self._kid = key.kid
        self._name = key.name or key.kid.hex()
        self._topics = topics_of(gateway)
        self._storage = storage
        self._clock = clock
        self._reached = reached
        self._on_trouble = on_trouble
        self._lanes = Lanes()
        self._standing = Standing(rng)
        self._counts: Counter[str] = Counter()
        self._refusals: Counter[Outcome] = Counter()
        self._in_flight: dict[int, StoredBlock] = {}
        self._accepted: deque[int] = deque(maxlen=REWIND_BLOCKS)
        self._receipts: deque[Receipt] = deque(maxlen=16)
        self._wake = asyncio.Event()
        self._restless = asyncio.Event()
        self._receipt_came = asyncio.Event()
        self._receipted: tuple[int, int] | None = None
        self._receipt_mono_ns: int | None = None
        self._shown: Trouble | None = None
        self._since_mono_ns = clock.mono_ns()
        self._status_due_s = 0.0
        self._asked: Resend | None = None
        self._offered_s = -OFFER_EVERY_S
        self._parts: deque[bytes] = deque()
        self._inbox = Inbox(
            gateway,
            PublicKey.from_spki(key.spki),
            on_receipt=self._receipt,
            on_resend=self._resend,
            on_other_key=self._standing.signed_by_another,
        )
        self._client = MqttClient(
            _options(settings, gateway, self._topics),
            clock=clock,
            rng=rng,
            on_message=self._inbox.put,
            on_change=self._link_changed,
            on_free=self._wake.set,
        )

    async def run(self) -> None:
        """Serve the destination until cancelled."""
        self._inbox.open()
        self._storage.on_sealed(self._sealed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._client.run())
            group.create_task(self._pump())
            group.create_task(self._settle_receipts())
            group.create_task(self._watch())

    def status(self) -> UplinkStatus:
        """The destination at a glance."""
        link = self._client.state
        trouble, facts = self._standing.trouble
        vague = link.trouble is Trouble.CONNECTION_LOST and trouble is not None
        if link.phase is not Phase.CONNECTED and link.trouble is not None and not vague:
            trouble, facts = link.trouble, link.facts  # some brokers just close after a publish that they refuse
        return UplinkStatus(
            name=self._name,
            kid=self._kid,
            url=self._url,
            link=link,
            trouble=trouble,
            facts=facts,
            since_mono_ns=self._since_mono_ns,
            window=self._client.window,
            in_flight=len(self._in_flight),
            published_blocks=self._counts["published"],
            refusals=tuple(sorted(self._refusals.items(), key=lambda item: item[0].value)),
            resends=self._counts["resends"],
            receipts=self._counts["receipts"],
            ignored=self._inbox.ignored,
            receipted=self._receipted,
            receipt_mono_ns=self._receipt_mono_ns,
            quarantine=self._lanes.quarantine,
        )

    def _sealed(self, block: StoredBlock) -> None:
        self._lanes.sealed(block)
        self._wake.set()

    def _link_changed(self, state: LinkState) -> None:
        if state.phase is Phase.CONNECTED:
            oldest = min((*self._accepted, *self._in_flight), default=None)
            if oldest is not None:
                self._lanes.rewind(oldest - 1)
            self._accepted.clear()
            self._standing.reconnected()
            self._status_due_s = 0.0
            self._restless.set()
        elif state.trouble is Trouble.BLOCK_REFUSED and self._in_flight:
            self._set_aside(max(self._in_flight.values(), key=lambda block: len(block.message)))
        self._wake.set()
        self._tell()

    # --- blocks out

    async def _pump(self) -> None:
        """Keep the window full."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._allowance() > 0 and (self._send_part() or await self._offer() or await self._next()):
                    pass
            except StorageError:  # storage tells its own trouble; the watch wakes us again
                continue

    def _allowance(self) -> int:
        return self._standing.allowance(self._client.free, len(self._in_flight), self._now_s())

    async def _next(self) -> bool:
        """Send one block or read more of them; False when there is nothing left to do."""
        block = self._lanes.take()
        if block is not None:
            self._send(block)
            return True
        want = self._lanes.want()
        if want is None:
            return False
        if want.after is None:
            found = await self._storage.fetch(want.epoch, want.first, want.last, want.limit)
        else:
            found = await self._storage.peek(self._kid, want.after, want.limit)
        self._lanes.supply(want, found)
        return True

    def _has_receipt(self) -> bool:
        """Whether the destination has ever receipted, in this run or before."""
        mine = (to for to in self._storage.status().destinations if to.kid == self._kid)
        return self._receipted is not None or any(to.receipted is not None for to in mine)

    def _send_part(self) -> bool:
        if not self._parts:
            return False
        self._client.publish(self._topics.dictionary, self._parts.popleft())
        return True

    async def _offer(self) -> bool:
        """Answer the question of a destination that has no chain yet: what it is offered may begin in midlife.

        Blocks before that are not what it needs: it cannot chain them. It needs the dictionary before its first block
        and that block, and everything after it.
        """
        asked, self._asked = self._asked, None
        if asked is None:
            return False
        first = await self._storage.peek(self._kid, -1, 1)
        if not first or first[0].epoch == 0 or asked.epoch >= first[0].epoch:
            self._lanes.ask(asked.epoch, asked.first, asked.last)
            return True
        if self._now_s() < self._offered_s + OFFER_EVERY_S:
            return True
        self._offered_s = self._now_s()
        self._parts.extend(dictionary_parts(await self._storage.dictionary_before(first[0].epoch)))
        self._lanes.rewind(first[0].seq - 1)
        return True

    def _send(self, block: StoredBlock) -> None:
        if block.seq in self._in_flight:
            return
        if len(block.message) + PACKET_EXTRA_BYTES > self._client.packet_bytes:
            self._set_aside(block)
            return
        self._in_flight[block.seq] = block
        self._restless.set()
        answer = self._client.publish(self._topics.block, block.message, content_type=BLOCK_CONTENT_TYPE)
        answer.add_done_callback(partial(self._answered, block))

    def _answered(self, block: StoredBlock, answer: asyncio.Future[PubAck]) -> None:
        self._in_flight.pop(block.seq, None)
        if answer.cancelled():
            return
        ack = answer.result()
        if ack.outcome is Outcome.ACCEPTED:
            self._counts["published"] += 1
            self._accepted.append(block.seq)
            self._standing.accepted(self._now_s())
            self._reached(KillPoint.PUBLISHED)
        elif ack.outcome is Outcome.LOST:
            self._lanes.rewind(block.seq - 1)
        elif ack.outcome is Outcome.BLOCK_REFUSED:
            self._refusals[ack.outcome] += 1
            self._set_aside(block)
        else:
            self._refusals[ack.outcome] += 1
            self._lanes.rewind(block.seq - 1)
            facts = (("topic", self._topics.block), ("reason", f"0x{ack.code:02X}"))
            self._standing.refused(ack.outcome, facts, self._now_s())
        self._wake.set()
        self._tell()

    def _set_aside(self, block: StoredBlock) -> None:
        self._lanes.set_aside(block.seq)
        place = f"{block.epoch}/{block.number}"
        self._standing.set_aside((("block", place), ("reason", f"{place}, {len(block.message)} bytes")))

    # --- receipts and requests in

    def _receipt(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)
        self._receipt_came.set()

    def _resend(self, resend: Resend) -> None:
        self._counts["resends"] += 1
        if self._has_receipt():
            self._lanes.ask(resend.epoch, resend.first, resend.last)
        else:
            self._asked = resend
        self._wake.set()

    async def _settle_receipts(self) -> None:
        """Hand receipts to storage, which prunes."""
        while True:
            await self._receipt_came.wait()
            self._receipt_came.clear()
            while self._receipts:
                receipt = self._receipts.popleft()
                try:
                    outcome = await self._storage.receipted(self._kid, receipt)
                except StorageError:
                    continue  # the platform repeats its receipt when we repeat a block
                self._receipted_now(receipt, outcome)

    def _receipted_now(self, receipt: Receipt, outcome: ReceiptOutcome) -> None:
        self._counts["receipts"] += 1
        self._receipt_mono_ns = self._clock.mono_ns()
        if outcome in _DISAGREES:
            facts = (("block", f"{receipt.epoch}/{receipt.number}"), ("reason", outcome.value))
            self._standing.disagrees(facts)
        else:
            seq = seq_of(receipt.epoch, receipt.number)
            self._receipted = max(self._receipted or (0, 0), (receipt.epoch, receipt.number))
            self._lanes.forget_until(seq)
            self._accepted = deque((other for other in self._accepted if other > seq), maxlen=REWIND_BLOCKS)
            progress = outcome is ReceiptOutcome.ACCEPTED
            self._standing.receipted(self._now_s(), progress=progress, waiting=bool(self._accepted))
        self._wake.set()
        self._tell()

    # --- what time brings

    async def _watch(self) -> None:
        """An overdue receipt, a pause that is over, the status topic; once a second while something is open."""
        while True:
            if self._standing.overdue(self._now_s()):
                with suppress(StorageError):
                    self._lanes.again(await self._storage.peek(self._kid, -1, 1))
            if self._client.state.phase is Phase.CONNECTED:
                self._publish_status()
                self._wake.set()
            self._tell()
            await asyncio.sleep(WATCH_S)
            if self._shown is None and not self._accepted and not self._in_flight:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CALM_S - WATCH_S):
                        await self._restless.wait()
            self._restless.clear()

    def _publish_status(self) -> None:
        now_s = self._now_s()
        if now_s < self._status_due_s or self._client.free == 0:
            return
        self._status_due_s = now_s + STATUS_EVERY_S
        stored = self._storage.status()
        body = {
            "state": "online",
            "last": stored.last,
            "receipted": self._receipted,
            "pending": stored.pending_blocks,
        }
        self._client.publish(self._topics.status, json.dumps(body).encode(), retain=True)

    def _tell(self) -> None:
        """Report a change of the trouble."""
        status = self.status()
        if status.trouble is self._shown:
            return
        self._shown = status.trouble
        self._since_mono_ns = self._clock.mono_ns()
        if self._on_trouble is not None:
            self._on_trouble(self.status())

    def _now_s(self) -> float:
        return self._clock.mono_ns() / 1e9


def _options(settings: UplinkSettings, gateway: bytes, topics: GatewayTopics) -> MqttOptions:
    return MqttOptions(
        endpoint=parse_broker_url(settings.url),
        client_id=f"tidegate-{gateway.hex()}",
        credentials=Credentials(
            ca_file=settings.ca_file,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
            username=settings.username,
            password_file=settings.password_file,
        ),
        protocol=settings.protocol,
        keepalive_s=settings.keepalive_s,
        window=settings.window,
        subscriptions=(topics.receipt, topics.resend),
        will=Will(topic=topics.status, payload=b'{"state": "gone"}'),
    )
