"""Turning what was gathered into signed blocks: how it is cut, and what no block can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.block.errors import SealError
from agent.block.record import MAX_ROWS, ClockSample, Columns, Event, ReceiptMark, SealedBlock
from agent.block.seal import Portion, Writer, split
from agent.killpoint import KillPoint, Reached
from agent.storing.gathering import Gathering
from agent.storing.mending import mended

_TOO_BIG: Final = "too-big"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the next blocks are to hold.

    Attributes:
        events: in order; those of the dictionary come before the readings that need them.
        columns: readings, one block each; split further where they are long.
        last_event: goes into the last block.
    """

    clock: ClockSample
    events: tuple[Event, ...] = ()
    columns: tuple[Columns, ...] = ()
    marks: tuple[ReceiptMark, ...] = ()
    last_event: Event | None = None


class Sealing:
    """Signs blocks; storing them is the caller's.

    Attributes:
        refused: how often readings (or events) that no block can hold were given up, in this run.
        trouble: why the last time, empty if never.
    """

    def __init__(self, writer: Writer, reached: Reached) -> None:
        self._writer = writer
        self._reached = reached
        self.refused = 0
        self.trouble = ""

    def seal(self, contents: Contents) -> tuple[SealedBlock, ...]:
        """Sign as few blocks as hold ``contents``; at least one, the heartbeat."""
        portions = list(_portions(contents))
        if contents.last_event is not None:
            final = portions.pop()
            portions += split(final.columns, final.events)
            final = portions.pop()
            portions.append(Portion(events=(*final.events, contents.last_event), columns=final.columns))
        blocks: list[SealedBlock] = []
        for index, portion in enumerate(portions):
            blocks += self._sign(contents.clock, portion, () if index else contents.marks)
        return tuple(blocks)

    def _sign(self, clock: ClockSample, portion: Portion, marks: Sequence[ReceiptMark]) -> Iterator[SealedBlock]:
        try:
            yield self._one(clock, portion, marks)
        except SealError as error:
            if error.reason == _TOO_BIG:
                yield from self._all(clock, split(portion.columns, portion.events), marks)
            else:
                yield from self._mended(clock, portion, marks, error)

    def _mended(
        self, clock: ClockSample, portion: Portion, marks: Sequence[ReceiptMark], error: SealError
    ) -> Iterator[SealedBlock]:
        """The same contents, less what no block can hold: one fault of the program must not stop the chain."""
        self.refused += 1
        self.trouble = str(error)
        if portion.columns is None:
            return
        if portion.events:  # first of all: the readings may need their dictionary
            yield from self._sign(clock, Portion(events=portion.events, columns=None), marks)
            marks = ()
        columns = mended(portion.columns, self._writer.position.tables.kinds)
        if columns is not None:
            yield from self._all(clock, split(columns, ()), marks)

    def _all(
        self, clock: ClockSample, portions: Sequence[Portion], marks: Sequence[ReceiptMark]
    ) -> Iterator[SealedBlock]:
        for portion in portions:
            yield self._one(clock, portion, marks)
            marks = ()

    def _one(self, clock: ClockSample, portion: Portion, marks: Sequence[ReceiptMark]) -> SealedBlock:
        self._reached(KillPoint.BEFORE_SIGN)
        sealed = self._writer.seal(clock=clock, columns=portion.columns, events=portion.events, receipts=marks)
        self._reached(KillPoint.SIGNED)
        return sealed


def _portions(contents: Contents) -> Iterator[Portion]:
    first, *rest = contents.columns or (None,)
    if contents.events:
        yield from split(first, contents.events)
    else:
        yield Portion(events=(), columns=first)
    for columns in rest:
        yield Portion(events=(), columns=columns)


def cut(gathering: Gathering, max_readings: int, *, rest: bool) -> Iterator[Columns]:
    """Take what was gathered out in blocks of ``max_readings``; with ``rest`` the last, smaller one too."""
    most = min(max_readings, MAX_ROWS)
    while len(gathering) >= most or (rest and len(gathering)):
        yield gathering.cut(most)
