"""Where counters stood before this start, read back from the newest blocks that were sealed before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.block.columns import read_columns
from agent.block.errors import BlockError
from agent.block.form import CLOCK, COLUMNS, read_form
from agent.block.record import Columns
from agent.block.seal import Writer
from agent.block.sections import read_clock
from agent.errors import StorageError
from agent.outbox import Outbox
from drivers.profile import Kind

MOST_BLOCKS: Final = 256
MOST_READINGS: Final = 30_000
_AT_ONCE: Final = 16


class Recollection:
    """What stands in the blocks that were there when the outbox was opened."""

    def __init__(self, outbox: Outbox, writer: Writer) -> None:
        self._outbox = outbox
        self._writer = writer
        self._until = outbox.last.seq if outbox.last is not None else -1

    def counts(self) -> Mapping[int, int]:
        """Give the mantissa of the last reading of each counter, by its index in the dictionary.

        Reads some of the newest blocks, as many as a start can afford; a counter that was not read since is left
        out, all of them are if the disk refuses.
        """
        try:
            return self._counts(self._writer.position.tables.kinds)
        except StorageError:
            return {}

    def _counts(self, kinds: bytes) -> Mapping[int, int]:
        found: dict[int, int] = {}
        until, wanted = self._until, kinds.count(Kind.COUNTER)
        blocks = readings = 0
        while until >= 0 and len(found) < wanted and blocks < MOST_BLOCKS and readings < MOST_READINGS:
            newest = self._outbox.newest(until, _AT_ONCE)
            if not newest:
                break
            for block in newest:
                columns = _columns(block.message, kinds) if block.readings else None
                if columns is not None:
                    _look(columns, kinds, found)
            blocks += len(newest)
            readings += sum(block.readings for block in newest)
            until = newest[-1].seq - 1
        return found


def _look(columns: Columns, kinds: bytes, found: dict[int, int]) -> None:
    """Take the newest integer of each counter that is not known from a later block."""
    rows = zip(columns.points, columns.values, strict=True)
    later = {point: value for point, value in rows if kinds[point] == Kind.COUNTER and type(value) is int}
    for point, value in later.items():
        found.setdefault(point, value)


def _columns(message: bytes, kinds: bytes) -> Columns | None:
    try:
        form = read_form(message)
        clock = read_clock(form.payload[CLOCK])
        return read_columns(form.payload[COLUMNS], clock.mono_ms, kinds) if COLUMNS in form.payload else None
    except BlockError:
        return None  # verify tells; here it costs a comparison
