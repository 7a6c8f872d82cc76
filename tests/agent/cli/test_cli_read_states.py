"""``tidegate read`` names the states of a device beside their numbers, in both languages and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.ptys import PtyLine
from hil.sim import sunspec
from hil.sim.modbus import RtuDevice
from hil.wire import Line
from tests.agent.cli.commands import Command

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]
SITE = """schema = 1
[site]
name = "roof"
[state]
dir = "state"
[[bus]]
name = "rs485-a"
port = "{port}"
[[device]]
name = "inverter"
bus = "rs485-a"
unit = 1
profile = "sunspec/inverter"
"""


def written(on_pty: OnPty, folder: Path, state: int) -> None:
    image = sunspec.inverter(power=5234, power_scale=0, energy=12_345_678, state=state)
    port = on_pty(Line([RtuDevice(1, image)])).path
    (folder / "site.toml").write_text(SITE.format(port=port))


def test_a_state_is_shown_with_its_name(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    written(on_pty, tmp_path, 4)
    row = next(line for line in tidegate("read", "rs485-a/inverter/state").out.splitlines() if "state" in line)
    assert row.split() == ["inverter", "state", "4", "(MPPT)", "good"]
    assert "4 (MPPT 运行)" in tidegate("read", "rs485-a/inverter/state", lang="zh").out
    points = tidegate("read", "--json").envelope["result"]["devices"][0]["points"]
    by_name = {point["quantity"]: point for point in points}
    assert by_name["state"]["value"] == "4"
    assert by_name["state"]["state"] == {"en": "MPPT", "zh": "MPPT 运行"}
    assert by_name["power.active"]["state"] is None


def test_a_watched_state_has_its_name_too(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    written(on_pty, tmp_path, 7)
    words = ("read", "rs485-a/inverter/state", "--watch", "--count", "1", "--every", "0.2")
    assert "7 (fault)" in tidegate(*words).out
    rounds = [json.loads(line) for line in tidegate(*words, "--json").out.splitlines()]
    assert rounds[0]["devices"][0]["points"][0]["state"] == {"en": "fault", "zh": "故障"}


def test_a_number_that_the_profile_does_not_list_stays_a_number(
    tidegate: Command, on_pty: OnPty, tmp_path: Path
) -> None:
    written(on_pty, tmp_path, 99)
    (point,) = tidegate("read", "rs485-a/inverter/state", "--json").envelope["result"]["devices"][0]["points"]
    assert (point["value"], point["state"]) == ("99", None)
