"""What dead devices cost their neighbours: the real agent on paced ptys, judged by the simulator's own log alone."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from hil.characters import Characters, exchange_ns
from hil.process import wait_until
from hil.sim.control import ask
from hil.site_file import BusEntry, DeviceEntry
from hil.stage import Stage, StageError, tidegate

SETTINGS: Final = Characters(baud=9600, stop_bits=2)  # 11 bits a character, as other gateways were measured with
_NS: Final = 1_000_000_000
_LONGEST_WAIT_NS: Final = _NS // 4
"""No request waits longer for its answer: what follows later is idle time. Before that idle time counts as held."""
_SETTLING_S: Final = 2.0
_SETTLED_NS: Final = 10 * _NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A line and which of its devices die.

    Attributes:
        units: devices on the line.
        registers: of each, read in one block.
        period_s: how often each is wanted.
        dead: unit addresses.
        gap_s: goal, longest time between two polls of a living device.
        share: goal, part of the bus that the dead may cost, 3 % each or 5 % of many.
        back_s: goal, until a device that came back is polled again.
    """

    name: str
    units: int
    registers: int
    period_s: float
    dead: tuple[int, ...]
    gap_s: float
    share: float
    back_s: float

    @property
    def load(self) -> float:
        """Share of the bus that all devices want while they live."""
        one = exchange_ns(SETTINGS, 8, 5 + 2 * self.registers)
        return self.units * one / (self.period_s * _NS)

    @property
    def wanted(self) -> float:
        """Polls a second that the living want."""
        return (self.units - len(self.dead)) / self.period_s


CASES: Final = (
    Case(name="1 of 10, 46 %", units=10, registers=10, period_s=1, dead=(5,), gap_s=1.5, share=0.03, back_s=5),
    Case(name="3 of 10, 46 %", units=10, registers=10, period_s=1, dead=(2, 5, 9), gap_s=1.5, share=0.09, back_s=5),
    Case(name="1 of 10, 80 %", units=10, registers=25, period_s=1, dead=(5,), gap_s=1.5, share=0.03, back_s=5),
    Case(name="3 of 10, 80 %", units=10, registers=25, period_s=1, dead=(2, 5, 9), gap_s=1.5, share=0.09, back_s=5),
    Case(
        name="10 of 32, 4 s", units=32, registers=10, period_s=4, dead=tuple(range(3, 33, 3)), gap_s=6, share=0.05,
        back_s=30,
    ),
)  # fmt: skip
LEAST: Final = 8.95 / 9
"""Part of the polls wanted that the living have to get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Lengths of the three phases of a run, seconds; the start of the agent comes on top."""

    healthy_s: float = 20.0
    dead_s: float = 90.0
    after_s: float = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the wire's log says of one case.

    Attributes:
        wanted: polls a second that the living want.
        healthy: what the same devices got before any died.
        living: what they got while the others were dead.
        gap_s: longest time between two polls of one of them, from the death to the end of the run.
        share: part of the time, from 10 s after the death, that exchanges with the dead held the bus, by the agent's
            own status: the wire does not show when a client stops waiting.
        share_at_most: the same by the wire's log, where what was idle until the next request counts too.
        asked: requests to the dead while they were.
        back_s: longest time from the return of a device to its next answer, inf if it never came.
        inside_silence: requests begun inside t3.5 in the whole run.
        late_ms: by how much the simulator was late with a byte at worst; above some ms the machine was too busy, and
            answers that come after their time-out, as well as requests that meet them, are the bench's own.
    """

    wanted: float
    healthy: float
    living: float
    gap_s: float
    share: float
    share_at_most: float
    asked: int
    back_s: float
    inside_silence: int
    late_ms: float = 0.0

    def misses(self, case: Case) -> list[str]:
        """Name the goals that were not reached."""
        found = [
            ("polls", self.living >= LEAST * case.wanted),
            ("gap", self.gap_s <= case.gap_s),
            ("share", self.share <= min(case.share, self.share_at_most)),
            ("back", self.back_s <= case.back_s),
            ("silence", self.inside_silence == 0),
        ]
        return [name for name, reached in found if not reached]


def run(cases: Sequence[Case], times: Times, seed: int, *, side_by_side: bool = True) -> dict[str, Verdict]:
    """Measure ``cases``, all at once or one after the other; StageError if a part of the chain does not start."""
    with ThreadPoolExecutor(len(cases) if side_by_side else 1) as threads:
        found = threads.map(lambda case: _run(case, times, seed), cases)
        return {case.name: verdict for case, verdict in zip(cases, found, strict=True)}


def _run(case: Case, times: Times, seed: int) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="tidegate-dead-") as name:
        folder = Path(name)
        stage = Stage(folder=folder, broker=None)
        try:
            ready = _start(stage, case, seed)
            control = Path(ready["control"])
            time.sleep(times.healthy_s)
            dead_ns = int(ask(control, "kill", units=list(case.dead))["mono_ns"])
            time.sleep(_SETTLED_NS / _NS)
            settled = _busy(stage, case)
            time.sleep(times.dead_s - _SETTLED_NS / _NS)
            span, held = (now - then for now, then in zip(_busy(stage, case), settled, strict=True))
            back_ns = int(ask(control, "revive", units=list(case.dead))["mono_ns"])
            time.sleep(times.after_s)
            if not stage.agent.alive:
                raise StageError(f"the agent ended\n{stage.agent.last_words()}")
            late_ms = int(ask(control, "counters")["late_us"]) / 1000
            stage.agent.stop()
            verdict = judge(case, read_journal(folder / "line" / "exchanges.jsonl"), dead_ns, back_ns, times)
            return replace(verdict, share=held / span, late_ms=late_ms)
        finally:
            stage.stop()


def _busy(stage: Stage, case: Case) -> tuple[int, int]:
    """Give (now, time that exchanges with those that die have held the bus), ms, as the agent's status tells."""
    told = tidegate("--json", "--site", stage.site, "status")
    try:
        result = json.loads(told.stdout)["result"]
        held = sum(one["busy_ms"] for one in result["devices"] if one["unit"] in case.dead)
        return int(result["clock"]["mono_ms"]), held
    except (ValueError, KeyError, TypeError) as error:
        raise StageError(f"the agent gives no status: {told.stdout}{told.stderr}") from error


