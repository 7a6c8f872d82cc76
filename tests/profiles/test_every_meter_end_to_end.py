"""Every shipped profile of a meter, from captured frames or a simulated meter to verified readings of one real agent.

What the frames mean comes from libmbus, from the captures' own text or from the simulation, never from a profile.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from drivers.profile import Kind, Point
from drivers.profile_about import Proof
from drivers.profile_load import list_profiles
from hil.stage import Stage
from tests.profiles.meter_lines import IDS, PROTOCOLS, PlacedMeter, place_meters, plug_in
from tests.profiles.reading import Rows, run_until_all_is_read, verified
from tests.profiles.virtual_lines import ROOT, load

pytestmark = pytest.mark.bus

OWN_TESTS = frozenset({"modbus", "sml", "sml-pull", "dlms", "dlms-push", "hj212", "sdi12"})
"""Protocols whose profiles are read by other tests."""
TIMES = {
    ("W.h", "kW.h"): Decimal("0.001"), ("MW.h", "kW.h"): Decimal(1000), ("kW", "W"): Decimal(1000),
    ("J", "MJ"): Decimal("0.000001"), ("s", "h"): 1 / Decimal(3600),
}  # fmt: skip


def differs(point: Point, read: str, meant: str, unit: str | None) -> str:
    """Say how a reading differs from what the meter meant; empty if it does not."""
    if point.kind is Kind.STATE:
        return "" if _plain(read) == _plain(meant) else f"{read!r}, meant {meant!r}"
    times = Decimal(1) if unit in (None, "", point.unit) else TIMES[str(unit), str(point.unit)]
    value, exact = Decimal(read), Decimal(meant) * times
    step = Decimal(1).scaleb(point.exponent)
    return "" if value == exact.quantize(step, ROUND_HALF_EVEN) else f"{value}, meant {exact}"


def _plain(text: str) -> str:
    """Give a moment without zone and seconds that are 0, a whole number without decimals, any text without blanks."""
    short = text.strip().removesuffix("Z").removesuffix(".000000")
    return short.removesuffix(":00") if short.count(":") == 2 else short


def faults_of(one: PlacedMeter, found: Rows) -> list[str]:
    """Compare every reading of a meter with what it sent; one line for each difference."""
    wrong: list[str] = []
    for point in one.profile.points:
        rows = [row for row in found.get((one.name, point.name), []) if row["value"] is not None]
        if point.name == "clock.offset":
            continue  # what it has to be depends on the day of the test
        if point.name not in one.meant:
            wrong += [f"{one.profile.id} {point.name}: the source says nothing"] if one.whole else []
            continue
        value, unit = one.meant[point.name]
        faults = [differs(point, str(row["value"]), value, unit) for row in rows] or ["never read"]
        faults += ["another unit" for row in rows if row["unit"] != point.unit]
        wrong += [f"{one.profile.id} {point.name}: {fault}" for fault in sorted(set(faults)) if fault]
    return wrong


def test_every_protocol_with_profiles_is_read_by_some_test() -> None:
    assert {load(one).protocol for one in list_profiles((ROOT,))} <= OWN_TESTS | set(PROTOCOLS)


def test_every_meter_is_read_as_it_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = place_meters()
    placed = [meter for line in lines for meter in line.meters]
    assert sorted(one.profile.id for one in placed) == sorted(IDS)
    stage = Stage(folder=tmp_path, broker=None)
    with ExitStack() as stack:
        stage.prepare("meters")
        plug_in(lines, tmp_path, stack).write(stage.site)
        try:
            run_until_all_is_read(stage, {one.name: one.profile for one in placed})
        finally:
            stage.stop()
    found = verified(stage)
    wrong = [fault for one in placed for fault in faults_of(one, found)]
    assert not wrong, "\n".join(wrong)
    compared = sum(len(set(one.meant) & {point.name for point in one.profile.points}) for one in placed)
    points = sum(len(one.profile.points) for one in placed)
    assert compared >= 0.8 * points
    counts = Counter(one.profile.proof for one in placed)
    with capsys.disabled():
        print(
            f"\n{len(placed)} profiles of meters read end to end, {compared} of {points} points compared; proven by:"
        )
        print("\n".join(f"  {proof.value:15} {counts[proof]:3}" for proof in Proof))


def test_a_profile_that_does_not_fit_its_meter_is_seen() -> None:
    one = next(
        meter for line in place_meters() for meter in line.meters if meter.profile.id == "kamstrup/multical-601"
    )
    rows: Rows = {(one.name, "power"): [{"value": "1", "unit": "W"}]}
    faults = faults_of(one, rows)
    assert any("power: 1, meant 34700" in fault for fault in faults)
    assert any("energy: never read" in fault for fault in faults)
