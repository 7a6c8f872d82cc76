"""A gateway without devices or broker, made to be killed: seals, publishes on standard output, takes receipts.

``python -m tests.agent.storage_victim FOLDER SECONDS``; ``TIDEGATE_KILL_AT`` says where it dies. Each line that it
prints is a block that left the machine: epoch, number, head, and (for the reader) the message.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from agent.block.messages import Receipt
from agent.clock import SystemClock
from agent.config import BlockRules, OutboxLimits
from agent.errors import StorageError
from agent.keys import FileKeyStore
from agent.killpoint import VARIABLE, KillPoint, armed
from agent.storage import Storage, StoredBlock
from agent.storing.chain import StorageSettings
from tests.agent.storage_site import DEVICES, UTC_MS, batch

KID = b"platform"


async def main(folder: Path, seconds: float) -> None:
    reached = armed(os.environ.get(VARIABLE))
    clock = SystemClock()
    settings = StorageSettings(
        folder=folder,
        rules=BlockRules(max_readings=30, max_age_s=0.2, epoch_max_days=0.35 / 86_400),
        limits=OutboxLimits(),
        destinations=(KID,),
    )
    storage = Storage(settings, FileKeyStore(folder / "keys"), clock, reached=reached)
    published: asyncio.Queue[StoredBlock] = asyncio.Queue()
    storage.on_sealed(published.put_nowait)
    storage.register(DEVICES)
    storage.start()

    async def uplink() -> None:
        while True:
            block = await published.get()
            print(block.epoch, block.number, block.head.hex(), block.message.hex(), flush=True)
            reached(KillPoint.PUBLISHED)
            if block.number % 3 == 2:
                receipt = Receipt(
                    gateway=bytes(8), epoch=block.epoch, number=block.number, head=block.head, utc_ms=UTC_MS
                )
                with suppress(StorageError):  # it is just stopping
                    await storage.receipted(KID, receipt)

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(uplink())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            storage.offer(batch(clock.mono_ns() // 1_000_000))
            await asyncio.sleep(0.004)
        await storage.close()
        sending.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
