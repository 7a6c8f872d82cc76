"""Which readings an output wants, and in what unit: looked up once for each set of devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.config import SiteDevice
from agent.outputs.hj212_settings import FactorRule
from drivers.batch import Value
from drivers.conversion import factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One point that is told.

    Attributes:
        point: index in the profile; factor: place among the output's rules.
        step: what a mantissa of 1 is, in the unit of the bureau.
    """

    point: int
    factor: int
    step: Fraction

    def value(self, mantissa: Value) -> Fraction | None:
        """Give the value in the bureau's unit; None for none, and for what is no number."""
        if isinstance(mantissa, bool) or not isinstance(mantissa, int):
            return None
        return mantissa * self.step


def rows_of(rules: Sequence[FactorRule], devices: Sequence[SiteDevice]) -> dict[int, tuple[Row, ...]]:
    """Find the points that the rules name, by index of the device; of devices with one name the last counts."""
    places = {device.name: at for at, device in enumerate(devices)}
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for number, rule in enumerate(rules):
        place = places.get(rule.device)
        if place is None:
            continue
        for index, point in enumerate(devices[place].profile.points):
            ratio = factor(point.unit, rule.unit) if rule.unit else (1, 1)
            if point.name == rule.point and ratio is not None:
                found[place].append(
                    Row(point=index, factor=number, step=Fraction(*ratio) * Fraction(10) ** point.exponent)
                )
    return {place: tuple(rows) for place, rows in found.items()}
