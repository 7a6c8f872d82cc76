"""Images from ``hil/sim/facts/*.json``: register facts collected about real devices, each with its sources.

A register says where it lies, what its raw number means, and how its value moves:

``["still", value]``, ``["wander", centre, swing, period_s]``, ``["count", start, rise an hour]``,
``["steps", share of ones, hold_s]``.

Only what can be read is listed. Unless ``spans`` says more, a device refuses every read that touches an address of
which nothing is known: the worst that a real firmware does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

from hil.sim.motion import Motion, steps, still, wander
from hil.sim.registers import BIT_TABLES, Held, Image, strict

FOLDER: Final = Path(__file__).resolve().parent.parent / "facts"
_HOUR_S: Final = 3600.0
_PHASE_UNITS: Final = 977.0


def fact_images() -> dict[str, Callable[[str], Image]]:
    """Give every model of the facts by its name."""
    models: dict[str, Callable[[str], Image]] = {}
    for file in sorted(FOLDER.glob("*.json")):
        for device in json.loads(file.read_text(encoding="utf-8")):
            models[device["model"]] = partial(_image, device)
    return models


def _image(device: Mapping[str, Any], seed: str) -> Image:
    held = tuple(_held(register, f"{seed}:{register['quantity']}") for register in device["registers"])
    image = Image(
        model=device["model"],
        held=held,
        spans=tuple((table, first, last) for table, first, last in device.get("spans", ())),
        source="; ".join(device["sources"]),
        max_registers=device.get("max_registers", 125),
    )
    return image if image.spans else strict(image)


def _held(register: Mapping[str, Any], seed: str) -> Held:
    return Held(
        name=register["quantity"],
        table=register["function"],
        address=register["address"],
        type="bit" if register["function"] in BIT_TABLES else register["type"],
        words=register.get("words", "big"),
        scale=Decimal(register.get("scale", "1")),
        unit=register.get("unit"),
        motion=_motion(register["holds"], seed),
        writable=register.get("writable", False),
    )


def _motion(holds: Sequence[Any], seed: str) -> Motion:
    kind, *numbers = holds
    if kind == "still":
        return still(*numbers)
    if kind == "wander":
        return wander(seed, *numbers)
    if kind == "steps":
        return steps(seed, *numbers)
    start, rise = numbers
    offset = sum(map(ord, seed)) % _PHASE_UNITS / _PHASE_UNITS  # two devices never count the same
    return lambda t: start * (1 + offset / 100) + rise * t / _HOUR_S
