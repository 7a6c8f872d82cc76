"""``[clock]`` of a profile: whether the clock of the device may be set, how, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from drivers.profile_fields import Fields

CLOCK_KEYS: Final = ("settable", "ways", "most_step_s")
MOST_STEP_S: Final = 366 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    """What may be done to the clock of a device.

    Attributes:
        ways: words that the protocol knows, the preferred one first; at least one.
        most_step_s: difference of the clocks beyond which a person has to find out why first.
    """

    ways: tuple[str, ...]
    most_step_s: float


def read_clock(top: Fields) -> ClockRule | None:
    """Read ``[clock]``; None where the clock is not to be set. ProfileError names the first wrong key."""
    if not top.has("clock"):
        return None
    fields = top.sub("clock", CLOCK_KEYS)
    if not fields.flag("settable", default=False):
        for key in ("ways", "most_step_s"):
            if fields.has(key):
                raise fields.fault(key, "goes only with settable = true")
        return None
    ways = fields.items("ways")
    if not ways or not all(isinstance(way, str) for way in ways) or len(set(map(str, ways))) < len(ways):
        raise fields.fault("ways", 'has to be an array of different words, such as ["write"]')
    step = fields.raw("most_step_s")
    if not isinstance(step, int | Decimal) or isinstance(step, bool) or not 1 <= step <= MOST_STEP_S:
        raise fields.fault("most_step_s", f"has to be seconds, 1 to {MOST_STEP_S}")
    return ClockRule(ways=tuple(map(str, ways)), most_step_s=float(step))
