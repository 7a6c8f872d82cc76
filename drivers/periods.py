"""Points that are wanted equally often, which are read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from drivers.profile import Point


def by_period(points: Sequence[Point]) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Give each period, seconds, shortest first, with the indexes of its points, which ascend."""
    order = sorted(range(len(points)), key=lambda index: (points[index].period_s, index))
    for period_s, due in groupby(order, key=lambda index: points[index].period_s):
        yield period_s, tuple(due)
