"""``status`` before the first block: no disk is blamed for what was never written."""

from __future__ import annotations

import json
from pathlib import Path

from hil.stage import tidegate


def test_a_gateway_that_never_ran_is_told_to_start(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    assert tidegate("--site", site, "init", "--name", "new", "--state-dir", tmp_path / "s", "--yes").returncode == 0
    told = tidegate("--json", "--site", site, "status")
    codes = [finding["code"] for finding in json.loads(told.stdout)["findings"]]
    assert told.returncode == 1
    assert codes == ["agent-unreachable", "nothing-stored"]
