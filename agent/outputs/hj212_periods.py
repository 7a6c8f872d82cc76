"""The periods that run: which one a reading falls into, when it is over, what an hour is by its minutes. Pure.

Times are local, as the standard wants them (table C.16): a period is known by the local time at which it began.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Final

from agent.outputs.hj212_record import FactorValue, Record
from agent.outputs.hj212_settings import FactorRule, Report
from agent.outputs.hj212_sums import LONGEST_SLICE_NS, Sums, combined, flow_of, mass_of, told, volume_of
from drivers.codec.hj212_marks import NORMAL

_FORM: Final = "%Y%m%d%H%M%S"
_HOUR_S: Final = 3600
_SOON_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The last reading of one factor.

    Attributes:
        value: None without one.
        utc_ns: when it was taken.
    """

    value: Fraction | None
    mark: str
    utc_ns: int


class Periods:
    """Sums of the minute period that runs, and the last reading of each factor.

    Args:
        rules: one for each factor; readings name them by their place.
        zone: local time of the bureau.
        minute_s: length of the minute period.

    Attributes:
        minute_s: may be set. It counts from where both lengths begin a period, after an hour at the latest: no period
            is cut short, and none has the name of one that was told already.
    """

    def __init__(self, rules: Sequence[FactorRule], zone: tzinfo, minute_s: int) -> None:
        self.minute_s = self._length_s = minute_s
        self._rules = tuple(rules)
        self._zone = zone
        self._flows = [flow_of(self._rules, rule) if rule.total else None for rule in self._rules]
        self._carried = [
            [at for at, flow in enumerate(self._flows) if flow == place and at != place]
            for place in range(len(self._rules))
        ]
        self._start = ""
        self._partial = False
        self._inside = (0, 0)
        self._sums: list[Sums] = []
        self.last: list[Seen | None] = [None] * len(self._rules)

    def local(self, utc_ns: int) -> datetime:
        """Give local time without a zone."""
        return datetime.fromtimestamp(utc_ns / 1e9, self._zone).replace(tzinfo=None)

    def take(self, at: int, value: Fraction | None, mark: str, utc_ns: int) -> FinishedPeriod | None:
        """Take one reading of factor ``at`` in; gives the period before, if this one is the first of another."""
        finished = self.turn(utc_ns)
        if not self._sums:
            self._begin(utc_ns)
        before, rule = self.last[at], self._rules[at]
        self._sums[at].add(value, mark)
        if value is not None and mark == NORMAL and before is not None and self._is_flow(at):
            slice_ns = utc_ns - before.utc_ns
            if 0 < slice_ns <= LONGEST_SLICE_NS:
                self._carry(at, volume_of(rule, value, slice_ns))
        self.last[at] = Seen(value=value, mark=mark, utc_ns=utc_ns)
        return finished

    def turn(self, utc_ns: int) -> FinishedPeriod | None:
        """Give the period that was under way, if ``utc_ns`` lies in another.

        One of which we saw the end alone, and that without a reading, is not told at all.
        """
        if not self._sums or self._is_inside(utc_ns) or self._start_of(utc_ns) == self._start:
            return None
        values = tuple(told(rule, sums) for rule, sums in zip(self._rules, self._sums, strict=True))
        nothing = not any(sums.count or sums.marks for sums in self._sums)
        finished = FinishedPeriod(start=self._start, values=values)
        self._sums = []
        return None if nothing and self._partial else finished

    def begin(self, utc_ns: int) -> None:
        """Let a period run even if no reading comes: that nothing came is told too."""
        if not self._sums:
            self._begin(utc_ns)

    def ends_ns(self, utc_ns: int) -> int:
        """Give when the period of ``utc_ns`` is over, UTC."""
        local = self.local(utc_ns)
        into_s = _seconds(local) % self._length_s
        return utc_ns - local.microsecond * 1000 + (self._length_s - into_s) * 1_000_000_000

    def state(self) -> str:
        """Give what a restart needs to go on in the middle of a period, as one line."""
        rows = [
            [
                one.count,
                str(one.sum),
                _text(one.low),
                _text(one.high),
                _text(one.total),
                str(one.volume),
                dict(one.marks),
            ]
            for one in self._sums
        ]
        return json.dumps(
            [self._start, self._length_s, [rule.code for rule in self._rules], rows], separators=(",", ":")
        )

    def restore(self, state: str) -> None:
        """Go on from ``state`` at the length of its period; one of other factors, or none at all, changes nothing."""
        try:
            start, length_s, codes, rows = json.loads(state)
            sums = [_sums(row) for row in rows]
        except (ValueError, TypeError, ZeroDivisionError):
            return
        if codes != [rule.code for rule in self._rules] or len(sums) != len(codes):
            return
        if isinstance(length_s, int) and length_s > 0 and _HOUR_S % length_s == 0:
            self._start, self._length_s, self._sums = str(start), length_s, sums

    def _is_inside(self, utc_ns: int) -> bool:
        """Tell at once of most readings that they belong to the period that runs."""
        first_ns, end_ns = self._inside
        return first_ns <= utc_ns < end_ns

    def _begin(self, utc_ns: int) -> None:
        seconds = _seconds(self.local(utc_ns))
        if (seconds - seconds % self._length_s) % self.minute_s == 0 or not self._start:
            self._length_s = self.minute_s
        self._inside = (utc_ns, self.ends_ns(utc_ns))
        self._start = self._start_of(utc_ns)
        self._partial = self._start_of(utc_ns - _SOON_NS) == self._start
        self._sums = [Sums() for _ in self._rules]

    def _start_of(self, utc_ns: int) -> str:
        local = self.local(utc_ns)
        midnight, seconds = local.replace(hour=0, minute=0, second=0, microsecond=0), _seconds(local)
        return f"{midnight + timedelta(seconds=seconds - seconds % self._length_s):{_FORM}}"

    def _is_flow(self, at: int) -> bool:
        return self._flows[at] == at or bool(self._carried[at])

    def _carry(self, flow: int, volume: Fraction) -> None:
        """Give the volume to the flow itself and to every pollutant that is known while it passes."""
        if self._rules[flow].total:
            self._sums[flow].carry(volume, volume)
        for at in self._carried[flow]:
            seen = self.last[at]
            if seen is not None and seen.value is not None and seen.mark == NORMAL:
                self._sums[at].carry(mass_of(self._rules[at], seen.value, volume), volume)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPeriod:
    """A minute period that is over.

    Attributes:
        start: as ``Record.start``.
    """

    start: str
    values: tuple[FactorValue, ...]


