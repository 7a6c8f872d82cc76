"""From readings to what is told of a period (annex D and the notes to tables C.16 to C.18). Pure, exact.

Means are of what was normal. A period of water is abnormal with one abnormal value; one of gas, or of anything else,
is normal with three quarters of its values normal. Amounts follow from the flow: each of its readings stands for the
time since the one before, and a pollutant's mass is its concentration times that volume. The mean of a pollutant in
water whose mass is told is weighted by volume (D.1.2.3), every other one is arithmetic (D.1.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final

from agent.outputs.hj212_record import FactorValue
from agent.outputs.hj212_settings import FactorRule
from drivers.codec.hj212_factors import GAS_FLOW, WATER_FLOW, Medium, medium_of
from drivers.codec.hj212_marks import FAULT, NO_CONTACT, NORMAL
from drivers.shortest import divide_half_even

LONGEST_SLICE_NS: Final = 120_000_000_000
"""A flow that was not read for longer than this was not measured in between."""
SPARE_DECIMALS: Final = 3
"""Places that a stored value has more than a told one, so that hours of minutes are not sums of rounded numbers."""
_NORMAL_SHARE: Final = Fraction(3, 4)
_LITRES: Final = Fraction(1, 1000)
_KILOGRAMS: Final = {Medium.WATER: Fraction(1, 1000), Medium.GAS: Fraction(1, 1_000_000)}
_FLOWS: Final = {WATER_FLOW: Medium.WATER, GAS_FLOW: Medium.GAS}


@dataclass(slots=True, kw_only=True)
class Sums:
    """What one factor was in the period that runs.

    Attributes:
        count: normal values; marks: how often each other mark came.
        total: volume or mass so far, None while nothing was measured; volume: in which ``total`` was carried.
    """

    count: int = 0
    sum: Fraction = Fraction(0)
    low: Fraction | None = None
    high: Fraction | None = None
    total: Fraction | None = None
    volume: Fraction = Fraction(0)
    marks: Counter[str] = field(default_factory=Counter)

    def add(self, value: Fraction | None, mark: str) -> None:
        """Take one reading in."""
        if value is None or mark != NORMAL:
            self.marks[mark] += 1
            return
        self.count += 1
        self.sum += value
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)

    def carry(self, amount: Fraction, volume: Fraction) -> None:
        """Take in what was carried by ``volume``."""
        self.total = amount if self.total is None else self.total + amount
        self.volume += volume


def flow_of(rules: Sequence[FactorRule], rule: FactorRule) -> int | None:
    """Give the place of the flow that carries ``rule`` (its own if it is one); None if the site has none."""
    medium = medium_of(rule.code)
    return next((at for at, one in enumerate(rules) if _FLOWS.get(one.code) is medium), None)


def volume_of(rule: FactorRule, value: Fraction, slice_ns: int) -> Fraction:
    """Give the cubic metres that a flow carried in ``slice_ns`` (D.1.1.1); water flows in L/s, gas in m3/s."""
    volume = value * Fraction(slice_ns, 1_000_000_000)
    return volume * _LITRES if medium_of(rule.code) is Medium.WATER else volume


def mass_of(rule: FactorRule, concentration: Fraction, volume: Fraction) -> Fraction:
    """Give the kilograms of a pollutant in ``volume`` (D.1.2.1); concentrations in mg/L or mg/m3."""
    return concentration * volume * _KILOGRAMS.get(medium_of(rule.code), Fraction(0))


def told(rule: FactorRule, sums: Sums) -> FactorValue:
    """Give what is told of a factor at the end of a period of readings."""
    mean = None if not sums.count else sums.sum / sums.count
    weighed = rule.total and rule.code not in _FLOWS and medium_of(rule.code) is Medium.WATER
    if mean is not None and weighed and sums.volume and sums.total is not None:
        mean = sums.total / sums.volume / _KILOGRAMS[Medium.WATER]
    return _value(rule, sums.total if rule.total else None, (sums.low, mean, sums.high), _mark(rule, sums))


def combined(rule: FactorRule, parts: Sequence[FactorValue], flows: Sequence[FactorValue | None]) -> FactorValue:
    """Give what is told of an hour by its minutes, or of a day by its hours (D.1.1.2, D.1.2.2, D.1.2.3, D.1.3).

    A part that is marked abnormal makes the whole abnormal by the rule above; what it measured while it was normal
    counts all the same.

    Args:
        rule: of the factor.
        parts: what was told of it, in order.
        flows: what was told of the flow that carries it, for each part; None where that is not known.
    """
    sums = Sums()
    weight = Fraction(0)
    for part, flow in zip(parts, flows, strict=True):
        sums.add(Fraction(0), part.mark)
        if part.total is not None:
            sums.total = (sums.total or Fraction(0)) + Fraction(part.total)
            if flow is not None and flow.total is not None:
                weight += Fraction(flow.total)
    lows = [Fraction(part.low) for part in parts if part.low is not None]
    highs = [Fraction(part.high) for part in parts if part.high is not None]
    means = [Fraction(part.mean) for part in parts if part.mean is not None]
    mean = sum(means, Fraction(0)) / len(means) if means else None
    weighed = rule.total and rule.code not in _FLOWS and medium_of(rule.code) is Medium.WATER
    if mean is not None and weighed and weight and sums.total is not None:
        mean = sums.total / weight / _KILOGRAMS[Medium.WATER]
    spread = (min(lows, default=None), mean, max(highs, default=None))
    return _value(rule, sums.total if rule.total else None, spread, _mark(rule, sums))


def rounded(value: Fraction, decimals: int) -> Decimal:
    """Round half to even to ``decimals`` places."""
    return Decimal(divide_half_even(value.numerator * 10**decimals, value.denominator)).scaleb(-decimals)


def _mark(rule: FactorRule, sums: Sums) -> str:
    abnormal = sums.marks.total()
    if not sums.count and not abnormal:
        return NO_CONTACT
    if not abnormal:
        return NORMAL
    worst = sums.marks.most_common(1)[0][0]
    if medium_of(rule.code) is Medium.WATER:
        return worst
    if Fraction(sums.count, sums.count + abnormal) >= _NORMAL_SHARE:
        return NORMAL
    return worst if not sums.count else FAULT


def _value(
    rule: FactorRule,
    total: Fraction | None,
    spread: tuple[Fraction | None, Fraction | None, Fraction | None],
    mark: str,
) -> FactorValue:
    def stored(value: Fraction | None) -> Decimal | None:
        return None if value is None else rounded(value, rule.decimals + SPARE_DECIMALS)

    low, mean, high = (stored(value) for value in spread)
    return FactorValue(code=rule.code, total=stored(total), low=low, mean=mean, high=high, mark=mark)
