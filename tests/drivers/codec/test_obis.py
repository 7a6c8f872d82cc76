"""OBIS codes: read, written, named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from drivers.codec import obis
from drivers.codec.cosem_units import COSEM_UNITS
from drivers.codec.obis import named, obis_bytes, obis_text
from drivers.profile import NamedLocation
from drivers.profile_load import builtin_roots, list_profiles, load_profile
from drivers.units import is_known

_VECTORS = Path(__file__).parent.parent.parent / "vectors"
_FULL = re.compile(r"\d+-\d+:\d+\.\d+\.\d+(?:\*\d+)?")


@pytest.mark.parametrize(
    ("text", "full"),
    [("1-0:1.8.0*255", "1-0:1.8.0*255"), ("1.8.0", "1-0:1.8.0*255"), ("1.8.1*03", "1-0:1.8.1*3"),
     ("6.8", "1-0:6.8.0*255"),

     ("C.1.0", "1-0:96.1.0*255"), ("F.F", "1-0:97.97.0*255"), ("0-0:96.1.0", "0-0:96.1.0*255"),
     ("1.8.0*0", "1-0:1.8.0*0"), ("7-1:3.0.0", "7-1:3.0.0*255")],
)  # fmt: skip
def test_a_code_may_be_short(text: str, full: str) -> None:
    assert obis_text(obis_bytes(text)) == full


@pytest.mark.parametrize(
    "text", ["", "1", "1.8.0.0", "256.1.1", "1-0:1.8.0*256", "CC.1", "1-0:1.8.0*255 ", "1.8.٣", "x"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"OBIS code|a part that"):
        obis_bytes(text)


@pytest.mark.parametrize(
    ("code", "name", "unit"),
    [("1-0:1.8.0", "energy.active.import", "W.h"), ("1-0:1.8.2", "energy.active.import.tariff2", "W.h"),
     ("1-0:52.7.0", "voltage.l2", "V"), ("1-0:16.7.0", "power.active", "W"), ("1-0:36.7.0", "power.active.l1", "W"),
     ("1-0:22.8.0", "energy.active.export.l1", "W.h"), ("8-0:1.0.0", "volume", "m3"),
     ("1-3:1.8.0*12", "energy.active.import", "W.h"), ("0-0:1.0.0", "meter_clock", None)],
)  # fmt: skip
def test_a_code_has_a_name(code: str, name: str, unit: str | None) -> None:
    found = named(obis_bytes(code))
    assert found is not None
    assert (found.name, found.unit) == (name, unit)


@pytest.mark.parametrize("code", ["1-0:1.7.5", "129-129:199.130.9", "1-0:1.8.64", "0-0:1.8.0"])
def test_what_the_table_does_not_hold_has_none(code: str) -> None:
    assert named(obis_bytes(code)) is None


def test_no_two_rows_have_one_name_and_units_are_those_that_points_may_carry() -> None:
    rows = obis._NAMES
    assert all(unit is None or is_known(unit) for _, unit in rows.values())
    electric = [name for (a, *_), (name, _) in rows.items() if a == 1]
    assert len(electric) == len(set(electric))
    assert COSEM_UNITS[30] == "W.h"


def _used() -> set[str]:
    """Every full code that a shipped profile reads or a vector of SML, DLMS or a readout names."""
    root = builtin_roots()[-1]
    places = {
        str(value)
        for one in list_profiles((root,))
        for point in load_profile(root / f"{one}.toml").points
        if isinstance(point.place, NamedLocation)
        for key, value in point.place.words
        if key == "obis"
    }
    vectors = {
        reading["quantity"].removesuffix(".time")
        for folder in ("sml", "dlms", "iec62056_21")
        for vector in json.loads((_VECTORS / folder / "frames.json").read_text(encoding="utf-8"))
        for reading in vector["expect"] or ()
    }
    return {text for text in places | vectors if _FULL.fullmatch(text)}


def test_every_code_that_profiles_and_vectors_use_has_a_name() -> None:
    used = _used()
    assert len(used) > 100
    assert [text for text in sorted(used) if named(obis_bytes(text)) is None] == []
