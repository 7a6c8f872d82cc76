"""Values that move as a site's do: functions of time and seed alone, so that anyone can work them out again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TypeAlias

Motion: TypeAlias = Callable[[float], float]
"""Value at a time in seconds since the simulator began (0 and later)."""


def still(value: float) -> Motion:
    """Give a value that never moves."""
    return lambda _t: value


def wander(seed: str, centre: float, swing: float, period_s: float) -> Motion:
    """Give a value within ``centre`` +- ``swing``: two sines of phases taken from the seed."""
    rand = random.Random(seed)
    slow, fast = rand.uniform(0, math.tau), rand.uniform(0, math.tau)

    def at(t: float) -> float:
        return centre + swing * (
            0.7 * math.sin(math.tau * t / period_s + slow) + 0.3 * math.sin(math.tau * t * 7.3 / period_s + fast)
        )

    return at


def load(seed: str, mean: float, depth: float, period_s: float) -> tuple[Motion, Motion]:
    """Give a load and its integral over time in seconds, which only rises; ``depth`` is 0 to below 1."""
    phase = random.Random(seed).uniform(0, math.tau)
    omega = math.tau / period_s

    def power(t: float) -> float:
        return mean * (1 + depth * math.sin(omega * t + phase))

    def integral(t: float) -> float:
        return mean * (t - depth / omega * (math.cos(omega * t + phase) - math.cos(phase)))

    return power, integral


def steps(seed: str, share: float, hold_s: float) -> Motion:
    """Give 0 or 1, 1 for about ``share`` of the time, held for ``hold_s`` at a time."""
    return lambda t: float(random.Random(f"{seed}:{int(t // hold_s)}").random() < share)
