"""The site file of the demo: what the simulated lines hold, as a technician would write it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

BEHIND_TRANSFORMERS = ("chint/dtsu666",)
"""Profiles that ask for the ratios of the transformers; in the demo such meters are wired directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One line of the simulator: a bus of the site.

    Attributes:
        baud: of the bus; a device may have its own.
    """

    name: str
    port: str
    baud: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One device that the simulator put on a line.

    Attributes:
        baud: its own.
        living: whether it answers, so that its readings have to arrive.
    """

    name: str
    bus: str
    unit: int
    profile: str
    baud: int
    living: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the demo connects."""

    control: Path
    lines: tuple[Wire, ...]
    devices: tuple[Expected, ...]


def read_plan(path: Path) -> Plan:
    """Read ``site.json``, which the simulator wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        control=Path(told["control"]),
        lines=tuple(Wire(name=one["name"], port=one["port"], baud=one["baud"]) for one in told["lines"]),
        devices=tuple(
            Expected(
                name=one["name"],
                bus=one["line"],
                unit=one["unit"],
                profile=one["profile"],
                baud=one["settings"]["baud"],
                living=one["behaviour"] != "dead",
            )
            for one in told["devices"]
        ),
    )


def write_site(path: Path, plan: Plan, *, broker_port: int | None, receipt_key: str | None) -> None:
    """Write ``site.toml``: a bus for each line, every device of it, every reading each 2 s, blocks each 2 s."""
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
    ]
    speeds = {}
    for line in plan.lines:
        speeds[line.name] = line.baud
        lines += [
            "",
            "[[bus]]",
            f'name = "{line.name}"',
            f'port = "{line.port}"',
            f"baud = {line.baud}",
            'parity = "none"',
        ]
    for device in plan.devices:
        lines += [
            "",
            "[[device]]",
            f'name = "{device.name}"',
            f'bus = "{device.bus}"',
            f"unit = {device.unit}",
            f'profile = "{device.profile}"',
            'every = "2 s"',
        ]
        if device.profile in BEHIND_TRANSFORMERS:
            lines.append("ratios = { ct = 1, pt = 1 }")
        if device.baud != speeds[device.bus]:
            lines.append(f"line = {{ baud = {device.baud} }}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
