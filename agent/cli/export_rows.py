"""Readings out of sealed blocks, verified on the way: names, exact values, UTC with its bound, the gaps between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.block.cbseq import BadStretch
from agent.block.chain import Place
from agent.block.dictionary import Tables
from agent.block.readings import (
    Anchor,
    UtcEstimate,
    decimal_text,
    later_anchor,
    own_anchor,
    rows,
    utc_at,
    utc_between,
)
from agent.block.record import Block, ClockSample, Value
from agent.block.sequence import FileVerifier
from agent.block.verify import Outcome, Trust
from agent.cli.export_events import TELLERS
from agent.cli.verdict_findings import place
from drivers.batch import flag_words
from drivers.quality import name_of
from drivers.sanitize import sanitize

_NO_TIME: Final = (None, None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of an export.

    Attributes:
        kind: ``reading``; ``gap`` for an interval without records; ``discontinuity`` for a counter that did not go on
            (event 18), value: from and to; ``exchange`` for a device that is another one (event 17), value likewise;
            ``command`` for what was written to a device, or refused (events 8 to 10).
        utc_ms: None where nothing tells it.
        error_ms: bound of its error.
        value: exact decimal or text; None where there is none.
        numeric: the value is a number.
        number: reading number over the gateway's life, None for a gap.
        device_ms: when the device itself says that it was taken, UTC; None if it says nothing.
        sequence: number that the device gave the record.
        device_flags: what is to be known of that: ``historical``, ``device-clock-unset``, ``substituted``, by spaces.
        raw: bytes as they came from the device, hex; empty where its profile does not keep them.
    """

    kind: str
    utc_ms: int | None
    error_ms: int | None
    device: str
    quantity: str
    value: str | None
    numeric: bool
    unit: str | None
    quality: str
    block: str
    number: int | None
    device_ms: int | None = None
    sequence: int | None = None
    device_flags: str = ""
    raw: str = ""


@dataclass(slots=True)
class _Times:
    """What tells UTC to blocks that do not know it themselves."""

    anchors: dict[Place, Anchor | UtcEstimate] = field(default_factory=dict)
    _waiting: list[tuple[Place, bytes, ClockSample | None]] = field(default_factory=list)
    _before: ClockSample | None = None

    def look(self, block: Block) -> None:
        """Take in the next block of the chain."""
        here = (block.epoch, block.number)
        anchor = later_anchor(block)
        still = []
        for at, boot, before in self._waiting:
            if boot == block.clock.boot:
                if anchor is not None:
                    self.anchors[at] = anchor
                    continue
            elif before is not None and (between := utc_between(before, block.clock)) is not None:
                self.anchors[at] = between
                continue
            still.append((at, boot, before))
        self._waiting = still
        if own_anchor(block) is None:
            self._waiting.append((here, block.clock.boot, self._before))
        else:
            self._before = block.clock


class Readings:
    """The readings of a store, in two passes: the first finds what tells UTC, the second gives the rows."""

    def __init__(
        self, source: Callable[[], Iterable[bytes | BadStretch]], trust: Trust, tables: Mapping[bytes, Tables]
    ) -> None:
        """Read the first time.

        Args:
            source: opens the messages; called twice.
            trust: identity keys.
            tables: dictionary before the first epoch there is, by gateway.
        """
        self._source, self._trust, self._tables = source, trust, dict(tables)
        self._times: dict[bytes, _Times] = {}
        for outcome in self._chained():
            assert outcome.block is not None
            self._times.setdefault(outcome.block.gateway, _Times()).look(outcome.block)

    def rows(self, from_ms: int | None = None, to_ms: int | None = None) -> Iterator[Row]:
        """Give the rows from ``from_ms`` up to, without, ``to_ms``; those without UTC are always among them."""
        for outcome in self._chained():
            for row in (*_gaps(outcome), *self._events(outcome), *self._readings(outcome)):
                if row.utc_ms is None or ((from_ms or 0) <= row.utc_ms and (to_ms is None or row.utc_ms < to_ms)):
                    yield row

    def _chained(self) -> Iterator[Outcome]:
        verifier = FileVerifier(self._trust, self._tables)
        for message in self._source():
            yield from (outcome for outcome in verifier.take(message) if outcome.block is not None)

    def _events(self, outcome: Outcome) -> Iterator[Row]:
        """Give what happened to devices and counters; what no gateway of ours would write is left out."""
        block, tables = outcome.block, outcome.state.tables
        for event in block.events if block is not None else ():
            teller = TELLERS.get(event.kind)
            told = None if teller is None else teller(event, tables)
            if block is None or told is None:
                continue
            here = (block.epoch, block.number)
            anchor = own_anchor(block) or self._times[block.gateway].anchors.get(here)
            utc = utc_at(anchor, event.mono_ms) if isinstance(anchor, Anchor) else anchor
            yield Row(
                kind=told.kind,
                utc_ms=None if utc is None else utc.utc_ms,
                error_ms=None if utc is None else utc.error_ms,
                device=told.device,
                quantity=told.quantity,
                value=told.value,
                numeric=False,
                unit=told.unit,
                quality=told.reason,
                block=place(here),
                number=None,
            )

    def _readings(self, outcome: Outcome) -> Iterator[Row]:
        block = outcome.block
        found = rows(block, outcome.state.tables) if block is not None else None
        if block is None or found is None:
            return
        here = (block.epoch, block.number)
        anchor = own_anchor(block) or self._times[block.gateway].anchors.get(here)
        for index, value in enumerate(found.values):
            utc = utc_at(anchor, found.mono_ms[index]) if isinstance(anchor, Anchor) else anchor
            device_ms, sequence, flags = found.device_times.get(index, _NO_TIME)
            yield Row(
                kind="reading",
                utc_ms=None if utc is None else utc.utc_ms,
                error_ms=None if utc is None else utc.error_ms,
                device=found.devices[index],
                quantity=found.quantities[index],
                value=_text(value, found.exponents[index]),
                numeric=isinstance(value, int) and not isinstance(value, bool),
                unit=found.units[index],
                quality=name_of(found.statuses[index]),
                block=place(here),
                number=found.first_number + index,
                device_ms=device_ms,
                sequence=sequence,
                device_flags=flag_words(flags),
                raw=found.raws.get(index, b"").hex(),
            )


def _text(value: Value, exponent: int) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return decimal_text(value, exponent)
    return value.hex() if isinstance(value, bytes) else sanitize(value, 1024)


def _gaps(outcome: Outcome) -> Iterator[Row]:
    """Give the intervals without records that this block closes, so that a hole in a table is never mistaken."""
    for finding in outcome.findings:
        if finding.from_utc_ms is None or finding.to_utc_ms is None:
            continue
        yield Row(
            kind="gap",
            utc_ms=finding.from_utc_ms,
            error_ms=None,
            device="",
            quantity=finding.code.value,
            value=f"{finding.value_ms / 1000:.3f}",
            numeric=True,
            unit="s",
            quality="no-record",
            block=place(finding.place),
            number=None,
        )