def whole_of(start: str, report: Report) -> str:
    """Give the start of the hour, or with DAY of the day, in which a period began."""
    return f"{start[:8]}000000" if report is Report.DAY else f"{start[:10]}0000"


def is_over(start: str, report: Report, local: datetime) -> bool:
    """Tell whether the hour or day that began at ``start`` has ended by ``local``."""
    return whole_of(f"{local:{_FORM}}", report) > start


def summed(
    rules: Sequence[FactorRule], report: Report, start: str, parts: Sequence[Record], qn: Callable[[], str]
) -> Record:
    """Make the record of an hour of its minutes, or of a day of its hours; ``parts`` in order."""
    values = []
    for rule in rules:
        flow = flow_of(rules, rule)
        mine = [(value, part) for part in parts if (value := _find(part, rule.code)) is not None]
        flows = [None if flow is None else _find(part, rules[flow].code) for _, part in mine]
        values.append(combined(rule, [value for value, _ in mine], flows))
    return Record(report=report, start=start, qn=qn(), values=tuple(values))


def _find(record: Record, code: str) -> FactorValue | None:
    return next((value for value in record.values if value.code == code), None)


def _seconds(local: datetime) -> int:
    return local.hour * _HOUR_S + local.minute * 60 + local.second


def _text(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


def _sums(row: Sequence[object]) -> Sums:
    count, total_sum, low, high, total, volume, marks = row
    if not isinstance(count, int) or not isinstance(marks, dict):
        raise TypeError
    sums = Sums(count=count, sum=Fraction(str(total_sum)), volume=Fraction(str(volume)))
    sums.low, sums.high, sums.total = (None if one is None else Fraction(str(one)) for one in (low, high, total))
    sums.marks.update({str(mark): int(times) for mark, times in marks.items()})
    return sums
