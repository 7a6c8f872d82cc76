"""The clock on the wall of a simulated meter: what it shows at a moment of the line's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

Wall: TypeAlias = Callable[[int], datetime]
"""Nanoseconds of the line's time -> what the meter shows; the zone of it means nothing, a meter shows none."""

_US: Final = 1000


def showing(moment: datetime, at_ns: int = 0) -> Wall:
    """Give a clock that shows ``moment`` at ``at_ns`` and goes right from there."""
    return lambda now_ns: moment + timedelta(microseconds=(now_ns - at_ns) // _US)


def digits_of(moment: datetime, form: str) -> bytes:
    """Give two decimal digits a byte, low byte first, as Chinese meters send them; ``form`` as for ``strftime``."""
    return bytes.fromhex(moment.strftime(form))[::-1]
