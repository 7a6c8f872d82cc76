"""From the registers of the simulated site to the collector's table: each verified value is the one that was held.

Three programs lie between: the agent with its profiles, mosquitto, the collector. What the simulator held comes from
its journal, which knows nothing of profiles.
"""

from __future__ import annotations

import json
import sqlite3
import time
from bisect import bisect_left
from contextlib import closing
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from hil.broker import Broker
from hil.demo.site import read_plan, write_site
from hil.fixtures import need
from hil.process import wait_until
from hil.sim.control import ask
from hil.stage import Stage

pytestmark = [pytest.mark.upstream, pytest.mark.peers]

NEAR_MS = 60
QUESTION = """
SELECT device.name, point.quantity, point.exponent, reading.value, block.mono_ms + reading.offset_ms
FROM reading JOIN block ON block.id = reading.id / 4096 JOIN point ON point.id = reading.point
JOIN device ON device.id = point.device WHERE reading.value IS NOT NULL
"""


def verified(collector_db: Path) -> list[tuple[str, str, int, int, int]]:
    with closing(sqlite3.connect(f"file:{collector_db}?mode=ro", uri=True)) as db:
        return db.execute(QUESTION).fetchall()


class Told:
    """What each unit's undamaged replies told, by the time of their last byte."""

    def __init__(self, journal: Path) -> None:
        self._by_unit: dict[int, list[tuple[int, dict[str, str]]]] = {}
        for text in journal.read_text().splitlines():
            row = json.loads(text)
            if row["held"] and row["reply_end_ns"] is not None:
                self._by_unit.setdefault(row["unit"], []).append((row["reply_end_ns"] // 1_000_000, row["held"]))

    def at(self, unit: int, quantity: str, mono_ms: int) -> list[Decimal]:
        rows = self._by_unit.get(unit, [])
        begin = bisect_left(rows, mono_ms - NEAR_MS, key=lambda row: row[0])
        near = [held for when, held in rows[begin : begin + 20] if abs(when - mono_ms) <= NEAR_MS]
        return [Decimal(held[quantity]) for held in near if quantity in held]


def test_every_verified_value_is_the_one_that_was_held(tmp_path: Path, seed: int) -> None:
    need("mosquitto", "mosquitto")
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker") as broker:
        stage = Stage(folder=tmp_path, broker=broker)
        try:
            description = run_site(stage, seed % 2**31)
        finally:
            stage.stop()
    told = Told(Path(description["journal"]))
    devices = {one["name"]: one for one in description["devices"]}
    seen: dict[str, int] = {}
    for name, quantity, exponent, value, mono_ms in verified(stage.collector_db):
        held = told.at(devices[name]["unit"], quantity, mono_ms)
        unit = Decimal(1).scaleb(exponent)
        rounded = [one.quantize(unit, ROUND_HALF_EVEN) for one in held]
        assert value * unit in rounded, (name, quantity, value, exponent, mono_ms, held)
        seen[name] = seen.get(name, 0) + 1
    living = {name for name, one in devices.items() if one["behaviour"] != "dead"}
    assert set(seen) == living
    assert all(count >= 4 for count in seen.values())


def run_site(stage: Stage, seed: int) -> dict[str, Any]:
    child = stage.start_simulator("site", "--dir", str(stage.folder / "line"), "--seed", str(seed))
    assert wait_until(lambda: '"ready"' in child.last_words(), 20), child.last_words()
    description: dict[str, Any] = json.loads((stage.folder / "line" / "site.json").read_text())
    stage.prepare("whole")
    stage.start_collector()
    assert stage.broker is not None
    plan = read_plan(stage.folder / "line" / "site.json")
    write_site(stage.site, plan, broker_port=stage.broker.port, receipt_key=stage.receipt_key)
    stage.start_agent()
    living = sum(one["behaviour"] != "dead" for one in description["devices"])
    heard = wait_until(lambda: len({row[0] for row in table(stage)}) == living, 40)
    assert heard, stage.agent.last_words(20)
    time.sleep(6)
    counters = ask(Path(description["control"]), "counters")
    assert counters["line"]["inside_silence"] == 0
    stage.agent.stop()
    return description


def table(stage: Stage) -> list[tuple[str, str, int, int, int]]:
    try:
        return verified(stage.collector_db)
    except sqlite3.OperationalError:
        return []