def _start(stage: Stage, case: Case, seed: int) -> dict[str, Any]:
    """Start line and agent, and wait until every device has answered."""
    words = ["--units", str(case.units), "--registers", str(case.registers), "--stop-bits", str(SETTINGS.stop_bits)]
    child = stage.start_simulator("line", "--dir", str(stage.folder / "line"), "--seed", str(seed), *words)
    stage.prepare()
    if not wait_until(lambda: '"ready"' in child.last_words(1), 30):
        raise StageError(f"the simulator does not start\n{child.last_words()}")
    ready: dict[str, Any] = json.loads(child.last_words(1))
    stage.write_site(
        [BusEntry(name="line", port=ready["port"], settings=SETTINGS)],
        [
            DeviceEntry(
                name=f"unit-{unit:03d}", bus="line", unit=unit, profile=f"generic/block-{case.registers}",
                every=f"{case.period_s} s",
            )
            for unit in range(1, case.units + 1)
        ],
    )  # fmt: skip
    stage.start_agent()
    control = Path(ready["control"])
    if not wait_until(lambda: all(ask(control, "counters")["heard"].values()), 30, 0.2):
        raise StageError(f"not every device is polled\n{stage.agent.last_words()}")
    time.sleep(_SETTLING_S)  # the first round is off the grid
    return ready


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read the log of a line, the part before the last turn too."""
    older = path.with_name(path.name + ".1")
    files = [older, path] if older.exists() else [path]
    return [json.loads(row) for file in files for row in file.read_text(encoding="utf-8").splitlines()]


def judge(case: Case, log: Sequence[dict[str, Any]], dead_ns: int, back_ns: int, times: Times) -> Verdict:
    """Read the verdict off the wire's log, all but ``share``."""
    polls: dict[int, list[int]] = defaultdict(list)
    for row in log:
        if row["reply"]:
            polls[row["unit"]].append(row["start_ns"])
    living = [unit for unit in range(1, case.units + 1) if unit not in case.dead]
    healthy_ns = dead_ns - round(times.healthy_s * _NS)
    gaps = [b - a for unit in living for a, b in pairwise(polls[unit]) if b > dead_ns]
    ends = [log[-1]["start_ns"] - polls[unit][-1] for unit in living if polls[unit]]
    returns = [min((at for at in polls[unit] if at >= back_ns), default=None) for unit in case.dead]
    return Verdict(
        wanted=case.wanted,
        healthy=_rate(polls, living, healthy_ns, dead_ns),
        living=_rate(polls, living, dead_ns, back_ns),
        gap_s=max(gaps + ends) / _NS,
        share=float("nan"),
        share_at_most=_held_ns(case, log, dead_ns + _SETTLED_NS, back_ns) / (back_ns - dead_ns - _SETTLED_NS),
        asked=sum(row["unit"] in case.dead and dead_ns <= row["start_ns"] < back_ns for row in log),
        back_s=max(float("inf") if at is None else (at - back_ns) / _NS for at in returns),
        inside_silence=sum(row["inside_silence"] for row in log),
    )


def _rate(polls: dict[int, list[int]], units: Sequence[int], from_ns: int, until_ns: int) -> float:
    count = sum(from_ns <= at < until_ns for unit in units for at in polls[unit])
    return count * _NS / (until_ns - from_ns)


def _held_ns(case: Case, log: Sequence[dict[str, Any]], from_ns: int, until_ns: int) -> int:
    """Time from each request to a dead device until the next request to anybody."""
    return sum(
        min(after["start_ns"], row["end_ns"] + _LONGEST_WAIT_NS) - row["start_ns"]
        for row, after in pairwise(log)
        if row["unit"] in case.dead and from_ns <= row["start_ns"] < until_ns
    )
