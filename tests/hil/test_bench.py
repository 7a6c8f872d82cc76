"""The bench measures what it says: CPU and bytes of another process, what a database holds, medians."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.bench import dead, mixed, wire
from hil.bench.measure import cpu_s, median, peak_mib, usage
from hil.bench.stored import FirstReading, Stored, stored
from hil.bench.table import table

SPIN = "import sys,time\nsys.stdin.readline()\nx=bytearray(50_000_000)\nt=time.process_time()\n"
SPIN += "while time.process_time()-t < 0.3: pass\nopen(sys.argv[1],'wb').write(x[:4_000_000])\n"
SPIN += "import os\nos.sync()\nprint('done', flush=True)\nsys.stdin.readline()\n"


def test_cost_of_another_process_is_what_it_spent(tmp_path: Path) -> None:
    words = [sys.executable, "-c", SPIN, str(tmp_path / "out")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before = usage(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        after = usage(process.pid)
        assert 0.3 <= after.cpu_s - before.cpu_s < 0.6
        assert peak_mib(process.pid) > 50_000_000 / 2**20
        assert after.written_bytes - before.written_bytes <= 4_200_000
        process.stdin.close()
    with pytest.raises(OSError, match=r"."):
        cpu_s(process.pid)


def test_a_median_of_nothing_is_no_number() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert math.isnan(median([]))


def test_counting_looks_at_what_the_collector_stored(tmp_path: Path) -> None:
    path = tmp_path / "collector.db"
    look = FirstReading(path)
    assert stored(path) == Stored()
    assert not look.is_there()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE block (readings INTEGER, message BLOB)")
    db.execute("CREATE TABLE reading (id INTEGER)")
    db.executemany("INSERT INTO block VALUES (?, ?)", [(0, bytes(100)), (98, bytes(800))])
    db.commit()
    held = stored(path)
    assert held == Stored(blocks=2, readings=98, block_bytes=900, filled=1)
    assert not look.is_there()
    db.execute("INSERT INTO reading VALUES (1)")
    db.execute("INSERT INTO block VALUES (2, x'00')")
    db.commit()
    db.close()
    assert look.is_there()
    assert stored(path).since(held) == Stored(blocks=1, readings=2, block_bytes=1, filled=1)
    look.close()


def test_a_table_lines_up() -> None:
    assert table(["a", "bb"], [[1, 2.5], [10, 12345.6]]).splitlines() == [" a      bb", " 1    2.50", "10  12,346"]


@pytest.mark.upstream
@pytest.mark.peers
def test_the_pipeline_bench_delivers_every_reading_it_issued() -> None:
    words = "-m hil.bench pipeline --devices 2 --runs 1 --seconds 3 --warmup 1 --reference 0 --seed 5 --json"
    done = subprocess.run(
        [sys.executable, "-P", *words.split()], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["pipeline"]["2"]
    assert figures["missing"] == 0
    assert figures["samples"] >= 2 * 4
    assert figures["readings_s"] == pytest.approx(2 * 98, rel=0.35)
    assert figures["cpu_ms_per_1000"] > 0
    assert 0 < figures["wire_bytes"] < 100


def exchange(unit: int, at_s: float, *, answered: bool, inside: bool = False) -> dict[str, Any]:
    start_ns = round(at_s * 1e9)
    return {
        "unit": unit,
        "start_ns": start_ns,
        "end_ns": start_ns + 9_000_000,
        "reply": "0103" if answered else "",
        "inside_silence": inside,
    }


CASE = dead.Case(name="x", units=2, registers=10, period_s=1, dead=(2,), gap_s=1.5, share=0.03, back_s=5)


def dead_log(*, pause_s: float = 0.0, probe_every_s: float = 5.0, back_s: float = 1.0) -> list[dict[str, Any]]:
    """Twenty seconds of health, forty of unit 2 dead, twenty after its return; ``pause_s`` stops unit 1 at 40."""
    rows = [exchange(1, at, answered=True) for at in range(80) if not 40 < at < 40 + pause_s]
    rows += [exchange(2, at + 0.5, answered=True) for at in range(20)]
    rows += [exchange(2, 20.5 + n * probe_every_s, answered=False) for n in range(int(39 / probe_every_s))]
    rows += [exchange(2, 60 + back_s + at, answered=True) for at in range(10)]
    return sorted(rows, key=lambda row: int(row["start_ns"]))


def verdict(log: list[dict[str, Any]], share: float = 0.01) -> dead.Verdict:
    times = dead.Times(healthy_s=20, dead_s=40, after_s=20)
    return replace(dead.judge(CASE, log, 20 * 10**9, 60 * 10**9, times), share=share)


def test_the_dead_bench_reads_its_verdict_off_the_log() -> None:
    good = verdict(dead_log())
    assert good.misses(CASE) == []
    assert (good.wanted, good.healthy, good.living, good.gap_s, good.back_s) == (1.0, 1.0, 1.0, 1.0, 1.0)
    assert good.asked == 7
    assert 0.03 < good.share_at_most < 0.06, "seven probes, idle time counted in for a quarter of a second each"


def test_the_dead_bench_notices_a_starved_neighbour_a_slow_return_a_greedy_probe_and_a_broken_silence() -> None:
    assert verdict(dead_log(pause_s=3)).misses(CASE) == ["polls", "gap"]
    assert verdict(dead_log(back_s=6)).misses(CASE) == ["back"]
    assert verdict(dead_log(), share=0.031).misses(CASE) == ["share"]
    assert verdict(dead_log(probe_every_s=39), share=0.02).misses(CASE) == ["share"], "more than the wire allows"
    assert verdict([*dead_log(), exchange(1, 79.9, answered=True, inside=True)]).misses(CASE) == ["silence"]


def test_the_load_of_a_case_is_that_of_the_wire() -> None:
    assert [round(case.load, 2) for case in dead.CASES] == [0.46, 0.46, 0.80, 0.80, 0.37]


def test_the_wire_bench_runs_each_client_that_is_there_and_names_those_that_are_not(seed: int) -> None:
    clients, notes = wire.clients(None)
    assert {client.name for client in clients} >= {"tidegate", "pymodbus", "minimalmodbus"}
    assert len(clients) + len(notes) == 4
    for client in clients:
        figures = wire.run(client, 115200, 10, seconds=0.5, runs=1, seed=seed)
        assert figures.exchanges > 5
        if client.name == "pymodbus":
            assert figures.inside_silence > 0, "it keeps no silence, and the bench has to see it"
        else:
            assert figures.inside_silence == 0


def test_a_mixed_line_is_judged_by_its_log() -> None:
    def row(start_ms: int, request: str, device: str | None, baud: int, *, inside: bool = False) -> dict[str, Any]:
        start_ns = start_ms * 1_000_000
        end_ns = start_ns + 10_000_000
        return {
            "start_ns": start_ns, "end_ns": end_ns, "reply_end_ns": None if device is None else end_ns + 40_000_000,
            "request": request, "device": device, "baud": baud, "parity": "N" if baud == 9600 else "E",
            "inside_silence": inside, "held": {} if device is None else {"voltage": "230"},
        }  # fmt: skip

    log = [
        row(0, "01", "a", 9600), row(100, "68", "m", 2400), row(200, "01", None, 9600),
        row(990, "01", "a", 9600, inside=True),
    ]  # fmt: skip
    found = mixed.judge(log)
    assert (found.exchanges, found.changes_s, found.inside_silence) == (4, 2.0, 1)
    assert found.answered == {"a": pytest.approx(2 / 3), "m": 1.0}
    assert found.gap_s == {"a": pytest.approx(0.99), "m": 0.0}
    assert found.share == pytest.approx(0.16)
