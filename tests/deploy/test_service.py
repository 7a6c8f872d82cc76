"""The service file says what systemd understands, and gives away little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hil.fixtures import need

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "tidegate.service"
MOST_EXPOSURE = 25  # tenths; systemd calls everything below 3.0 "OK" or better


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as installed, with a program that is there."""
    unit = tmp_path / "tidegate.service"
    unit.write_text(UNIT.read_text().replace("/opt/tidegate/venv/bin/python", sys.executable))
    return unit


def test_systemd_has_nothing_to_say_against_it(installed: Path) -> None:
    program = need("systemd-analyze", "systemd")
    said = subprocess.run(
        [program, "verify", str(installed)], capture_output=True, text=True, check=False, timeout=60
    )
    complaints = [line for line in said.stderr.splitlines() if "tidegate" in line]
    assert not complaints  # an unknown key is only a line on stderr, the status is 0


def test_it_is_confined(installed: Path) -> None:
    program = need("systemd-analyze", "systemd")
    said = subprocess.run(
        [program, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(installed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 0, said.stdout[-1500:]
