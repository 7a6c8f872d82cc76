"""The site file of the demo: what the simulated line holds, as a technician would write it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One device that the simulator put on the line.

    Attributes:
        living: whether it answers, so that its readings have to arrive.
    """

    name: str
    unit: int
    profile: str
    living: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the demo connects."""

    port: str
    devices: tuple[Expected, ...]


def read_plan(path: Path) -> Plan:
    """Read ``site.json``, which the simulator wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        port=told["port"],
        devices=tuple(
            Expected(name=one["name"], unit=one["unit"], profile=one["profile"], living=one["behaviour"] != "dead")
            for one in told["devices"]
        ),
    )


def write_site(path: Path, plan: Plan, *, broker_port: int | None, receipt_key: str | None) -> None:
    """Write ``site.toml``: one serial bus, every device of the line, every reading each 2 s, blocks each 2 s."""
    lines = [
        "# written by the demo",
        "schema = 1",
        "[site]",
        'name = "demo"',
        'label = "演示站点 demo site"',
        "",
    ]
    if broker_port is not None:
        lines += ["[uplink]", f'url = "mqtt://127.0.0.1:{broker_port}"', f'receipt_key = "{receipt_key}"', ""]
    lines += [
        "[block]",
        'max_age = "2 s"',
        "",
        "[state]",
        f'dir = "{path.parent / "state"}"',
        f'run_dir = "{path.parent / "run"}"',
        "",
        "[[bus]]",
        'name = "rs485-a"',
        f'port = "{plan.port}"',
        "baud = 9600",
        'parity = "none"',
    ]
    for device in plan.devices:
        lines += [
            "",
            "[[device]]",
            f'name = "{device.name}"',
            'bus = "rs485-a"',
            f"unit = {device.unit}",
            f'profile = "{device.profile}"',
            'every = "2 s"',
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
