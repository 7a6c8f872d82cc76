"""``tidegate scan`` at the left port finds what stands at the right one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.characters import Characters
from hil.pair.bench import Bench
from hil.pair.probe import Capability
from hil.pair.units import Unit
from hil.stage import tidegate

ELSEWHERE = Characters(baud=115200)
UNIT = 1


@pytest.mark.needs(Capability.BAUD)
def test_a_scan_finds_the_device_and_its_speed(
    bench: Bench, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A scan that is told neither speed nor address finds the device."""
    bench.free()
    bench.far.stand([Unit(UNIT, ELSEWHERE)])
    bench.far.tune(ELSEWHERE)
    number = len(bench.far.since(0))
    words = ("--unit", "1:2", "--baud", "9600", "--baud", "115200", "--listen", "0", "--stop-after", "1")
    done = tidegate("--json", "scan", bench.left, *words, "--state", tmp_path / "scan.json", patience_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["result"]["found"]
    record_property("exchanges", len(bench.far.since(number)))
    record_property("found", ", ".join(f"unit {one['address']} at {one['baud']} Bd" for one in found))
    assert [(one["address"], one["baud"]) for one in found] == [(UNIT, ELSEWHERE.baud)]
