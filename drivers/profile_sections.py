"""The other sections of a profile file: identity, [line], [limits], [[example]], and how points lie to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from drivers.profile import Example, Expected, Framing, Label, Limits, LineSettings, Parity, Point, Table
from drivers.profile_about import Evidence
from drivers.profile_fields import Fields, hint
from drivers.profile_point import TABLES, read_label

NO_VALUE: Final = "null"
"""What an example expects of a point that has no value."""

_LINE_KEYS: Final = ("baud", "parity", "stop_bits", "data_bits", "unit")
_LIMIT_KEYS: Final = (
    "block_registers", "block_bits", "gap_registers", "forbidden", "turnaround_ms", "pipeline",
)  # fmt: skip
_EXAMPLE_KEYS: Final = ("source", "evidence", "framing", "request", "reply", "expect")
_EVIDENCE: Final = {e.value: e for e in Evidence}
FAMILIES: Final = (
    "electricity", "air", "co2", "gas", "soil", "weather", "light", "oxygen", "water", "level", "distance", "contact",
    "relay", "drive", "coupler", "bench",
)  # fmt: skip
_PROTOCOLS: Final = {"modbus": "modbus"}
_PARITIES: Final = {p.name.lower(): p for p in Parity}
_FRAMINGS: Final = {f.value: f for f in Framing}


def overlaps(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Give the neighbours that share an address; bits and one whole u16 of the same register may.

    Only neighbours are compared, so each place is named once.
    """
    ordered = sorted(points, key=lambda p: (p.location.table.value, p.location.address, p.location.count))
    for first, second in pairwise(ordered):
        one, two = first.location, second.location
        if one.table is not two.table or one.address + one.count <= two.address:
            continue
        shared = one.address == two.address and one.count == two.count == 1
        if shared and one != two and {one.type.value, two.type.value} <= {"bit", "u16"} and one.words is two.words:
            continue
        yield first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Who the device model is and what the profile rests on."""

    vendor: str
    model: str
    label: Label
    protocol: str
    source: str
    confirmed_by: tuple[str, ...]
    family: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDefaults:
    """How the model leaves the factory: serial settings and address."""

    settings: LineSettings
    unit: int


def read_head(top: Fields) -> Head:
    """Read the keys above the first section."""
    return Head(
        vendor=top.text("vendor"),
        model=top.text("model"),
        label=read_label(top, "name"),
        protocol=top.choice("protocol", _PROTOCOLS),
        source=top.text("source"),
        confirmed_by=tuple(_confirmations(top)),
        family=top.choice("class", {word: word for word in FAMILIES}, ""),
    )


def _confirmations(top: Fields) -> Iterator[str]:
    for source in top.items("confirmed_by"):
        if not isinstance(source, str) or not source.strip():
            raise top.fault("confirmed_by", "has to be an array of texts in quotes")
        yield source


def read_line(top: Fields) -> LineDefaults:
    """Read ``[line]``."""
    fields = top.sub("line", _LINE_KEYS)
    settings = LineSettings(
        baud=fields.integer("baud", 300, 921600, 9600),
        parity=fields.choice("parity", _PARITIES, Parity.NONE),
        stop_bits=fields.integer("stop_bits", 1, 2, 1),
        data_bits=fields.integer("data_bits", 7, 8, 8),
    )
    return LineDefaults(settings=settings, unit=fields.integer("unit", 0, 255, 1))


def read_limits(top: Fields) -> Limits:
    """Read ``[limits]``."""
    fields = top.sub("limits", _LIMIT_KEYS)
    usual = Limits()
    return Limits(
        block_registers=fields.integer("block_registers", 1, 125, usual.block_registers),
        block_bits=fields.integer("block_bits", 1, 2000, usual.block_bits),
        gap_registers=fields.integer("gap_registers", 0, 124, usual.gap_registers),
        forbidden=tuple(_forbidden(fields)),
        turnaround_ms=fields.integer("turnaround_ms", 1, 60_000, usual.turnaround_ms),
        pipeline=fields.integer("pipeline", 1, 64, usual.pipeline),
    )


def _forbidden(fields: Fields) -> Iterator[tuple[Table, int, int]]:
    for number, data in enumerate(fields.items("forbidden"), 1):
        entry = Fields(data, fields.at(f"forbidden[{number}]"), ("table", "first", "last"))
        first = entry.integer("first", 0, 65535)
        yield entry.choice("table", TABLES), first, entry.integer("last", first, 65535)


def is_forbidden(point: Point, limits: Limits) -> bool:
    """Tell whether ``point`` touches an address that must never be read."""
    at = point.location
    return any(
        table is at.table and first < at.address + at.count and at.address <= last
        for table, first, last in limits.forbidden
    )


def read_example(data: object, where: str, names: set[str]) -> Example:
    """Read one ``[[example]]`` that speaks of the points called ``names``."""
    fields = Fields(data, where, _EXAMPLE_KEYS)
    expect = fields.raw("expect")
    if not isinstance(expect, dict) or not expect:
        raise fields.fault("expect", "has to name what comes out of these bytes")
    expected: list[Expected] = []
    for name, value in expect.items():
        if name not in names:
            raise fields.fault(f"expect.{name}", f"no such point; {hint(name, names)}")
        if not isinstance(value, str):
            raise fields.fault(f"expect.{name}", 'has to be a text in quotes, such as "230.2"')
        expected.append(Expected(point=name, value=None if value == NO_VALUE else value))
    return Example(
        source=fields.text("source"),
        request=fields.octets("request"),
        reply=fields.octets("reply"),
        expect=tuple(expected),
        framing=fields.choice("framing", _FRAMINGS, Framing.RTU),
        evidence=fields.choice("evidence", _EVIDENCE, Evidence.CONSTRUCTED),
    )
