"""The storm: an adapter is pulled and put back; then the broker and, in its absence, the agent die and come back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.ledger import committed_readings
from hil.sim.control import ask
from hil.stage import Stage

ADAPTER: Final = "rs485-b"
"""The line whose adapter is pulled: Modbus devices at two speeds."""


@dataclass(slots=True)
class Storm:
    """A seeded timetable of what goes wrong over a run of ``seconds``.

    Attributes:
        control: of the simulator.
        told: what happened, in words, for the summary.
        note: what goes on now, for the screen.
        put_back_ms: UTC at which the adapter was put back, 0 before.
    """

    stage: Stage
    control: Path
    seconds: float
    seed: int
    told: list[str] = field(default_factory=list)
    note: str = ""
    put_back_ms: int = 0
    _acts: list[tuple[float, Callable[[float], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw the times: adapter away for 10 %, then the broker for 20 to 30 %, the agent killed inside that."""
        chance = random.Random(self.seed)
        pulled = self.seconds * chance.uniform(0.15, 0.2)
        gone = self.seconds * chance.uniform(0.35, 0.4)
        back = gone + self.seconds * chance.uniform(0.20, 0.30)
        killed = gone + (back - gone) * chance.uniform(0.3, 0.7)
        again = killed + chance.uniform(0.5, 1.5)
        self._acts = sorted(
            [
                (pulled, self._unplug),
                (pulled + self.seconds * 0.1, self._replug),
                (gone, self._kill_broker),
                (killed, self._kill_agent),
                (again, self._start_agent),
                (back, self._start_broker),
            ],
            key=lambda act: act[0],
        )

    def step(self, now_s: float) -> None:
        """Do what is due ``now_s`` seconds after the start."""
        while self._acts and self._acts[0][0] <= now_s:
            self._acts.pop(0)[1](now_s)

    def finish(self, now_s: float) -> None:
        """Bring everything back that is still away."""
        while self._acts:
            self._acts.pop(0)[1](now_s)

    def _unplug(self, now_s: float) -> None:
        ask(self.control, "unplug", line=ADAPTER)
        self.note = "adapter pulled"
        self.told.append(f"{now_s:.1f} s: adapter of {ADAPTER} pulled")

    def _replug(self, now_s: float) -> None:
        ask(self.control, "replug", line=ADAPTER)
        self.put_back_ms = time.time_ns() // 1_000_000
        self.note = ""
        self.told.append(f"{now_s:.1f} s: adapter of {ADAPTER} put back")

    def _kill_broker(self, now_s: float) -> None:
        assert self.stage.broker is not None
        self.stage.broker.kill()
        self.note = "broker killed"
        self.told.append(f"{now_s:.1f} s: broker killed (SIGKILL)")

    def _start_broker(self, now_s: float) -> None:
        assert self.stage.broker is not None
        self.stage.broker.start()
        self.note = ""
        self.told.append(f"{now_s:.1f} s: broker back")

    def _kill_agent(self, now_s: float) -> None:
        self.stage.agent.kill()
        committed = committed_readings(self.stage.outbox_db)
        self.note = "agent killed"
        self.told.append(f"{now_s:.1f} s: agent killed (SIGKILL) with {committed} readings committed")

    def _start_agent(self, now_s: float) -> None:
        self.stage.start_agent()
        self.note = "broker killed"
        self.told.append(f"{now_s:.1f} s: agent back")
