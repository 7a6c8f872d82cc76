"""Nothing committed is lost and nothing is stored twice, whoever dies and whenever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hil.scenarios.kills import KILL_POINTS, KillRounds

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
