"""The storm: the broker and, in the middle of its absence, the agent are killed without warning, then come back."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hil.ledger import committed_readings
from hil.stage import Stage


@dataclass(slots=True)
class Storm:
    """A seeded timetable of kills over a run of ``seconds``.

    Attributes:
        told: what happened, in words, for the summary.
        note: what goes on now, for the screen.
    """

    stage: Stage
    seconds: float
    seed: int
    told: list[str] = field(default_factory=list)
    note: str = ""
    _acts: list[tuple[float, Callable[[float], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw the times: broker away for 20 to 30 % of the run, the agent killed inside that."""
        chance = random.Random(self.seed)
        gone = self.seconds * chance.uniform(0.25, 0.35)
        back = gone + self.seconds * chance.uniform(0.20, 0.30)
        killed = gone + (back - gone) * chance.uniform(0.3, 0.7)
        again = killed + chance.uniform(0.5, 1.5)
        self._acts = sorted(
            [
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
