"""Means, amounts and marks of a period, by annex D and the notes to tables C.16 to C.18."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from agent.outputs.hj212_record import FactorValue
from agent.outputs.hj212_settings import FactorRule
from agent.outputs.hj212_sums import Sums, combined, flow_of, mass_of, rounded, told, volume_of
from tests.agent.outputs.bureau_site import RULES

FLOW, COD, PH = RULES
DUST = FactorRule(code="a34013", device="stack", point="dust", unit="mg/m3", decimals=1)


def value(code: str, mean: str | None, mark: str = "N", total: str | None = None) -> FactorValue:
    number = None if mean is None else Decimal(mean)
    return FactorValue(
        code=code, total=None if total is None else Decimal(total), low=number, mean=number, high=number, mark=mark
    )


def test_least_mean_and_most_are_of_what_was_normal() -> None:
    sums = Sums()
    for number in (700, 710, 730):
        sums.add(Fraction(number, 100), "N")
    sums.add(None, "B")
    sums.add(Fraction(1400, 100), "C")
    found = told(PH, sums)
    assert (found.low, found.mean, found.high) == (Decimal("7.00000"), Decimal("7.13333"), Decimal("7.30000"))
    assert found.total is None


def test_one_abnormal_value_marks_a_period_of_water() -> None:
    sums = Sums()
    for _ in range(99):
        sums.add(Fraction(7), "N")
    assert told(PH, sums).mark == "N"
    sums.add(None, "B")
    assert told(PH, sums).mark == "B"


def test_a_quarter_of_abnormal_values_is_borne_by_gas() -> None:
    sums = Sums()
    for mark in "NNNB":
        sums.add(Fraction(5), mark)
    assert told(DUST, sums).mark == "N"
    sums.add(None, "B")
    assert told(DUST, sums).mark == "D", "by the note: fault of the instrument"


def test_a_period_without_readings_has_no_values_and_says_so() -> None:
    found = told(DUST, Sums())
    assert (found.low, found.mean, found.high, found.mark) == (None, None, None, "B")


def test_amounts_follow_from_the_flow() -> None:
    volume = volume_of(FLOW, Fraction(10), 5_000_000_000)
    assert volume == Fraction(5, 100), "10 L/s for 5 s are 0.05 m3"
    assert mass_of(COD, Fraction(40), volume) == Fraction(2, 1000), "40 mg/L in 0.05 m3 are 2 g"
    stack = FactorRule(code="a00000", device="s", point="f", unit="m3/s", decimals=1, total=True)
    gas = volume_of(stack, Fraction(3), 2_000_000_000)
    assert (gas, mass_of(DUST, Fraction(50), gas)) == (Fraction(6), Fraction(300, 10**6))
    assert [flow_of(RULES, rule) for rule in RULES] == [0, 0, 0]
    assert flow_of((DUST,), DUST) is None


def test_a_mean_in_water_is_weighed_by_volume_when_the_mass_is_told() -> None:
    sums = Sums()
    for concentration, litres in ((10, 900), (100, 100)):
        sums.add(Fraction(concentration), "N")
        volume = Fraction(litres, 1000)
        sums.carry(mass_of(COD, Fraction(concentration), volume), volume)
    found = told(COD, sums)
    assert found.mean == Decimal("19.0000"), "(10 * 0.9 + 100 * 0.1) / 1.0, not 55"
    assert found.total == Decimal("0.0190")


def test_an_hour_is_of_its_minutes() -> None:
    parts = [value("w01001", "7.1"), value("w01001", "7.2", "B"), value("w01001", None, "B"), value("w01001", "7.6")]
    found = combined(PH, parts, [None] * 4)
    assert (found.low, found.mean, found.high) == (Decimal("7.10000"), Decimal("7.30000"), Decimal("7.60000"))
    assert found.mark == "B"


def test_an_hour_of_a_pollutant_is_mass_over_volume() -> None:
    parts = [value("w01018", "10", total="0.009"), value("w01018", "100", total="0.010")]
    flows = [value("w00000", "1.5", total="0.9"), value("w00000", "0.2", total="0.1")]
    found = combined(COD, parts, flows)
    assert (found.mean, found.total) == (Decimal("19.0000"), Decimal("0.0190"))


def test_rounding_goes_to_the_even_neighbour() -> None:
    assert [str(rounded(Fraction(n, 2), 0)) for n in (1, 3, 5)] == ["0", "2", "2"]
    assert str(rounded(Fraction(-1, 3), 2)) == "-0.33"
