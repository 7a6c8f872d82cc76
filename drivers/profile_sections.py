"""The other sections of a profile file: identity, [line], [limits], [[example]], and how points lie to each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from drivers.profile import (
    Example,
    Expected,
    Framing,
    Label,
    Limits,
    LineSettings,
    ModbusLocation,
    NumberType,
    Parity,
    Point,
    Table,
)
from drivers.profile_about import Evidence
from drivers.profile_at import TABLES
from drivers.profile_fields import Fields, hint
from drivers.profile_point import MODBUS, read_label

NO_VALUE: Final = "null"
"""What an example expects of a point that has no value."""

LINE_KEYS: Final = ("baud", "parity", "stop_bits", "data_bits", "unit")
LIMIT_KEYS: Final = (
    "block_registers", "block_bits", "gap_registers", "forbidden", "turnaround_ms", "pipeline",
)  # fmt: skip
EXAMPLE_KEYS: Final = ("source", "evidence", "framing", "request", "reply", "expect")
_PARTS: Final = frozenset((NumberType.BIT, NumberType.U8, NumberType.I8, NumberType.U16))
_EVIDENCE: Final = {e.value: e for e in Evidence}
FAMILIES: Final = (
    "electricity", "air", "co2", "gas", "soil", "weather", "light", "oxygen", "water", "heat", "level", "distance",
    "contact", "relay", "drive", "coupler", "bench",
)  # fmt: skip
_PROTOCOL: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # drivers.registry knows which there are
_PARITIES: Final = {p.name.lower(): p for p in Parity}
FRAMINGS: Final = {f.value: f for f in Framing}


def overlaps(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Give the neighbours that share an address; bits, bytes and fields of a register and the whole of it may.

    Only neighbours are compared, so each place is named once.
    """
    ordered = sorted(points, key=_order)
    for first, second in pairwise(ordered):
        one, two = first.location, second.location
        if one.table is not two.table or one.raw != two.raw or one.address + one.count <= two.address:
            continue
        if one.address == two.address and one.count == two.count and one != two and _may_share(one, two):
            continue
        yield first, second


def _order(point: Point) -> tuple[bytes, int, int, int]:
    at = point.location
    return (at.raw.request if at.raw else b"", at.table.value, at.address, at.count)


def _may_share(one: ModbusLocation, two: ModbusLocation) -> bool:
    """Tell whether two places of the same registers are parts of one unsigned number, taken in the same order."""
    fields = one.mask is not None or two.mask is not None
    kinds = {one.type, two.type}
    return one.words is two.words and (kinds <= _PARTS or (fields and len(kinds) == 1))


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
        protocol=_protocol(top),
        source=top.text("source"),
        confirmed_by=tuple(_confirmations(top)),
        family=top.choice("class", {word: word for word in FAMILIES}, ""),
    )


def _protocol(top: Fields) -> str:
    name = top.text("protocol")
    if name.startswith("mod") and name != MODBUS:
        raise top.fault("protocol", f"is {name!r}; did you mean {MODBUS!r}? RTU, ASCII or TCP is for the bus to say")
    if not _PROTOCOL.fullmatch(name):
        raise top.fault("protocol", f"is {name!r}: lower-case words joined by dashes, such as dlt645-2007")
    return name


def _confirmations(top: Fields) -> Iterator[str]:
    for source in top.items("confirmed_by"):
        if not isinstance(source, str) or not source.strip():
            raise top.fault("confirmed_by", "has to be an array of texts in quotes")
        yield source


def read_line(top: Fields) -> LineDefaults:
    """Read ``[line]``."""
    fields = top.sub("line", LINE_KEYS)
    settings = LineSettings(
        baud=fields.integer("baud", 300, 921600, 9600),
        parity=fields.choice("parity", _PARITIES, Parity.NONE),
        stop_bits=fields.integer("stop_bits", 1, 2, 1),
        data_bits=fields.integer("data_bits", 7, 8, 8),
    )
    return LineDefaults(settings=settings, unit=fields.integer("unit", 0, 255, 1))


def read_limits(top: Fields) -> Limits:
    """Read ``[limits]``."""
    fields = top.sub("limits", LIMIT_KEYS)
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


def entangled(points: Sequence[Point], limits: Limits) -> Iterator[tuple[Point, str, str]]:
    """Give the points that cannot be read as they are described: the point, the key, and what is wrong."""
    dangerous = [point for point in points if point.side_effect]
    for point in points:
        at = point.location
        if at.scale_address is not None and at.end - at.first > limits.block_registers:
            yield point, "scale_from", f"lies too far away to be read together in {limits.block_registers} registers"
        for other in dangerous:
            there = other.location
            same = there.table is at.table and there.raw == at.raw
            if other is not point and same and there.first < at.end and at.first < there.end:
                yield point, "at", f"cannot be read without {other.name}, whose reading has a side effect"


def sparing(limits: Limits, controls: Sequence[Point]) -> Limits:
    """Forbid the controls whose reading has a side effect to whatever is polled."""
    spared = tuple((c.location.table, c.location.first, c.location.end - 1) for c in controls if c.side_effect)
    return replace(limits, forbidden=(*limits.forbidden, *spared)) if spared else limits


def is_forbidden(point: Point, limits: Limits) -> bool:
    """Tell whether ``point`` touches an address that must never be read."""
    at = point.location
    return any(table is at.table and first < at.end and at.first <= last for table, first, last in limits.forbidden)


def read_example(data: object, where: str, names: set[str], protocol: str = MODBUS) -> Example:
    """Read one ``[[example]]`` of ``protocol`` that speaks of the points called ``names``."""
    fields = Fields(data, where, EXAMPLE_KEYS)
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
        request=fields.octets("request") if protocol == MODBUS or fields.has("request") else b"",
        reply=fields.octets("reply"),
        expect=tuple(expected),
        framing=fields.choice("framing", FRAMINGS, Framing.RTU),
        evidence=fields.choice("evidence", _EVIDENCE, Evidence.CONSTRUCTED),
    )
