"""Letting one real agent read everything once, and what its verified blocks hold."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.control.client import ControlClient
from agent.control.protocol import AskStatus
from agent.errors import ControlError
from agent.health import AgentStatus, DeviceStatus
from drivers.profile import Profile
from hil.stage import Stage, tidegate

PATIENCE_S = 60.0
Rows = dict[tuple[str, str], list[dict[str, Any]]]


def _read_whole(device: DeviceStatus, profile: Profile) -> bool:
    read = {name for one in device.reads if one.polls > one.failed for name in one.points}
    return read == {point.name for point in profile.points}


def _ask(folder: Path) -> AgentStatus | None:
    try:
        with ControlClient(folder / "run", timeout_s=10) as client:
            status = client.ask(AskStatus())
    except ControlError:
        return None
    assert isinstance(status, AgentStatus)
    return status


def run_until_all_is_read(stage: Stage, placed: Mapping[str, Profile]) -> AgentStatus:
    """Let the agent read everything once, then stop it; gives its last status, fails with who never answered.

    Args:
        stage: with its site file written.
        placed: name of a device -> its profile.
    """
    stage.start_agent()
    waiting = dict(placed)
    end = time.monotonic() + PATIENCE_S
    last: AgentStatus | None = None
    while waiting and time.monotonic() < end and stage.agent.alive:
        time.sleep(0.5)
        status = _ask(stage.folder)
        last = status or last
        for device in status.devices if status else ():
            if device.name in waiting and _read_whole(device, waiting[device.name]):
                del waiting[device.name]
    assert stage.agent.alive, stage.agent.last_words(20)
    assert stage.agent.stop() == 0
    assert not waiting, f"not read: {sorted(waiting)}"
    assert last is not None
    return last


def verified(stage: Stage) -> Rows:
    """Give the verified readings by device and quantity."""
    file = stage.folder / "readings.jsonl"
    assert tidegate("--site", stage.site, "verify").returncode == 0
    written = tidegate("--site", stage.site, "export", file)
    assert written.returncode == 0, written.stderr
    found: Rows = {}
    for text in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        if row.get("quantity"):
            found.setdefault((row["device"], row["quantity"]), []).append(row)
    return found
