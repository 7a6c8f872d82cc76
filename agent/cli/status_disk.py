"""What an outbox says of its gateway while no agent runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.block.errors import BlockError
from agent.block.form import CLOCK, read_form
from agent.block.sections import read_clock
from agent.cli.output import Json, columns
from agent.cli.verdict_findings import place, utc
from agent.language import _
from agent.outbox import read_blocks, read_destinations
from agent.storing.stored import StoredBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An outbox at a glance.

    Attributes:
        pending: blocks that not every destination has receipted; 0 without destinations.
        last: (epoch, number) of the last block, None for an empty outbox.
        sealed_utc_ms: when that was sealed, None if it is not known.
    """

    blocks: int
    readings: int
    size_bytes: int
    pending: int
    last: tuple[int, int] | None
    sealed_utc_ms: int | None

    def lines(self) -> list[str]:
        """Give it for people."""
        what = _("{blocks} blocks, {readings} readings on the disk, {pending} blocks without receipt")
        rows = [(_("outbox"), what.format(blocks=self.blocks, readings=self.readings, pending=self.pending))]
        if self.last is not None:
            last = _("block {place}, sealed {utc} UTC").format(place=place(self.last), utc=utc(self.sealed_utc_ms))
            rows.append((_("last"), last))
        return columns(rows)

    def result(self) -> Json:
        """Give it for programs."""
        return {
            "blocks": self.blocks,
            "readings": self.readings,
            "kept_bytes": self.size_bytes,
            "pending_blocks": self.pending,
            "last": None if self.last is None else list(self.last),
            "sealed_utc_ms": self.sealed_utc_ms,
        }


def look(path: Path) -> Stored:
    """Look at an outbox, read-only; StorageError if it cannot be read."""
    receipted = [to.receipted_seq for to in read_destinations(path)]
    blocks = readings = size = pending = 0
    last: StoredBlock | None = None
    for last in read_blocks(path):
        blocks += 1
        readings += last.readings
        size += len(last.message)
        pending += any(seq < last.seq for seq in receipted)
    return Stored(
        blocks=blocks,
        readings=readings,
        size_bytes=size,
        pending=pending,
        last=None if last is None else (last.epoch, last.number),
        sealed_utc_ms=None if last is None else _sealed(last.message),
    )


def _sealed(message: bytes) -> int | None:
    try:
        return read_clock(read_form(message).payload[CLOCK]).utc_ms
    except BlockError:
        return None
