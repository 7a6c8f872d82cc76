from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from agent.errors import ConfigError
from agent.killpoint import KillPoint, armed, no_kill


@pytest.mark.parametrize("setting", [None, ""])
def test_without_a_setting_nothing_is_killed(setting: str | None) -> None:
    assert armed(setting) is no_kill
    for point in KillPoint:
        no_kill(point)


@pytest.mark.parametrize("setting", ["comitted", "committed:0", "committed:x", "committed:-1", "committed:٣", ":1"])
def test_a_wrong_setting_is_an_error_and_never_a_test_that_kills_nothing(setting: str) -> None:
    with pytest.raises(ConfigError, match="TIDEGATE_KILL_AT"):
        armed(setting)


def test_the_process_dies_by_sigkill_at_the_named_visit_and_no_other() -> None:
    script = (
        "import sys; from agent.killpoint import KillPoint, armed\n"
        "reached = armed('signed:3')\n"
        "for visit in range(1, 10):\n"
        "    reached(KillPoint.COMMITTED)\n"
        "    print(visit, flush=True)\n"
        "    reached(KillPoint.SIGNED)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["1", "2", "3"]
