"""``profiles/schema.json`` is what the loader knows now, takes every shipped profile and refuses slips."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from drivers.profile_load import builtin_roots, list_profiles
from drivers.profile_schema import schema, schema_text

ROOT = builtin_roots()[-1]
SCHEMA = json.loads((ROOT / "schema.json").read_text(encoding="utf-8"))
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float, Decimal), "boolean": bool,
}  # fmt: skip


def faults(rule: dict[str, Any], value: Any, where: str = "") -> Iterator[str]:
    """Check the few words of JSON Schema draft 7 that the file uses."""
    if "anyOf" in rule and all(list(faults(one, value)) for one in rule["anyOf"]):
        yield f"{where}: none of the choices"
    kind = rule.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{where}: not {kind}"
        return
    if value not in rule.get("enum", [value]) or value != rule.get("const", value):
        yield f"{where}: not a known word"
    if isinstance(value, str):
        if not re.search(rule.get("pattern", ""), value) or len(value) < rule.get("minLength", 0):
            yield f"{where}: not of the form"
    elif isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", 10**6):
            yield f"{where}: wrong number of items"
        for number, item in enumerate(value):
            yield from faults(rule.get("items", {}), item, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield from table_faults(rule, value, where)
    elif kind in ("integer", "number") and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        yield f"{where}: out of range"
    if "if" in rule and not list(faults(rule["if"], value)):
        yield from faults(rule["then"], value, where)


def table_faults(rule: dict[str, Any], table: dict[str, Any], where: str) -> Iterator[str]:
    yield from (f"{where}: {key} is missing" for key in rule.get("required", ()) if key not in table)
    other = rule.get("additionalProperties", {})
    for key, item in table.items():
        inner = rule.get("properties", {}).get(key, other)
        if inner is False:
            yield f"{where}: {key} is not known"
        else:
            yield from faults(inner, item, f"{where}.{key}")


def profile(profile_id: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / f"{profile_id}.toml").read_text(encoding="utf-8"))


def test_the_file_is_current() -> None:
    """If this fails: python -m drivers.profile_schema profiles/schema.json."""
    assert (ROOT / "schema.json").read_text(encoding="utf-8") == schema_text()
    assert schema() == SCHEMA


@pytest.mark.parametrize("profile_id", list_profiles((ROOT,)))
def test_it_takes_every_shipped_profile(profile_id: str) -> None:
    assert list(faults(SCHEMA, profile(profile_id))) == []


@pytest.mark.parametrize(
    "slip",
    [
        lambda one: one.update(vendr="x"),
        lambda one: one.pop("source"),
        lambda one: one.update(schema=2),
        lambda one: one["point"][0].update(unit="Volt"),
        lambda one: one["point"][0].update(scale=0.1),
        lambda one: one["point"][0]["at"].update(table="holdings"),
        lambda one: one["point"][0]["at"].update(adress=3),
        lambda one: one["point"][0].update(range=[1]),
        lambda one: one["doubt"][0].pop("zh"),
        lambda one: one["ratios"]["ct"].update(factor=2),
        lambda one: one["line"].update(parity="N"),
        lambda one: one.update(point=[]),
    ],
)
def test_it_refuses_slips(slip: Callable[[dict[str, Any]], object]) -> None:
    one = copy.deepcopy(profile("acrel/adl400"))
    slip(one)
    assert list(faults(SCHEMA, one)) != []
