"""From the devices of the simulated site to the collector's table: each verified value is the one that was told.

Three programs lie between: the agent with its profiles, mosquitto, the collector. What the devices told comes from
the simulator's journal, which knows nothing of profiles.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from hil.broker import Broker
from hil.demo.plan import Plan, read_plan
from hil.fixtures import need
from hil.process import wait_until
from hil.site_file import Sealing
from hil.stage import Stage
from hil.told import Told, compare_told, verified

pytestmark = [pytest.mark.upstream, pytest.mark.peers]

SLOW = {"tenant-meter"}
OFTEN = 4
OFFSET = "clock.offset"
TEXTS_AND_STATES = {
    ("water-meter", "clock"), ("water-meter", "status"), ("water-meter", "valve"), ("water-meter", "battery_low"),
    ("heat-meter", "status"), ("tenant-meter", "meter.number"), ("tenant-meter", "error"),
}  # fmt: skip
"""Of which the simulators give no number."""
CLOCKS_S = {"grid-meter": 3, "water-meter": 3, "tenant-meter": 5, "heat-meter": 65}
"""Meters with a clock, which is right: how far off it may seem; a readout takes a while, type F shows minutes."""


def test_every_verified_value_is_the_one_that_was_told(tmp_path: Path, seed: int) -> None:
    need("mosquitto", "mosquitto")
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker") as broker:
        stage = Stage(folder=tmp_path, broker=broker, name="whole")
        try:
            plan = run_site(stage, seed % 2**31)
        finally:
            stage.stop()
    compared = compare_told(plan.journal, stage.collector_db)
    assert not compared.wrong
    assert compared.untold <= TEXTS_AND_STATES | {(name, OFFSET) for name in CLOCKS_S}
    off = [(row[0], row[3]) for row in verified(stage.collector_db) if row[1] == OFFSET]
    assert {name for name, _ in off} == set(CLOCKS_S)
    assert [pair for pair in off if abs(int(pair[1])) > CLOCKS_S[pair[0]]] == []
    assert set(compared.equal) == set(plan.names(living=True))
    assert [one for one in compared.equal.items() if one[1] < OFTEN and one[0] not in SLOW] == []
    settings = {(row["baud"], row["parity"]) for row in journal(plan.journal) if row["line"] == "rs485-c"}
    assert settings == {(9600, "N"), (2400, "E")}


def run_site(stage: Stage, seed: int) -> Plan:
    """Let the agent read the whole site; no request begins inside t3.5.

    The flaky device may begin a late answer in the very moment of the next request: that is a collision, which nobody
    on a real pair could have foreseen either, and counts as no breach.
    """
    child = stage.start_simulator("site", "--dir", str(stage.folder / "line"), "--seed", str(seed))
    assert wait_until(lambda: '"ready"' in child.last_words(), 20), child.last_words()
    stage.prepare()
    stage.start_collector()
    plan = read_plan(stage.folder / "line" / "site.json")
    stage.write_site(plan.buses, [one.entry for one in plan.devices], sealing=Sealing(max_age="2 s"))
    stage.start_agent()
    living = set(plan.names(living=True))

    def heard_enough() -> bool:
        rows = verified(stage.collector_db)
        often = Counter(row[0] for row in rows if row[1] != OFFSET and (row[0], row[1]) not in TEXTS_AND_STATES)
        return all(often[name] >= (1 if name in SLOW else OFTEN) for name in living)

    assert wait_until(heard_enough, 60, 0.5), stage.agent.last_words(20)
    stage.agent.stop()
    assert [one for one in journal(plan.journal) if one["inside_silence"] and not one["collided"]] == []
    return plan


def journal(path: Path) -> list[dict[str, object]]:
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]


def row(device: str, held: dict[str, str], start_ms: int | None) -> str:
    start_ns = None if start_ms is None else start_ms * 1_000_000
    return json.dumps({"device": device, "held": held, "reply_start_ns": start_ns}) + "\n"


def test_what_a_device_told_last_is_what_counts(tmp_path: Path) -> None:
    path = tmp_path / "exchanges.jsonl"
    rows = [("a", {"u": "1.5"}, 100), ("b", {"u": "9"}, 150), ("a", {"i": "3"}, 160), ("a", {"u": "1.75"}, 200)]
    path.write_text("".join(row(*one) for one in rows) + row("a", {"u": "7"}, None))
    told = Told(path)
    assert [told.last("a", "u", at) for at in (99, 100, 199, 200)] == [None, *map(Decimal, ("1.5", "1.5", "1.75"))]
    assert told.last("b", "i", 500) is None


def test_a_reading_that_was_not_told_is_found_out(tmp_path: Path) -> None:
    path, db_path = tmp_path / "exchanges.jsonl", tmp_path / "collector.db"
    path.write_text(row("a", {"u": "1.45"}, 100) + row("a", {"u": "2"}, 300))
    with closing(sqlite3.connect(db_path)) as db:
        db.executescript(
            "CREATE TABLE device (id, name); INSERT INTO device VALUES (1, 'a');"
            "CREATE TABLE point (id, device, quantity, exponent); INSERT INTO point VALUES (1, 1, 'u', -1);"
            "INSERT INTO point VALUES (2, 1, 'text', 0);"
            "CREATE TABLE block (id, mono_ms); INSERT INTO block VALUES (0, 100);"
            "CREATE TABLE reading (id, point, value, offset_ms);"
            "INSERT INTO reading VALUES (1, 1, 14, 5), (2, 1, 20, 150), (3, 1, NULL, 5), (4, 2, 'x', 5);"
        )
        db.commit()
    compared = compare_told(path, db_path)
    assert compared.equal == {"a": 1}  # 1.45 to one decimal is 1.4, half to even
    assert len(compared.wrong) == 1  # 2.0 was told only later
    assert compared.untold == {("a", "text")}
