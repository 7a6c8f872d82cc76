"""What was told of one period, as it is kept: exact decimals, one line of text a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from agent.outputs.hj212_settings import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorValue:
    """One factor in one period.

    Attributes:
        total: amount in the period, ``Cou``; None if it is not told or nothing was measured.
        low, mean, high: of what was measured and normal; None if there was nothing.
        mark: data mark of the period (table 8).
    """

    code: str
    total: Decimal | None
    low: Decimal | None
    mean: Decimal | None
    high: Decimal | None
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One period as it is told.

    Attributes:
        start: local time when the period began, ``YYYYMMDDhhmmss``: ``DataTime``.
        qn: number of the first packet; it stays the same however often the packets are sent.
    """

    report: Report
    start: str
    qn: str
    values: tuple[FactorValue, ...]

    @property
    def key(self) -> tuple[Report, str]:
        """What it is about: there is one record for it."""
        return self.report, self.start


def to_words(record: Record) -> list[object]:
    """Give what JSON takes."""
    values = []
    for one in record.values:
        numbers = (one.total, one.low, one.mean, one.high)
        values.append([one.code, *(None if number is None else f"{number:f}" for number in numbers), one.mark])
    return [record.report.value, record.start, record.qn, values]


def from_words(words: Sequence[object]) -> Record | None:
    """Read what ``to_words`` gave; None if it is none."""
    try:
        report, start, qn, values = words
        if not isinstance(values, list):
            return None
        found = tuple(_value(item) for item in values)
        return Record(report=Report(report), start=str(start), qn=str(qn), values=found)
    except (ValueError, TypeError, InvalidOperation):
        return None


def _value(words: object) -> FactorValue:
    if not isinstance(words, list):
        raise TypeError
    code, total, low, mean, high, mark = words
    return FactorValue(
        code=str(code),
        total=_decimal(total),
        low=_decimal(low),
        mean=_decimal(mean),
        high=_decimal(high),
        mark=str(mark),
    )


def _decimal(text: object) -> Decimal | None:
    return None if text is None else Decimal(str(text))
