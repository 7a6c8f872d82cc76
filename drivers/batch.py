"""What flows from a device to storage: one exchange, in columns.

No object per reading and no Decimal on the polling path; exponent and unit live in the profile's point
and later in the block's dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = int | str | bool | bytes | None
"""Integer mantissa at the point's exponent, text, state, raw bytes; None = no value (status is bad)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The readings of one exchange.

    Attributes:
        device: index of the device in the site's device list.
        mono_ns: CLOCK_BOOTTIME when the last byte of the reply was there.
        points: indexes into the points of the device's profile.
        values: one for each point; None exactly when its status is bad.
        statuses: OPC UA status codes, one for each point, 0 is good.
        urgent: seal at once instead of waiting for more.
    """

    device: int
    mono_ns: int
    points: tuple[int, ...]
    values: tuple[Value, ...]
    statuses: tuple[int, ...]
    urgent: bool = False
