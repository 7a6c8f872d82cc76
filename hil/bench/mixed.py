"""A line of two protocols, speeds and parities: the real agent on the simulated site's third line, by its log."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from hil.bench.dead import read_journal
from hil.bench.table import table
from hil.demo.plan import read_plan
from hil.process import wait_until
from hil.stage import Stage, StageError

LINE: Final = "rs485-c"
_NS: Final = 1_000_000_000
_SETTLING_S: Final = 6.0  # the first round is off the grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the log of the line says.

    Attributes:
        exchanges: how many there were.
        share: part of the time that characters were on the wire or awaited, silences apart.
        changes_s: changes of speed and parity a second.
        inside_silence: requests begun inside t3.5.
        answered: by device, part of its requests.
        gap_s: by device, the longest time between two answers that tell the same quantities.
    """

    exchanges: int
    share: float
    changes_s: float
    inside_silence: int
    answered: dict[str, float]
    gap_s: dict[str, float]


def run(seconds: float, seed: int) -> Found:
    """Poll the line for ``seconds``; StageError if a part does not start."""
    with tempfile.TemporaryDirectory(prefix="tidegate-mixed-") as folder:
        stage = Stage(folder=Path(folder), broker=None)
        try:
            child = stage.start_simulator("site", "--dir", str(stage.folder / "line"), "--seed", str(seed))
            stage.prepare()
            if not wait_until(lambda: '"ready"' in child.last_words(1), 30):
                raise StageError(f"the simulator does not start\n{child.last_words()}")
            plan = read_plan(stage.folder / "line" / "site.json")
            stage.write_site(
                [bus for bus in plan.buses if bus.name == LINE],
                [one.entry for one in plan.devices if one.entry.bus == LINE],
            )
            stage.start_agent()
            time.sleep(_SETTLING_S + seconds)
            stage.agent.stop()
            log = [row for row in read_journal(plan.journal) if row["line"] == LINE]
        finally:
            stage.stop()
    if not log:
        raise StageError("nothing was asked on the line")
    begin_ns = log[0]["start_ns"] + round(_SETTLING_S * _NS)
    return judge([row for row in log if row["start_ns"] >= begin_ns])


def rows(found: Found) -> str:
    """Give the figures as a table and a line."""
    cells = [[name, 100 * found.answered[name], gap] for name, gap in sorted(found.gap_s.items())]
    return (
        table(["device", "answered %", "gap s"], cells) + f"\n{found.exchanges} exchanges, "
        f"{100 * found.share:.0f} % of the line, {found.changes_s:.2f} changes of speed and parity a second, "
        f"{found.inside_silence} requests inside t3.5\ngoals: none inside t3.5, every request answered"
    )


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command line of this bench."""
    parser = verbs.add_parser("mixed", help="Modbus at 9600 8N1 and meters at 2400 8E1 on one line, from its log")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=7)
    return parser


def judge(log: Sequence[dict[str, Any]]) -> Found:
    """Read the verdict off the log, in its order."""
    span_ns = log[-1]["end_ns"] - log[0]["start_ns"]
    answers: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    whose = {row["request"]: row["device"] for row in log if row["device"] is not None}
    asked: dict[str, int] = defaultdict(int)
    for row in log:
        name = whose.get(row["request"], "nobody")
        asked[name] += 1
        if row["device"] is not None:
            answers[name, tuple(row["held"])].append(row["start_ns"])
    gaps: dict[str, float] = defaultdict(float)
    for (name, _), times in answers.items():
        gaps[name] = max(gaps[name], max((b - a for a, b in pairwise(times)), default=0) / _NS)
    settings = [(row["baud"], row["parity"]) for row in log]
    return Found(
        exchanges=len(log),
        share=sum((row["reply_end_ns"] or row["end_ns"]) - row["start_ns"] for row in log) / span_ns,
        changes_s=sum(one != other for one, other in pairwise(settings)) * _NS / span_ns,
        inside_silence=sum(row["inside_silence"] for row in log),
        answered={
            name: sum(len(times) for (whom, _), times in answers.items() if whom == name) / count
            for name, count in asked.items()
        },
        gap_s=dict(gaps),
    )
