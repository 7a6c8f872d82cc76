"""Selecting M-Bus meters by secondary address and finding them (EN 13757-3, 11.3 to 11.5). Sans-io: no line, no time.

Eight digits make 10^8 addresses; a wildcard F in a digit lets all meters answer that fit the rest. So the search goes
down digit by digit only where somebody answers.
"""

from __future__ import annotations

from typing import Final

from drivers.codec.mbus import SELECTED, Function, long, short
from drivers.codec.mbus_header import ADDRESS_BYTES, Ci, SecondaryAddress, parse_address

DIGITS: Final = 8
ANYBODY: Final = "F" * DIGITS
_WILD: Final = "F"


def select_request(meter: SecondaryAddress) -> bytes:
    """Give the frame that selects ``meter``; it answers with E5, and to address 253 until another is selected."""
    return long(Function.SND_UD, SELECTED, Ci.SELECT, meter.encode())


def deselect_request() -> bytes:
    """Give the frame after which no meter is selected any more."""
    return short(Function.SND_NKE, SELECTED)


def selection(data: bytes) -> SecondaryAddress | None:
    """Read the pattern of a selection's data; None if it is too short."""
    return parse_address(data[:ADDRESS_BYTES]) if len(data) >= ADDRESS_BYTES else None


def narrower(pattern: str) -> tuple[str, ...]:
    """Give the ten patterns that have a digit where ``pattern`` has its first F; none behind a whole id."""
    at = pattern.find(_WILD)
    return () if at < 0 else tuple(f"{pattern[:at]}{digit}{pattern[at + 1 :]}" for digit in range(10))
