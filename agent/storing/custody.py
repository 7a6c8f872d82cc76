"""Who has to keep which block: receipts per destination, the archive's bounds, and what gives way when it is full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from agent.block.events import Gap
from agent.block.record import ReceiptMark
from agent.config import OutboxLimits
from agent.outbox import LAST_SEQ, Destination, Outbox, Row
from agent.storing.reserve import Reserve
from agent.storing.stored import DestinationStatus, Pressure, ReceiptOutcome, StoredBlock, place_of, seq_of

OUTBOX_FULL: Final = 1
_DAY_S: Final = 86_400
_BATCH: Final = 64
"""Blocks deleted with one insert at most: a long archive goes in many small steps."""
_STRIDE: Final = 3
_DROP_BATCH: Final = 1024
_DROP_SHARE: Final = 64
"""One last resort frees this part of the bound, so that not every block has to declare a loss."""
_MAX_RANGES: Final = 16
_MAX_NUMBER: Final = 1 << 40
_MARKS: Final = 8
_LEVELS: Final = ((97, Pressure.NO_POLL), (90, Pressure.NO_SEAL), (80, Pressure.THIN))


class Custody:
    """What may be deleted from one outbox, and what must not."""

    def __init__(
        self,
        outbox: Outbox,
        reserve: Reserve,
        limits: OutboxLimits,
        destinations: tuple[Destination, ...],
        left: tuple[Destination, ...] = (),
    ) -> None:
        self._outbox = outbox
        self._reserve = reserve
        self._limits = limits
        self._to = {to.kid: to for to in destinations}
        stored = {to.kid: to for to in outbox.destinations()}
        self._left = left
        self._dirty = {to.kid for to in destinations if stored.get(to.kid) != to}
        self._first_after: dict[int, Row] = {}
        self._floor = -1  # nothing removable up to this seq, for ever
        self._kept_before = (-1, 0, 0)  # up to this seq, so many kept blocks, of so many bytes

    def blocks(self, kid: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        """Give blocks later than ``after`` that destination ``kid`` has not receipted, in chain order."""
        to = self._to.get(kid)
        if to is None:
            return ()
        return self._outbox.between(max(after, to.receipted_seq) + 1, LAST_SEQ, limit)

    def receipted(self, kid: bytes, epoch: int, number: int, head: bytes) -> ReceiptOutcome:
        """Take in a receipt whose signature was verified; it is written with the next commit."""
        to, last = self._to.get(kid), self._outbox.last
        if to is None:
            return ReceiptOutcome.UNKNOWN_DESTINATION
        seq = seq_of(epoch, number)
        if last is None or seq > last.seq or number >= _MAX_NUMBER:
            return ReceiptOutcome.ABOVE_CHAIN
        found = self._outbox.between(seq, seq, 1)
        if not found:
            return ReceiptOutcome.KNOWN if seq <= to.receipted_seq else ReceiptOutcome.GONE
        if found[0].head != head:
            return ReceiptOutcome.FOREIGN_HEAD
        if seq <= to.receipted_seq:
            return ReceiptOutcome.KNOWN
        self._to[kid] = replace(to, receipted_seq=seq)
        self._dirty.add(kid)
        return ReceiptOutcome.ACCEPTED

    def marks(self) -> tuple[ReceiptMark, ...]:
        """Give the receipts that the next block has to speak of: those that no block named yet."""
        return tuple(
            ReceiptMark(destination=to.kid, epoch=place_of(to.receipted_seq)[0], number=place_of(to.receipted_seq)[1])
            for to in self._to.values()
            if to.receipted_seq >= to.from_seq and to.receipted_seq > (-1 if to.marked_seq is None else to.marked_seq)
        )[:_MARKS]

    def changes(self, marks: tuple[ReceiptMark, ...]) -> tuple[Destination, ...]:
        """Give the rows to write with the next commit, in whose first block ``marks`` stand."""
        marked = {mark.destination: seq_of(mark.epoch, mark.number) for mark in marks}
        rows = (
            replace(self._to[kid], marked_seq=marked.get(kid, self._to[kid].marked_seq))
            for kid in self._dirty | set(marked)
        )
        return (*rows, *self._left)

    def committed(self, written: tuple[Destination, ...], removed: bool) -> None:
        """Take note of a commit that wrote these rows and may have ``removed`` blocks."""
        self._left = tuple(row for row in self._left if row not in written)
        for row in written:
            now = self._to.get(row.kid)
            if now is None:
                continue
            self._to[row.kid] = replace(now, marked_seq=row.marked_seq)
            if now.receipted_seq == row.receipted_seq:
                self._dirty.discard(row.kid)
        if removed:
            self._first_after.clear()

    def removable(self, lived_s: int, *, disk_full: bool = False) -> tuple[int, ...]:
        """Give blocks that every destination has receipted and that are over the archive's bounds, oldest first.

        With ``disk_full`` the bounds are forgotten, unless nobody receipts: then the archive is the only copy.
        """
        oldest, watermark = self._first(-1), self._watermark()
        if oldest is None or oldest.seq > watermark:
            return ()
        spare = disk_full and bool(self._to)
        over = self._archived_bytes() - self._limits.archive_bytes
        too_old_s = lived_s - self._limits.archive_days * _DAY_S
        if not spare and over <= 0 and oldest.lived_s >= too_old_s:
            return ()
        gone: list[int] = []
        for row in self._oldest(oldest, watermark):
            if not spare and over <= 0 and row.lived_s >= too_old_s:
                break
            gone.append(row.seq)
            over -= row.size_bytes
        return tuple(gone)

    def _oldest(self, first: Row, to: int) -> Iterator[Row]:
        """``first`` and the removable blocks after it, few at a time: mostly one goes where one comes."""
        yield first
        left = _BATCH - 1
        while left > 0:
            rows = self._outbox.loose(first.seq, to, _STRIDE)
            yield from rows[:left]
            if len(rows) < _STRIDE:
                return
            first, left = rows[-1], left - _STRIDE

    def last_resort(self) -> tuple[tuple[int, ...], tuple[Gap, ...]]:
        """Give the sealed blocks to drop unreceipted because the bound is passed, and what has to be declared."""
        over = self.pending()[1] - self._limits.keep_bytes
        if over <= 0:
            return (), ()
        over += self._limits.keep_bytes // _DROP_SHARE
        runs: list[list[Row]] = []
        for row in self._outbox.loose(max(self._watermark(), self._floor), LAST_SEQ, _DROP_BATCH):
            if over <= 0:
                break
            if not runs or row.ordinal != runs[-1][-1].ordinal + 1:
                if len(runs) == _MAX_RANGES:
                    break
                runs.append([])
            runs[-1].append(row)
            over -= row.size_bytes
        runs = [run for run in runs if run[-1].first_reading + run[-1].readings]  # before the first reading of a life
        return tuple(row.seq for run in runs for row in run), tuple(_gap(run, OUTBOX_FULL) for run in runs)

    def pressure(self) -> Pressure:
        """Tell how full the outbox is, measured against its bound or, if that is less, what the disk can take."""
        _, pending = self.pending()
        if not pending or not self._to:
            return Pressure.NONE
        room = self._reserve.free_bytes() + self._outbox.free_bytes() + self._archived_bytes()
        bound = min(self._limits.keep_bytes, pending + room)
        return next((level for percent, level in _LEVELS if pending * 100 > bound * percent), Pressure.NONE)

    def pending(self) -> tuple[int, int]:
        """Give number and bytes of the blocks that some destination has not receipted."""
        return self._extent(self._watermark())

    def kept(self) -> tuple[int, int]:
        """Give number and bytes of all blocks here."""
        first, last = self._first(-1), self._outbox.last
        if last is None:
            return 0, 0
        start = first or last
        seq, count, size = self._kept_before
        if start.seq - 1 > seq:
            more = self._outbox.kept_between(seq, start.seq - 1)
            self._kept_before = (start.seq - 1, count + more[0], size + more[1])
        _, count, size = self._kept_before
        return _span(start, last, count, size)

    def status(self) -> Iterator[DestinationStatus]:
        """Tell how far each destination is."""
        for to in self._to.values():
            blocks, size = self._extent(to.receipted_seq)
            yield DestinationStatus(
                kid=to.kid,
                receipted=place_of(to.receipted_seq) if to.receipted_seq >= to.from_seq else None,
                pending_blocks=blocks,
                pending_bytes=size,
            )

    def _archived_bytes(self) -> int:
        return self.kept()[1] - self.pending()[1]

    def _watermark(self) -> int:
        """The last block that nobody waits for; with no destination at all that is every block."""
        if not self._to:
            return self._outbox.last.seq if self._outbox.last is not None else -1
        return min(to.receipted_seq for to in self._to.values())

    def _first(self, after: int) -> Row | None:
        """The oldest removable block later than ``after``; looked up once, until something is removed."""
        row = self._first_after.get(after)
        if row is None:
            found = self._outbox.loose(max(after, self._floor), LAST_SEQ, 1)
            if not found:
                return None
            if after < self._floor or after == -1:
                self._floor = found[0].seq - 1
            row = self._first_after[after] = found[0]
            if len(self._first_after) > _BATCH:
                self._first_after = {after: row}
        return row

    def _extent(self, after: int) -> tuple[int, int]:
        last = self._outbox.last
        if last is None or after >= last.seq:
            return 0, 0
        return extent(self._outbox, after, self._first(after) or last, last)


def extent(outbox: Outbox, after: int, start: Row, last: Row) -> tuple[int, int]:
    """Give number and bytes of the blocks later than ``after``; ``start`` is the first of them that is not kept."""
    return _span(start, last, *outbox.kept_between(after, start.seq - 1))


def _span(start: Row, last: Row, kept: int, kept_bytes: int) -> tuple[int, int]:
    count = last.ordinal - start.ordinal + 1 + kept
    return count, last.end_bytes - start.end_bytes + start.size_bytes + kept_bytes


def _gap(run: list[Row], reason: int) -> Gap:
    first, last = run[0], run[-1]
    return Gap(
        first_reading=first.first_reading,
        last_reading=last.first_reading + last.readings - 1,
        reason=reason,
        first=place_of(first.seq),
        last=place_of(last.seq),
        head=last.head,
    )
