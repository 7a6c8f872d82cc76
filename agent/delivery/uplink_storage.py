"""What an uplink needs of storage, as a port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agent.block.messages import Receipt
from agent.storing.stored import ReceiptOutcome, StorageStatus, StoredBlock


class UplinkStorage(Protocol):
    """What an uplink needs of storage; all called in the loop."""

    def on_sealed(self, callback: Callable[[StoredBlock], None]) -> None:
        """Call ``callback`` in the loop for each block after its commit."""
        ...

    async def peek(self, destination: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        """Give blocks that ``destination`` has not receipted, behind ``after``, in chain order."""
        ...

    async def fetch(self, epoch: int, first: int, last: int | None, limit: int) -> tuple[StoredBlock, ...]:
        """Give up to ``limit`` blocks by number, whether receipted or not; None: all after, later epochs too."""
        ...

    async def dictionary_before(self, epoch: int) -> tuple[bytes, ...]:
        """Give the encoded dictionary-adds before block 0 of ``epoch``, in order."""
        ...

    async def receipted(self, destination: bytes, receipt: Receipt) -> ReceiptOutcome:
        """Note a receipt whose signature was checked."""
        ...

    def status(self) -> StorageStatus:
        """Storage at a glance."""
        ...
