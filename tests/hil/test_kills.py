"""Nothing committed is lost and nothing is stored twice, whoever dies and whenever."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hil.scenarios.kills import KILL_POINTS, KillRounds
from hil.stage import StageError

LONG = bool(os.environ.get("TIDEGATE_LONG"))


@pytest.mark.crash
@pytest.mark.timeout(1200)
def test_whoever_dies_every_committed_reading_arrives_exactly_once(tmp_path: Path, seed: int) -> None:
    points = KILL_POINTS * 3 if LONG else KILL_POINTS
    outcome = KillRounds(tmp_path, seed).run(points, random_deaths=50 - len(points) if LONG else 3)
    for one in outcome.rounds:
        print(f"{one.how:24} {one.committed:6} committed, back in {one.restart_s:.2f} s")
    assert outcome.ledger.missing == 0, outcome
    assert outcome.ledger.twice == 0, outcome
    assert outcome.ledger.committed > 0
    assert outcome.proven, outcome.verdict


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["forgetful", "trusting"])
def test_the_rig_catches_an_agent_that_breaks_its_promise(tmp_path: Path, seed: int, kind: str) -> None:
    program = (sys.executable, "-P", str(Path(__file__).with_name("broken_agent.py")), kind)
    try:
        outcome = KillRounds(tmp_path, seed, program, patience_s=10).run(["committed", "published"], random_deaths=2)
    except StageError as error:
        print(f"caught: it does not come back: {error}")
        return
    assert not (outcome.proven and outcome.ledger.exactly_once), outcome
