"""Kill rounds: agent, broker and collector die without warning, again and again, on one chain; nothing may be lost.

Two ways to die: SIGKILL at a random moment, and SIGKILL of the agent by itself at a named point of its work (before
signing, between signing and commit, commit and publish, PUBACK and receipt, receipt and prune).
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from hil.broker import Broker
from hil.ledger import Ledger, committed_blocks, committed_readings, compare
from hil.process import wait_until
from hil.site_file import BusEntry, DeviceEntry, Sealing
from hil.stage import TIDEGATE, Stage, StageError, tidegate

KILL_POINTS: Final = ("before-sign", "signed", "committed", "published", "receipted")
VICTIMS: Final = ("agent", "broker", "collector", "agent and broker", "agent and collector", "all")
FROZEN: Final = "frozen collector"
_DEVICES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One death and what it took to get over it.

    Attributes:
        how: who died and when, in words.
        committed: readings on the gateway's disk at the moment of death.
        restart_s: from the start of what had died to the next reading that the platform verified.
    """

    how: str
    committed: int
    restart_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What many rounds on one chain left.

    Attributes:
        proven: whether ``tidegate verify`` proved the platform's store and the gateway's own.
    """

    seed: int
    rounds: Sequence[Round]
    ledger: Ledger
    proven: bool
    verdict: str


class KillRounds:
    """One chain that survives ``rounds`` deaths."""

    def __init__(self, folder: Path, seed: int, program: tuple[str, ...] = TIDEGATE, patience_s: float = 30) -> None:
        """Take an empty folder; everything random follows from ``seed``; ``program`` runs as the agent."""
        (folder / "broker").mkdir()
        self._seed = seed
        self._chance = random.Random(seed)
        self._stage = Stage(folder=folder, broker=Broker(folder / "broker"), program=program)
        self._patience_s = patience_s

    def run(self, points: Sequence[str], random_deaths: int) -> Outcome:
        """Die once at each of ``points``, then ``random_deaths`` times anywhere, shuffled; StageError if stuck."""
        deaths: list[Callable[[], Round]] = [partial(self._die_at, point) for point in points]
        deaths += [self._die_somewhere] * random_deaths + [self._die_frozen]
        self._chance.shuffle(deaths)
        try:
            self._start()
            rounds = [death() for death in deaths]
            return self._settle(rounds)
        finally:
            self._stage.stop()

    def _start(self) -> None:
        stage = self._stage
        simulator = stage.start_simulator("tcp", "--devices", str(_DEVICES), "--seed", str(self._seed))
        stage.prepare()
        assert stage.broker is not None
        stage.broker.start()
        stage.start_collector()
        if not wait_until(lambda: '"ready": true' in simulator.last_words(1), 10):
            raise StageError(f"the simulator does not start\n{simulator.last_words()}")
        ports = _ports(simulator.last_words(1))
        names = [f"block-{index}" for index in range(len(ports))]
        stage.write_site(
            [BusEntry(name=name, port=f"tcp://127.0.0.1:{port}") for name, port in zip(names, ports, strict=True)],
            [DeviceEntry(name=name, bus=name, unit=1, profile="generic/block-98", every="0.5 s") for name in names],
            sealing=Sealing(max_age="0.4 s", max_readings=200),
        )
        stage.start_agent()
        self._await_growth("the first start")

    def _die_at(self, point: str) -> Round:
        """Start an agent that kills itself when it comes by ``point`` for the nth time."""
        stage, nth = self._stage, self._chance.randint(1, 4)
        stage.agent.stop()
        stage.start_agent({"TIDEGATE_KILL_AT": f"{point}:{nth}"})
        if not wait_until(lambda: not stage.agent.alive, self._patience_s):
            raise StageError(f"the agent never came by {point}:{nth}\n{stage.agent.last_words()}")
        committed = committed_readings(stage.outbox_db)
        return Round(how=f"agent at {point}:{nth}", committed=committed, restart_s=self._bring_back({"agent"}))

    def _die_somewhere(self) -> Round:
        stage = self._stage
        assert stage.broker is not None
        victims = self._chance.choice(VICTIMS)
        dead = {"agent", "broker", "collector"} if victims == "all" else set(victims.split(" and "))
        time.sleep(self._chance.uniform(0.05, 1.2))
        for name in sorted(dead, key=lambda _: self._chance.random()):
            {"agent": stage.agent.kill, "broker": stage.broker.kill, "collector": stage.collector.kill}[name]()
        committed = committed_readings(stage.outbox_db)
        time.sleep(self._chance.uniform(0.0, 0.8))
        return Round(how=victims, committed=committed, restart_s=self._bring_back(dead))

    def _die_frozen(self) -> Round:
        """Let the broker hand blocks to a collector that no longer reads, then kill it: a PUBACK is no custody."""
        stage = self._stage
        stage.collector.freeze()
        goal = committed_blocks(stage.outbox_db) + 3
        if not wait_until(lambda: committed_blocks(stage.outbox_db) >= goal, self._patience_s):
            raise StageError(f"the agent stands still beside a frozen collector\n{stage.agent.last_words()}")
        time.sleep(0.2)  # the broker's answers to these blocks
        stage.collector.kill()
        committed = committed_readings(stage.outbox_db)
        return Round(how=FROZEN, committed=committed, restart_s=self._bring_back({"collector"}))

    def _bring_back(self, dead: set[str]) -> float:
        stage, began = self._stage, time.monotonic()
        assert stage.broker is not None
        if "broker" in dead:
            stage.broker.start()
        if "collector" in dead:
            stage.collector.start()
        if "agent" in dead:
            stage.start_agent()
        self._await_growth(f"the death of {', '.join(sorted(dead))}")
        return time.monotonic() - began

    def _await_growth(self, after: str) -> None:
        """Wait until the platform holds a reading that was not yet committed now."""
        stage = self._stage
        goal = committed_readings(stage.outbox_db) + 1
        if not wait_until(lambda: _arrived(stage) >= goal, self._patience_s):
            raise StageError(f"nothing new arrives after {after}\n{stage.agent.last_words(12)}")

    def _settle(self, rounds: Sequence[Round]) -> Outcome:
        stage = self._stage
        stage.agent.stop()
        committed = committed_readings(stage.outbox_db)
        if not wait_until(lambda: _arrived(stage) >= committed, 3):
            stage.start_agent()  # what its last seconds could not send is offered after the next start
            wait_until(lambda: _arrived(stage) >= committed, self._patience_s)
            stage.agent.kill()
        ledger = compare(stage.outbox_db, stage.collector_db)
        ours = tidegate("verify", stage.outbox_db, "--trust", stage.trust_file)
        theirs = tidegate("verify", stage.collector_db, "--trust", stage.trust_file)
        return Outcome(
            seed=self._seed,
            rounds=rounds,
            ledger=ledger,
            proven=ours.returncode == 0 and theirs.returncode == 0,
            verdict=f"{ours.stdout}{ours.stderr}\n{theirs.stdout}{theirs.stderr}",
        )


def _arrived(stage: Stage) -> int:
    try:
        return compare(stage.outbox_db, stage.collector_db).rows
    except sqlite3.OperationalError:
        return 0


def _ports(ready_line: str) -> list[int]:
    return [int(port) for port in json.loads(ready_line)["ports"]]
