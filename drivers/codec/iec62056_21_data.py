"""Data sets of IEC 62056-21 (6.6): ``id(value*unit)``, several groups behind one id, ids in OBIS or reduced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from drivers.errors import FrameError
from drivers.units import UNITS

_SET: Final = re.compile(r"([^()/!\r\n]*)((?:\([^()/!\r\n]*\))+)")
_GROUP: Final = re.compile(r"\(([^()]*)\)")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_MOMENT: Final = re.compile(r"\d{10}(?:\d{2})?[SW]?")
_OBIS: Final = re.compile(
    r"(?:(\d{1,3})-(\d{1,3}):)?([0-9A-Z]{1,3})\.([0-9A-Z]{1,3})(?:\.(\d{1,3}))?(?:[*&](\d{1,3}))?"
)
_MOST_DIGITS: Final = 30

_UNITS: Final = {
    "kWh": "kW.h", "Wh": "W.h", "MWh": "MW.h", "kvarh": "kvar.h", "varh": "var.h", "Mvarh": "Mvar.h",
    "kVAh": "kV.A.h", "VAh": "V.A.h", "kVA": "kV.A", "VA": "V.A", "m3ph": "m3/h",
    "l": "L", "l/h": "L/h", "C": "Cel", "°C": "Cel",
}  # fmt: skip


def ucum(unit: str) -> str | None:
    """Give a unit as UCUM writes it; None without one, or for one that is not known."""
    known = next((ours for theirs, ours in _UNITS.items() if theirs.lower() == unit.lower()), unit)
    return known if known in UNITS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One parenthesis.

    Attributes:
        text: the value as sent.
        unit: as the meter writes it; empty without one.
    """

    text: str
    unit: str = ""

    @property
    def number(self) -> Decimal | None:
        """The value if it is an amount: a number with unit, sign or decimal point; a row of digits is a text."""
        if not _NUMBER.fullmatch(self.text) or len(self.text) > _MOST_DIGITS:
            return None
        return Decimal(self.text) if self.unit or not self.text.isdigit() else None

    @property
    def is_moment(self) -> bool:
        """Whether it looks like YYMMDDhhmm[ss], with or without the S or W of DSMR."""
        return not self.unit and bool(_MOMENT.fullmatch(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One id with what stands behind it, at least one group."""

    id: str
    groups: tuple[Group, ...]

    @property
    def value(self) -> Group:
        """What the id names: the first group with a unit, without any the first."""
        return next((group for group in self.groups if group.unit), self.groups[0])


def parse_data(text: str) -> tuple[DataSet, ...]:
    """Take the data of a readout or telegram apart; a lone ``!`` ends it.

    Groups on a line of their own belong to the id before, as in a load profile.

    Raises:
        FrameError: something is no data set, so nothing of it is to be believed.
    """
    found: list[DataSet] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line == "!":
            break
        for name, groups in _sets(line):
            if not name and found:
                found[-1] = DataSet(id=found[-1].id, groups=found[-1].groups + groups)
            else:
                found.append(DataSet(id=name, groups=groups))
    return tuple(found)


def _sets(line: str) -> Iterator[tuple[str, tuple[Group, ...]]]:
    at = 0
    while at < len(line):
        found = _SET.match(line, at)
        if found is None:
            raise FrameError(
                f"IEC 62056-21: {line[at : at + 40]!r} is no data set", line.encode("latin-1", "replace")
            )
        yield found[1], tuple(_group(text) for text in _GROUP.findall(found[2]))
        at = found.end()


def _group(text: str) -> Group:
    value, _, unit = text.partition("*")
    return Group(text=value, unit=unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obis:
    """An OBIS code; None where a reduced id leaves a group out (IEC 62056-61, A.2)."""

    a: int | None
    b: int | None
    c: str
    d: str
    e: int | None
    f: int | None

    def fits(self, other: Obis) -> bool:
        """Tell whether this one, as a profile has it, means ``other``, as a meter sent it.

        C and D have to be equal. A group that either leaves out fits any; F left out means the present value, 255.
        """
        pairs = ((self.a, other.a), (self.b, other.b), (self.e, other.e))
        now = 255 if self.f is None else self.f
        return (
            (self.c, self.d) == (other.c, other.d)
            and all(one is None or two is None or one == two for one, two in pairs)
            and now == (255 if other.f is None else other.f)
        )


def parse_obis(name: str) -> Obis | None:
    """Read ``1-0:1.8.0*255`` or a reduced form such as ``1.8.0`` or ``F.F``; None if it is none."""
    found = _OBIS.fullmatch(name)
    if found is None:
        return None
    a, b, c, d, e, f = found.groups()
    return Obis(a=_int(a), b=_int(b), c=c, d=d, e=_int(e), f=_int(f))


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)
