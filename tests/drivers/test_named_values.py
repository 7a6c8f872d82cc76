"""What a device said under a name becomes exactly what its profile promises, or no value."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from drivers.conversion import factor
from drivers.decoded import Quantity
from drivers.named_values import columns, sealed
from drivers.profile import Kind, Label, NamedLocation, Point
from drivers.quality import Quality

_ENERGY = Point(
    name="energy",
    label=Label(en="Energy", zh="电能"),
    place=NamedLocation(words=(("di", "00010000"),)),
    unit="kW.h",
    scale=Decimal(1),
    exponent=-2,
    kind=Kind.COUNTER,
    low=Decimal(0),
    high=Decimal(1000),
)


def _said(value: Decimal | bool | str | None, unit: str | None = "kW.h") -> Quantity:
    return Quantity(quantity="x", value=value, unit=unit)


@pytest.mark.parametrize(
    ("said", "mantissa"),
    [
        (_said(Decimal("1.86")), 186),
        (_said(Decimal("1.865")), 186),  # half to even
        (_said(Decimal("1.875")), 188),
        (_said(Decimal(1860), "W.h"), 186),
        (_said(Decimal("0.00186"), "MW.h"), 186),
        (_said(Decimal("3.6"), "MJ"), 100),
        (_said(Decimal(1), None), 100),
        (_said(Decimal("1E-80")), 0),
    ],
)
def test_a_number_is_brought_into_the_unit_of_its_point(said: Quantity, mantissa: int) -> None:
    assert sealed(_ENERGY, said) == (mantissa, 0)


@pytest.mark.parametrize(
    ("said", "quality"),
    [
        (_said(None), Quality.BAD_NO_DATA),
        (_said(Decimal(1), "m3"), Quality.BAD_CONFIGURATION_ERROR),
        (_said("220V"), Quality.BAD_CONFIGURATION_ERROR),
        (_said(True), Quality.BAD_CONFIGURATION_ERROR),
        (_said(Decimal("NaN")), Quality.BAD_CONFIGURATION_ERROR),
        (_said(Decimal(1001)), Quality.BAD_OUT_OF_RANGE),
        (_said(Decimal("-0.01")), Quality.BAD_OUT_OF_RANGE),
        (_said(Decimal("1E80")), Quality.BAD_OUT_OF_RANGE),
    ],
)
def test_what_is_no_plausible_number_is_no_value(said: Quantity, quality: Quality) -> None:
    assert sealed(_ENERGY, said) == (None, quality)


def test_scale_and_sentinels_of_the_profile_count() -> None:
    point = replace(_ENERGY, scale=Decimal("0.5"), sentinels=(999,), saturated=(998,))
    assert sealed(point, _said(Decimal(4))) == (200, 0)
    assert sealed(point, _said(Decimal(999))) == (None, Quality.BAD_NO_DATA)
    assert sealed(point, _said(Decimal(998))) == (None, Quality.BAD_OUT_OF_RANGE)


def test_a_mantissa_beyond_int64_is_out_of_range() -> None:
    assert sealed(replace(_ENERGY, high=None), _said(Decimal("1E18"))) == (None, Quality.BAD_OUT_OF_RANGE)


def test_a_state_keeps_text_flag_or_whole_number() -> None:
    state = replace(_ENERGY, kind=Kind.STATE, unit=None, exponent=0, low=None, high=None)
    assert sealed(state, _said("2015-05-11T22:01:31")) == ("2015-05-11T22:01:31", 0)
    assert sealed(state, _said(True)) == (True, 0)
    assert sealed(state, _said(Decimal(4), None)) == (4, 0)
    assert sealed(state, _said(Decimal("4.5"), None)) == (None, Quality.BAD_CONFIGURATION_ERROR)


def test_what_was_not_said_has_no_value() -> None:
    got = columns([_ENERGY, _ENERGY], ["a", "b"], {"a": _said(Decimal(1))})
    assert got == ((100, None), (0, Quality.BAD_NO_DATA))


def test_units_of_different_kinds_never_meet() -> None:
    assert factor("kW.h", "kW") is None
    assert factor("L/min", "m3/h") == (3, 50)
    assert factor(None, None) == (1, 1)
    assert factor(None, "V") is None
