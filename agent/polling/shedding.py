"""What is still polled when storage runs full: telemetry not at all in the end, billing at its slowest period."""

from __future__ import annotations

from collections.abc import Sequence

from agent.storing.stored import Pressure
from drivers.profile import PointClass, Profile
from drivers.sources import Read


def factors(profile: Profile, reads: Sequence[Read], pressure: Pressure) -> tuple[int, ...]:
    """Give for each read which of its slots are served: 1 all, n every n-th, 0 none.

    Thinning and not sealing (the two levels before) are storage's: a reading that is polled is still live.
    """
    if pressure < Pressure.NO_POLL:
        return (1,) * len(reads)
    classes = [{profile.points[point].klass for point in read.points} for read in reads]
    billing = [read.period_s for read, held in zip(reads, classes, strict=True) if PointClass.BILLING in held]
    return tuple(_factor(read, held, max(billing, default=0.0)) for read, held in zip(reads, classes, strict=True))


def _factor(read: Read, classes: set[PointClass], slowest_s: float) -> int:
    if PointClass.ALARM in classes:
        return 1
    if PointClass.BILLING not in classes:
        return 0
    return max(1, round(slowest_s / read.period_s))
