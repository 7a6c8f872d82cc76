"""The agent with one promise broken, for the self-test of the rigs: ``broken_agent.py KIND ARGUMENTS...``.

``forgetful`` reports a commit before it is on the disk, as a store without fsync and without a transaction would;
``trusting`` takes the broker's PUBACK for custody and deletes the block.
"""

from __future__ import annotations

import sqlite3
import sys
from asyncio import Future
from typing import Any

from agent.__main__ import main
from agent.delivery.mqtt_state import Outcome, PubAck
from agent.outbox import Commit, Outbox
from agent.storing.stored import StoredBlock
from agent.uplink import Uplink


def break_commit() -> None:
    real, held = Outbox.commit, list[Commit]()

    def commit(self: Outbox, change: Commit) -> None:
        held.append(change)
        if len(held) >= 6:
            for one in held:
                real(self, one)
            held.clear()

    Outbox.commit = commit  # type: ignore[method-assign]


def break_custody() -> None:
    real = Uplink._answered

    def answered(self: Any, block: StoredBlock, answer: Future[PubAck]) -> None:
        real(self, block, answer)
        if not answer.cancelled() and answer.result().outcome is Outcome.ACCEPTED:
            with sqlite3.connect(state_of(sys.argv)) as db:
                db.execute("DELETE FROM block WHERE seq = ? AND keep = 0", (block.seq,))
            db.close()

    Uplink._answered = answered  # type: ignore[method-assign]


def state_of(argv: list[str]) -> str:
    site = argv[argv.index("--site") + 1]
    return site.removesuffix("site.toml") + "state/outbox.db"


if __name__ == "__main__":
    {"forgetful": break_commit, "trusting": break_custody}[sys.argv.pop(1)]()
    main()
