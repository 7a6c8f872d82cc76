"""Selecting M-Bus meters by secondary address and finding them (EN 13757-3, 11.3 to 11.5). Sans-io: no line, no time.

Eight digits make 10^8 addresses; a wildcard F in a digit lets all meters answer that fit the rest. So the search goes
down digit by digit only where somebody answers.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import Final

from drivers.codec.mbus import SELECTED, Function, long, short
from drivers.codec.mbus_header import ADDRESS_BYTES, Ci, SecondaryAddress, parse_address

DIGITS: Final = 8
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


class Heard(Enum):
    """What a selection, and the request for data after it, brought."""

    SILENCE = auto()
    """Nobody fits."""
    ONE = auto()
    """One meter gave a whole telegram."""
    SEVERAL = auto()
    """Garbled answers, or E5 and then no whole telegram: E5 of several meters looks like one."""


class SecondarySearch:
    """Finds every meter of a line whose id fits a pattern.

    Ask for ``pattern``, select it, request data if E5 came, tell what was heard, until ``pattern`` is None.

    Args:
        within: eight digits; F where any will do.

    Attributes:
        found: meters that answered alone.
        unresolved: ids under which several meters answer even when all digits are given.
    """

    def __init__(self, within: str = _WILD * DIGITS) -> None:
        if len(within) != DIGITS or not all(digit in "0123456789F" for digit in within.upper()):
            raise ValueError(f"{within!r} is not eight digits, F for any")
        self.found: list[SecondaryAddress] = []
        self.unresolved: list[str] = []
        self._open = [within.upper()]

    @property
    def pattern(self) -> SecondaryAddress | None:
        """What to select next; None when all is searched."""
        return SecondaryAddress(id=self._open[-1]) if self._open else None

    def heard(self, what: Heard, meter: SecondaryAddress | None = None) -> None:
        """Tell what ``pattern`` brought, and with ONE the address in the telegram."""
        if not self._open:
            return
        pattern = self._open.pop()
        if what is Heard.ONE and meter is not None:
            if meter not in self.found:
                self.found.append(meter)
        elif what is Heard.SEVERAL:
            at = pattern.find(_WILD)
            if at < 0:
                self.unresolved.append(pattern)
            else:
                self._open += [pattern[:at] + digit + pattern[at + 1 :] for digit in "9876543210"]

    @property
    def exact(self) -> tuple[SecondaryAddress, ...]:
        """The meters found, by id alone where that is enough to select them."""
        ids = [meter.id for meter in self.found]
        return tuple(
            replace(meter, manufacturer=None, version=None, medium=None) if ids.count(meter.id) == 1 else meter
            for meter in self.found
        )
