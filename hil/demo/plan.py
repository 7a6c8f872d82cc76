"""What the demo connects: the lines and devices that the simulator described, as entries of a site file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hil.characters import Characters
from hil.site_file import BusEntry, DeviceEntry

_USUAL: Final = "2 s"
_SLOWER: Final = {"dlt645": "5 s", "cjt188": "5 s", "mbus": "5 s", "iec62056": "10 s"}
"""Periods of meters on slow lines, by the beginning of the profile's model; a readout at 300 Bd takes 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One device that the simulator put on a line.

    Attributes:
        living: whether it answers, so that its readings have to arrive.
    """

    entry: DeviceEntry
    living: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the demo connects.

    Attributes:
        control: socket of the simulator.
        journal: its log of every exchange.
    """

    control: Path
    journal: Path
    buses: tuple[BusEntry, ...] = ()
    devices: tuple[Expected, ...] = ()

    def names(self, *, living: bool, bus: str = "") -> list[str]:
        """Give the devices that live, or do not, of one bus or all."""
        return [one.entry.name for one in self.devices if one.living is living and bus in ("", one.entry.bus)]


def read_plan(path: Path) -> Plan:
    """Read ``site.json``, which the simulator wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        control=Path(told["control"]),
        journal=Path(told["journal"]),
        buses=tuple(BusEntry(name=one["name"], port=one["port"], settings=_characters(one)) for one in told["lines"]),
        devices=tuple(
            Expected(
                entry=DeviceEntry(
                    name=one["name"],
                    bus=one["line"],
                    unit=one["unit"],
                    address=one["address"],
                    profile=one["profile"],
                    every=_every(one["profile"]),
                    settings=_characters(one["settings"]),
                ),
                living=one["behaviour"] != "dead",
            )
            for one in told["devices"]
        ),
    )


def _characters(told: Mapping[str, Any]) -> Characters:
    return Characters(
        baud=told["baud"], parity=told["parity"], stop_bits=told["stop_bits"], data_bits=told["data_bits"]
    )


def _every(profile: str) -> str:
    model = profile.partition("/")[2]
    return next((every for head, every in _SLOWER.items() if model.startswith(head)), _USUAL)
