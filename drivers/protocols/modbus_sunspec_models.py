"""SunSpec information models: what the registers of a model mean, from the definition files of ``pysunspec2``.

Only its JSON files are used (SunSpec Alliance, Apache-2.0), read when a model is wanted; none of its code is loaded.
Nested groups (curves of the 700 series) are left out: fixed points, and the group that repeats to the model's end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from drivers.profile import NumberType

HEADER_REGISTERS: Final = 2
"""Model number and length stand before what a model holds."""

TYPES: Final[Mapping[str, NumberType]] = MappingProxyType({
    "int16": NumberType.I16, "uint16": NumberType.U16, "count": NumberType.U16, "acc16": NumberType.U16,
    "enum16": NumberType.U16, "bitfield16": NumberType.U16, "sunssf": NumberType.I16,
    "int32": NumberType.I32, "uint32": NumberType.U32, "acc32": NumberType.U32, "enum32": NumberType.U32,
    "bitfield32": NumberType.U32, "int64": NumberType.I64, "uint64": NumberType.U64, "acc64": NumberType.U64,
    "float32": NumberType.F32, "float64": NumberType.F64, "string": NumberType.TEXT,
})  # fmt: skip
"""Types that become a value; padding and network addresses do not."""

NOT_IMPLEMENTED: Final[Mapping[str, int]] = MappingProxyType({
    "int16": -0x8000, "uint16": 0xFFFF, "count": 0xFFFF, "enum16": 0xFFFF, "bitfield16": 0xFFFF, "acc16": 0,
    "sunssf": -0x8000, "int32": -0x80000000, "uint32": 0xFFFFFFFF, "enum32": 0xFFFFFFFF, "bitfield32": 0xFFFFFFFF,
    "acc32": 0, "int64": -0x8000000000000000, "uint64": 0xFFFFFFFFFFFFFFFF, "acc64": 0,
})  # fmt: skip
"""What says that a point is not there (SunSpec Information Model Specification); an accumulator says 0."""

UNITS: Final[Mapping[str, str]] = MappingProxyType({
    "A": "A", "V": "V", "W": "W", "VA": "VA", "var": "var", "Var": "var", "Hz": "Hz", "Wh": "W.h", "WH": "W.h",
    "kWh": "kW.h", "VAh": "VA.h", "varh": "var.h", "Varh": "var.h", "C": "Cel", "Pct": "%", "%": "%", "Secs": "s",
    "Sec": "s", "mSecs": "ms", "PF": "1", "cos()": "1", "Degrees": "deg", "deg": "deg", "W/m2": "W/m2",
    "W/m^2": "W/m2", "HPa": "hPa", "mps": "m/s", "m/s": "m/s", "mm": "mm", "meters": "m", "ohms": "Ohm", "kO": "kOhm",
})  # fmt: skip
"""Units of the definitions in UCUM; what is not listed has none here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPoint:
    """One point of a model.

    Attributes:
        offset: registers from the model's first one, its number; in a repeating group from the group's first.
        size: registers it takes.
        type: SunSpec's name of its type, such as ``acc32``.
        scale: name of the point that holds its power of ten, or that power, None for none.
        unit: UCUM code, None if it has none or one that is not in UNITS.
        symbols: number and name of each state.
    """

    name: str
    offset: int
    size: int
    type: str
    scale: str | int | None = None
    unit: str | None = None
    symbols: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One information model.

    Attributes:
        registers: of the fixed part, header too.
        points: those of the fixed part by name.
        group: those of the group that repeats behind it, by name; empty without one.
        group_registers: of one repetition.
    """

    number: int
    label: str
    registers: int
    points: Mapping[str, ModelPoint]
    group: Mapping[str, ModelPoint] = field(default_factory=dict)
    group_registers: int = 0

    def repetitions(self, length: int) -> int:
        """Give how often the group repeats in a model that says it is ``length`` registers long."""
        if not self.group_registers:
            return 0
        return max(0, length + HEADER_REGISTERS - self.registers) // self.group_registers


@cache
def folder() -> Path | None:
    """Give where the definitions lie; None if pysunspec2 is not installed."""
    spec = find_spec("sunspec2")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) / "models" / "json" if places else None


@cache
def model_of(number: int) -> Model | None:
    """Give the definition of model ``number``; None if there is none."""
    root = folder()
    path = root / f"model_{number}.json" if root is not None and number >= 0 else None
    if path is None or not path.is_file():
        return None
    group: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["group"]
    points, registers = _points(group.get("points", ()), 0)
    repeated, size = _repeated(group.get("groups", ()))
    return Model(
        number=number,
        label=str(group.get("label") or group["name"]),
        registers=registers,
        points=points,
        group=repeated,
        group_registers=size,
    )


def _repeated(groups: Sequence[dict[str, Any]]) -> tuple[Mapping[str, ModelPoint], int]:
    """Read the one group that repeats to the end of the model; every other shape is left out."""
    if len(groups) != 1 or groups[0].get("groups") or groups[0].get("count", 1) != 0:
        return {}, 0
    return _points(groups[0].get("points", ()), 0)


def _points(entries: Sequence[dict[str, Any]], start: int) -> tuple[Mapping[str, ModelPoint], int]:
    found: dict[str, ModelPoint] = {}
    for entry in entries:
        size = int(entry["size"])
        scale = entry.get("sf")
        found[entry["name"]] = ModelPoint(
            name=str(entry["name"]),
            offset=start,
            size=size,
            type=str(entry["type"]),
            scale=scale if isinstance(scale, int) else str(scale) if scale else None,
            unit=UNITS.get(str(entry.get("units", "")).strip()),
            symbols=tuple((int(one["value"]), str(one["name"])) for one in entry.get("symbols", ())),
        )
        start += size
    return MappingProxyType(found), start
