"""What a platform sends to one gateway: handed from the network thread to the loop, and judged there.

Anyone who may publish at the broker can send here, so nothing counts that the platform did not sign, and of what
comes only so much is held at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agent.block.cose import PublicKey, parse_sign1
from agent.block.errors import BlockError
from agent.block.messages import Receipt, Resend, read_receipt, read_resend
from agent.delivery.mqtt_state import Incoming
from agent.delivery.topics import topics_of

MOST_HELD: Final = 64
"""Messages that wait for the loop: to judge one takes longer than to receive one."""
_LOOK_S: Final = 1.0


class Inbox:
    """Receipts and requests for one gateway. Made before the loop runs, opened in it.

    Args:
        gateway: 8-byte id; what is for another one is ignored.
        key: the platform's.
        on_receipt: called in the loop with each receipt that the platform signed.
        on_resend: so for each request.
        on_other_key: called in the loop with the kid, in hex, of a key that signed a receipt in vain: with a wrong
            ``receipt_key`` that is the platform itself.

    Attributes:
        ignored: messages that were none of these.
    """

    def __init__(
        self,
        gateway: bytes,
        key: PublicKey,
        *,
        on_receipt: Callable[[Receipt], None],
        on_resend: Callable[[Resend], None],
        on_other_key: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._key = key
        self._topics = topics_of(gateway)
        self._on_receipt = on_receipt
        self._on_resend = on_resend
        self._on_other_key = on_other_key
        self._room = threading.BoundedSemaphore(MOST_HELD)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ignored = 0

    def open(self) -> None:
        """Hand over to the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def put(self, message: Incoming) -> None:
        """In the network thread: hand over; waits while the loop has enough, which holds the broker back."""
        loop = self._loop
        if loop is None:
            return
        while not self._room.acquire(timeout=_LOOK_S):
            if loop.is_closed():
                return
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._take, message)

    def _take(self, message: Incoming) -> None:
        self._room.release()
        try:
            if message.topic == self._topics.receipt:
                receipt = read_receipt(message.payload, self._key)
                if receipt.gateway == self._gateway:
                    self._on_receipt(receipt)
                    return
            elif message.topic == self._topics.resend:
                resend = read_resend(message.payload, self._key)
                if resend.gateway == self._gateway:
                    self._on_resend(resend)
                    return
        except BlockError:  # not signed by the platform: anyone may have sent it
            self._note_other_key(message)
        self.ignored += 1

    def _note_other_key(self, message: Incoming) -> None:
        if message.topic != self._topics.receipt:
            return
        with suppress(BlockError):
            kid = parse_sign1(message.payload).kid
            if kid != self._key.kid:
                self._on_other_key(kid.hex())
