"""``tidegate add --scan``: all that a scan has found in one step, as far as it is certain and answered."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.ptys import PtyLine
from hil.wire import Line
from tests.agent.cli.commands import Command
from tests.agent.cli.test_cli_scan import line_of

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]
SITE = 'schema = 1\n[site]\nname = "green"  # of Chen\n[state]\ndir = "state"\n'


@pytest.fixture
def port(tidegate: Command, tmp_path: Path, on_pty: OnPty) -> Path:
    """A line that was scanned and stands in no site file: a meter behind transformers and one without."""
    path = on_pty(line_of(("chint/dtsu666", 1), ("peacefair/pzem-004t", 2))).path
    (tmp_path / "site.toml").write_text(SITE)
    found = tidegate("scan", path, "--unit", "1:2", "--baud", "9600", "--protocol", "modbus", "--listen", "0")
    assert found.code == 0, found.err
    return path


def test_who_needs_an_answer_that_nobody_gave_is_left_out_and_the_others_are_written(
    tidegate: Command, port: Path, tmp_path: Path
) -> None:
    said = tidegate("add", port, "--scan", "--bus", "field", "--yes")
    assert said.code == 0, said.err
    assert 'Address 1 is left out: chint/dtsu666 needs the answer "ct"' in said.err
    found = tomllib.loads((tmp_path / "site.toml").read_text())
    assert [(bus["name"], bus["port"]) for bus in found["bus"]] == [("field", str(port))]
    assert [(one["bus"], one["unit"], one["profile"]) for one in found["device"]] == [
        ("field", 2, "peacefair/pzem-004t")
    ]


def test_answers_go_to_those_who_ask_for_them(tidegate: Command, port: Path, tmp_path: Path) -> None:
    said = tidegate("add", port, "--scan", "--ratio", "ct=200/5", "--ratio", "pt=1", "--every", "30 s", "--yes")
    assert said.code == 0, said.err
    assert len(said.err.splitlines()) == 1
    assert "Taken from the scan of 20" in said.err
    meter, plug = tomllib.loads((tmp_path / "site.toml").read_text())["device"]
    assert (meter["ratios"], meter["every"]) == ({"ct": "200/5", "pt": 1}, "30 s")
    assert ("ratios" in plug, plug["every"]) == (False, "30 s")


def test_what_is_said_of_one_device_does_not_go_with_all(tidegate: Command, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    said = tidegate("add", "/dev/null", "--scan", "--profile", "eastron/sdm120", "--unit", "7", "--yes")
    assert said.code == 2
    assert "--scan, --profile, --unit" in said.err
    assert (tmp_path / "site.toml").read_text() == SITE


def test_of_a_scan_that_ended_early_it_says_what_was_not_asked_and_how_to_go_on(
    tidegate: Command, tmp_path: Path, on_pty: OnPty
) -> None:
    path = on_pty(line_of(("peacefair/pzem-004t", 2), ("peacefair/pzem-004t", 9))).path
    (tmp_path / "site.toml").write_text(SITE)
    words = ("scan", path, "--unit", "2,9", "--baud", "9600", "--protocol", "modbus", "--listen", "0")
    assert tidegate(*words, "--stop-after", "1").code == 0
    said = tidegate("add", path, "--scan", "--bus", "field", "--yes")
    assert said.code == 0, said.err
    assert [one["unit"] for one in tomllib.loads((tmp_path / "site.toml").read_text())["device"]] == [2]
    (told,) = [text for text in said.err.splitlines() if "TG-3119" in text]
    assert "warning: That scan ended early, 3 questions were not asked yet, next: low addresses (modbus);" in told
    assert f"go on with: tidegate scan {path} --resume   TG-3119" in told
    chinese = tidegate("add", path, "--scan", lang="zh")
    assert "上次搜索没有做完，还有 3 个询问没有发出" in chinese.err
    assert "TG-3119" in chinese.err
