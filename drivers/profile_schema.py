"""``profiles/schema.json``: the JSON Schema of profile files, for editors; made from what the loader knows.

``python -m drivers.profile_schema profiles/schema.json`` writes it; a test holds that the file is current. The loader
says more than a schema can: overlaps, units per kind, examples that decode.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from drivers.nameplate import PARTS
from drivers.profile import Kind, Parity, PointClass
from drivers.profile_about import Access, Evidence, WriteClass
from drivers.profile_at import AT_KEYS, BYTES, ENCODINGS, TABLES, TYPES, WORDS
from drivers.profile_clock import CLOCK_KEYS, MOST_STEP_S
from drivers.profile_commissioning import DOUBT_KEYS, FINGERPRINT_KEYS, RATIO_KEYS
from drivers.profile_load import TOP_KEYS
from drivers.profile_point import LABEL_KEYS, POINT_KEYS
from drivers.profile_sections import EXAMPLE_KEYS, FAMILIES, FRAMINGS, LIMIT_KEYS, LINE_KEYS
from drivers.profile_write import WRITE_KEYS
from drivers.units import UNITS

Json: TypeAlias = dict[str, Any]

_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT}
_FLAG: Final[Json] = {"type": "boolean"}
_NUMBER: Final[Json] = {"type": "number"}
_RAWS: Final[Json] = {"type": "array", "items": {"type": "integer"}}
_DECIMAL: Final[Json] = {"type": "string", "pattern": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"}
_HEX: Final[Json] = {"type": "string", "pattern": r"^\s*([0-9A-Fa-f]{2}\s*)+$"}
_RANGE: Final[Json] = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_COMMANDS: Final[Json] = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_ADDRESS: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 65535}


def schema() -> Json:
    """Give the schema as JSON data."""
    top = _table(
        TOP_KEYS,
        {
            "schema": {"const": 1},
            "vendor": _TEXT,
            "model": _TEXT,
            "name": _label(),
            "class": _words(FAMILIES),
            "protocol": _TEXT,
            "source": _said("manual, revision, page; 'none: why' if there is none", _TEXT),
            "confirmed_by": _said("independent sources that give the same map", _TEXTS),
            "line": _line(),
            "limits": _limits(),
            "ratios": {"type": "object", "additionalProperties": _ratio()},
            "fingerprint": _fingerprint(),
            "doubt": {"type": "array", "items": _doubt()},
            "point": {"type": "array", "minItems": 1, "items": _point()},
            "example": {"type": "array", "items": _example()},
            "clock": _clock(),
        },
        ("schema", "vendor", "model", "name", "protocol", "source", "point"),
    )
    modbus = {"properties": {"point": {"items": {"properties": {"at": _at()}}}}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Tidegate device profile",
        **top,
        "if": {"properties": {"protocol": {"const": "modbus"}}},
        "then": modbus,
    }


def schema_text() -> str:
    """Give the schema as it stands in the file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False, sort_keys=False) + "\n"


def _table(known: Sequence[str], properties: Mapping[str, Json], required: Sequence[str] = ()) -> Json:
    """Describe a table; ValueError unless it says something of every key that the loader knows, and of no other."""
    if set(known) != set(properties):
        raise ValueError(f"the schema and the loader differ in {sorted(set(known) ^ set(properties))}")
    table: Json = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return table | ({"required": list(required)} if required else {})


def _said(description: str, what: Json) -> Json:
    return {"description": description, **what}


def _words(words: Sequence[str]) -> Json:
    return {"enum": list(words)}


def _integer(low: int, high: int) -> Json:
    return {"type": "integer", "minimum": low, "maximum": high}


def _label() -> Json:
    return _table(LABEL_KEYS, dict.fromkeys(LABEL_KEYS, _TEXT), LABEL_KEYS)


def _line() -> Json:
    return _table(
        LINE_KEYS,
        {
            "baud": _integer(300, 921600),
            "parity": _words([p.name.lower() for p in Parity]),
            "stop_bits": _integer(1, 2),
            "data_bits": _integer(7, 8),
            "unit": _integer(0, 255),
        },
    )


def _limits() -> Json:
    span = _table(
        ("table", "first", "last"),
        {"table": _words(list(TABLES)), "first": _ADDRESS, "last": _ADDRESS},
        ("table", "first", "last"),
    )
    return _table(
        LIMIT_KEYS,
        {
            "block_registers": _said("most registers in one read", _integer(1, 125)),
            "block_bits": _integer(1, 2000),
            "gap_registers": _said("largest hole that may be read along", _integer(0, 124)),
            "forbidden": _said("addresses that must never be read", {"type": "array", "items": span}),
            "turnaround_ms": _integer(1, 60000),
            "pipeline": _integer(1, 64),
        },
    )


