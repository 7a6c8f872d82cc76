"""``tidegate scan`` on a line whose far end sees parity, as a process, and what it proposes for an odd setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.rfc2217 import Rfc2217Line
from tests.agent.cli.commands import Command
from tests.drivers.scan.parity_wire import parity_line
from tests.drivers.scan.test_scan_search import at

pytestmark = pytest.mark.technician


def test_an_odd_parity_is_found_with_its_model_behind_a_device_server(tidegate: Command, tmp_path: Path) -> None:
    line = parity_line([at("eastron/sdm120", 173, 2400, "E")])
    line.step = 16
    with Rfc2217Line(line) as rig:
        said = tidegate(
            "scan", rig.url, "--unit", "170:174", "--baud", "2400", "--listen", "0", "--state", tmp_path / "s.json",
            "--json",
        )  # fmt: skip
    assert said.code == 0, said.err
    (found,) = said.envelope["result"]["found"]
    assert (found["address"], found["baud"], found["parity"]) == (173, 2400, "even")
    assert "eastron/sdm120" in [one["profile"] for one in found["proposals"]]
    assert line.counters.inside_silence == 0
