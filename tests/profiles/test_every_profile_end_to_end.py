"""Every shipped profile, from the registers of a simulated device to verified readings of one real agent.

What the registers hold comes from the facts (``hil/sim/facts``), never from a profile. The agent is the real program,
the lines are pseudo-terminals at the factory speed of each model, the readings are those of verified blocks.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from agent.cli.status_view import Screen
from drivers.profile import Point
from drivers.profile_about import Proof
from hil.stage import Stage
from tests.profiles.reading import Rows, run_until_all_is_read, verified
from tests.profiles.virtual_lines import IDS, Placed, impostor, place_all, plug_in, site_text

pytestmark = pytest.mark.bus

RESOLUTION = Decimal("0.005")


def differs(point: Point, read: str | None, meant: Decimal) -> str:
    """Say how a reading differs from what the register meant; empty if it does not."""
    if read is None:
        return f"no value, meant {meant}"
    value = Decimal(int(read == "true")) if read in ("true", "false") else Decimal(read)
    if not point.location.type.is_float:
        return "" if value == meant else f"{value}, meant {meant}"
    decimals = Decimal(1).scaleb(value.as_tuple().exponent)  # type: ignore[arg-type]
    if value != meant.quantize(decimals, ROUND_HALF_EVEN):
        return f"{value}, meant {meant}"
    return "" if abs(value - meant) <= abs(meant) * RESOLUTION else f"{value} is too coarse for {meant}"


def faults_of(one: Placed, found: Rows) -> list[str]:
    """Compare every reading of a device with what its registers meant; one line for each difference."""
    meant = one.meant()
    wrong: list[str] = []
    for point in one.profile.points:
        good = [row for row in found.get((one.name, point.name), []) if row["value"] is not None]
        faults = [differs(point, str(row["value"]).lower(), meant[point.name]) for row in good] or ["never read"]
        faults += ["another unit" for row in good if row["unit"] != point.unit]
        wrong += [f"{one.profile.id} {point.name}: {fault}" for fault in sorted(set(faults)) if fault]
    return wrong


def test_every_profile_reads_what_its_device_holds(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = place_all(seed)
    last = next(
        index for index, one in enumerate(placed) if one.bus == "line-1" and placed[index + 1].bus != "line-1"
    )
    false = impostor(placed[last], seed)
    assert [one.profile.id for one in sorted(placed, key=lambda one: one.profile.id)] == list(IDS)
    stage = Stage(folder=tmp_path, broker=None)
    with ExitStack() as lines:
        stage.prepare("profiles")
        everyone = [*placed[: last + 1], false, *placed[last + 1 :]]
        stage.site.write_text(site_text(everyone, plug_in(everyone, tmp_path, lines), tmp_path), encoding="utf-8")
        try:
            status = run_until_all_is_read(stage, {one.name: one.profile for one in everyone})
        finally:
            stage.stop()
    assert any("acrel-adl400 with ratios ct 40, pt 1.5" in line for line in Screen(status).lines())
    found = verified(stage)
    wrong = [fault for one in placed for fault in faults_of(one, found)]
    assert not wrong, "\n".join(wrong)
    caught = faults_of(false, found)  # the rig sees a profile that does not fit its device
    assert {"soil.temperature", "soil.moisture"} <= {fault.split()[1].rstrip(":") for fault in caught}, caught
    compared = sum(row["value"] is not None for rows in found.values() for row in rows)
    assert compared >= sum(len(one.profile.points) for one in placed)
    counts = Counter(one.profile.proof for one in placed)
    with capsys.disabled():
        print(f"\n{len(placed)} profiles read end to end, {compared} verified values; proven by:")
        print("\n".join(f"  {proof.value:15} {counts[proof]:3}" for proof in Proof))