def _clock() -> Json:
    return _table(
        CLOCK_KEYS,
        {
            "settable": _said("whether a command may set it", _FLAG),
            "ways": _said("how, the preferred one first", {"type": "array", "items": _TEXT, "minItems": 1}),
            "most_step_s": _said(
                "difference beyond which it is not set", {"type": "number", "minimum": 1, "maximum": MOST_STEP_S}
            ),
        },
        ("settable",),
    )


def _ratio() -> Json:
    return _table(
        RATIO_KEYS,
        {"label": _label(), "points": _said("what it multiplies", _TEXTS), "range": _RANGE},
        RATIO_KEYS,
    )


def _fingerprint() -> Json:
    return _table(
        FINGERPRINT_KEYS,
        {
            "at": _at(),
            "values": _said("raw numbers that it may hold", _RAWS),
            "mask": {"type": "integer", "minimum": 1},
            "own_unit": _said("the register holds the device's own address", _FLAG),
            "alike": _said("profiles that cannot be told apart by this", _TEXTS),
            "identity": _said(
                "what the device says of itself, by the names of tidegate decode; a text may end in *",
                {"type": "object", "additionalProperties": {"anyOf": [_TEXT, _TEXTS]}, "minProperties": 1},
            ),
        },
    )


def _doubt() -> Json:
    return _table(DOUBT_KEYS, {"en": _TEXT, "zh": _TEXT, "points": _TEXTS}, LABEL_KEYS)


def _point() -> Json:
    state = {"anyOf": [_TEXT, _label()]}
    return _table(
        POINT_KEYS,
        {
            "name": {"type": "string", "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", "maxLength": 128},
            "label": _label(),
            "at": {"type": "object"},
            "unit": _said("UCUM code", _words(sorted(UNITS))),
            "scale": _said("what one count is worth in unit", _DECIMAL),
            "decimals": _integer(0, 18),
            "exponent": _integer(-18, 18),
            "kind": _words([k.name.lower() for k in Kind]),
            "class": _words([c.name.lower() for c in PointClass]),
            "range": _said("lowest and highest plausible value in unit", _RANGE),
            "sentinels": _said("raw numbers that mean 'no value'", _RAWS),
            "saturated": _said("raw numbers that mean 'beyond the scale'", _RAWS),
            "scale_from": _said("address of the power of ten", _ADDRESS),
            "decimals_from": _said("address of the number of decimals", _ADDRESS),
            "states": {"type": "object", "additionalProperties": state, "minProperties": 1},
            "side_effect": _FLAG,
            "digits": _said("decimal digits after which a counter begins at 0 again", _integer(1, 18)),
            "keep_raw": _said("keep the bytes that it was read from", _FLAG),
            "nameplate": _said("the value says who the device is", _words(PARTS)),
            "every_s": {"type": "number", "minimum": 0.05, "maximum": 86400},
            "urgent": _FLAG,
            "access": _words([a.value for a in Access]),
            "write": _write(),
        },
        ("name", "label", "at"),
    )


def _at() -> Json:
    return _table(
        AT_KEYS,
        {
            "table": _words(list(TABLES)),
            "address": _said("0-based, as on the wire", _ADDRESS),
            "type": _words(list(TYPES)),
            "words": _words(list(WORDS)),
            "bit": _integer(0, 15),
            "mask": {"type": "integer", "minimum": 1},
            "byte": _words(list(BYTES)),
            "length": _integer(1, 125),
            "encoding": _words(list(ENCODINGS)),
            "request": _said("a vendor's own request PDU in hex, instead of table", {"type": "string"}),
            "reply_bytes": _integer(3, 253),
            "skip": _integer(1, 251),
        },
        ("address",),
    )


def _write() -> Json:
    return _table(
        WRITE_KEYS,
        {
            "class": _words([c.value for c in WriteClass]),
            "function": {"enum": [5, 6, 15, 16]},
            "range": _RANGE,
            "values": _COMMANDS,
            "read_back": _said("point that shows whether it was done", _TEXT),
            "shows": _said("what that point then shows, for each word of values", _COMMANDS),
            "rest_s": _said("least time between two", _integer(1, 86400)),
            "settle_s": _said("how long it may take", _integer(1, 600)),
        },
        ("class",),
    )


def _example() -> Json:
    return _table(
        EXAMPLE_KEYS,
        {
            "source": _TEXT,
            "evidence": _words([e.value for e in Evidence]),
            "framing": _words(list(FRAMINGS)),
            "request": _HEX,
            "reply": _HEX,
            "expect": {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        },
        ("source", "reply", "expect"),
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
