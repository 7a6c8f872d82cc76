"""What is told, as data segments (6.3, annex C); what comes back is for ``hj212_requests``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from agent.outputs.hj212_periods import Seen
from agent.outputs.hj212_record import FactorValue, Record
from agent.outputs.hj212_settings import FactorRule, Report
from agent.outputs.hj212_sums import rounded
from drivers.codec.hj212 import Edition
from drivers.codec.hj212_marks import NO_CONTACT
from drivers.codec.hj212_segment import ANSWER, SYSTEM, Field, Segment, compose, split

LONGEST_SEGMENT: Final = 1024
"""Bytes of a data segment (table 2)."""
LONGEST_AREA: Final = 950
"""Bytes of ``CP`` (table 3)."""
HEARTBEAT: Final = "9015"
"""Edition of 2025, as quoted; uncertain."""
_VERSION_SHIFT: Final = 2
_FORM: Final = "%Y%m%d%H%M%S"
Items = tuple[tuple[Field, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who tells: the header fields that never change.

    Attributes:
        password: ``PW``; a secret, though each packet carries it.
    """

    system: str
    password: str
    mn: str
    edition: Edition

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Identity(mn={self.mn!r}, system={self.system!r}, edition={self.edition.name})"


class Numbers:
    """Request numbers: local time to the millisecond, never one twice (table 3)."""

    def __init__(self) -> None:
        self._last = datetime.min  # noqa: DTZ901 - local time, as the standard has it

    def used(self, qn: str, most: int = 1) -> None:
        """Note a number that was given before a restart."""
        with suppress(ValueError, OverflowError):
            last = datetime.strptime(f"{qn}000", f"{_FORM}%f") + timedelta(milliseconds=most)  # noqa: DTZ007
            self._last = max(self._last, last)

    def next(self, local: datetime, most: int = 1) -> str:
        """Give a number that no other has, nor the ``most`` - 1 behind it."""
        now = local.replace(microsecond=local.microsecond // 1000 * 1000)
        first = max(now, self._last + timedelta(milliseconds=1))
        self._last = first + timedelta(milliseconds=most - 1)
        return f"{first:{_FORM}%f}"[:17]


def segment(
    identity: Identity, command: str, qn: str, items: Items, *, answer: bool, late: bool = False, system: str = ""
) -> Segment:
    """Make a data segment.

    Args:
        identity: who tells.
        command: ``CN``.
        qn: its request number.
        items: of the data area.
        answer: whether an acknowledgement is wanted.
        late: marks what is told later than it was due, in the edition of 2025 (``RF``, as quoted; uncertain).
        system: ``ST`` if it is not the identity's own.
    """
    flag = identity.edition.value << _VERSION_SHIFT | (ANSWER if answer else 0)
    header: list[Field] = [
        ("QN", qn),
        ("ST", system or identity.system),
        ("CN", command),
        ("PW", identity.password),
        ("MN", identity.mn),
        ("Flag", str(flag)),
    ]
    if late and identity.edition is Edition.V2025:
        header.append(("RF", "1"))
    return Segment(header=tuple(header), items=items)


def packets(said: Segment) -> tuple[Segment, ...]:
    """Divide a message into packets that the standard allows."""
    header = len(compose(Segment(header=said.header, items=()))) - len("CP=&&&&")
    return split(said, min(LONGEST_SEGMENT, header + LONGEST_AREA))


def of_record(identity: Identity, record: Record, rules: Sequence[FactorRule], *, late: bool) -> tuple[Segment, ...]:
    """Give the packets of a stored period (tables C.16 to C.18)."""
    decimals = {rule.code: rule.decimals for rule in rules}
    items = tuple(_item(value, decimals.get(value.code)) for value in record.values)
    area = ((("DataTime", record.start),), *items)
    return packets(segment(identity, record.report.value, record.qn, area, answer=True, late=late))


def of_now(
    identity: Identity, rules: Sequence[FactorRule], last: Sequence[Seen | None], local: datetime, qn: str
) -> tuple[Segment, ...]:
    """Give the packets of what is measured now (table C.14); None in ``last`` is a factor of which nothing is known.

    A value that is not there is not made up: the mark alone tells that its instrument cannot be read.
    """
    items = tuple(_now(rule, seen) for rule, seen in zip(rules, last, strict=True))
    area = ((("DataTime", f"{local:{_FORM}}"),), *items)
    return packets(segment(identity, Report.REALTIME.value, qn, area, answer=True))


def of_heartbeat(identity: Identity, qn: str) -> Segment:
    """Give the packet that shows that we are there (2025, table 12, as quoted; uncertain)."""
    return segment(identity, HEARTBEAT, qn, (), answer=True, system=SYSTEM)


def _now(rule: FactorRule, seen: Seen | None) -> tuple[Field, ...]:
    if seen is None or seen.value is None:
        return ((f"{rule.code}-Flag", NO_CONTACT if seen is None else seen.mark),)
    shown = f"{rounded(seen.value, rule.decimals):f}"
    return (f"{rule.code}-Rtd", shown), (f"{rule.code}-Flag", seen.mark)


def _item(value: FactorValue, decimals: int | None) -> tuple[Field, ...]:
    fields = (("Cou", value.total), ("Min", value.low), ("Avg", value.mean), ("Max", value.high))
    told = [(f"{value.code}-{name}", _shown(number, decimals)) for name, number in fields if number is not None]
    return (*told, (f"{value.code}-Flag", value.mark))


def _shown(number: Decimal, decimals: int | None) -> str:
    return f"{number if decimals is None else rounded(Fraction(number), decimals):f}"
