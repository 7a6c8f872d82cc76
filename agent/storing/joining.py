"""A destination that is new in the site file: from where on it is offered the chain (rules for the writer, 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from agent.block.errors import BlockError
from agent.block.events import Gap
from agent.block.form import read_form
from agent.errors import ChainDamagedError
from agent.outbox import LAST_SEQ, LEFT, Destination, Outbox
from agent.storing.custody import extent
from agent.storing.stored import place_of, seq_of

GONE_EPOCH: Final = "gone_epoch"
"""State of the outbox: the latest epoch of which blocks were deleted."""
_BEFORE_DESTINATION: Final = 3
_SHARE: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """The destinations at start.

    Attributes:
        destinations: as configured now.
        left: rows of those that are configured no more.
        added: kids of the new ones, in the order of the site file.
        gap: what the new ones will not get, None if they get everything.
        new_epoch: no epoch is archived whole: they start at the next one, which has to be opened now.
    """

    destinations: tuple[Destination, ...]
    left: tuple[Destination, ...] = ()
    added: tuple[bytes, ...] = ()
    gap: Gap | None = None
    new_epoch: bool = False


def join(outbox: Outbox, kids: tuple[bytes, ...], keep_bytes: int) -> Joining:
    """Compare the site file's destinations with those stored.

    A new one starts at block 0 of the oldest epoch that is here whole, but not so far back that what it has to
    receipt fills the outbox.

    Raises:
        ChainDamagedError: a destination receipted more than is stored: this is a restored backup.
    """
    stored = {to.kid: to for to in outbox.destinations()}
    last = outbox.last
    for to in stored.values():
        if to.receipted_seq > (last.seq if last is not None else -1) and to.receipted_seq >= to.from_seq:
            place = place_of(to.receipted_seq)
            raise ChainDamagedError(
                f"{outbox.path}: block {place} was receipted and is not stored (a restored backup)"
            )
    added = tuple(kid for kid in kids if kid not in stored or stored[kid].receipted_seq == LEFT)
    left = tuple(
        replace(to, from_seq=0, receipted_seq=LEFT)
        for to in stored.values()
        if to.kid not in kids and to.receipted_seq != LEFT
    )
    start = _start(outbox, keep_bytes) if added else 0
    fresh = {
        kid: Destination(
            kid=kid,
            from_seq=start,
            receipted_seq=start - 1,
            marked_seq=stored[kid].marked_seq if kid in stored else None,
        )
        for kid in added
    }
    end = min(start, _first_awaited(outbox, [stored[kid] for kid in kids if kid not in fresh]))
    return Joining(
        destinations=tuple(fresh.get(kid) or stored[kid] for kid in kids),
        left=left,
        added=added,
        gap=_missing(outbox, end) if added and end else None,
        new_epoch=last is not None and start > last.seq,
    )


def _start(outbox: Outbox, keep_bytes: int) -> int:
    last = outbox.last
    if last is None:
        return 0
    newest = place_of(last.seq)[0]
    gone = outbox.state(GONE_EPOCH)
    whole = 0 if gone is None else gone + 1
    start = seq_of(newest + 1, 0)
    for epoch in range(newest, whole - 1, -1):
        seq = seq_of(epoch, 0)
        if outbox.row(seq) is None:
            continue
        loose = outbox.loose(seq - 1, LAST_SEQ, 1)
        _, pending = extent(outbox, seq - 1, loose[0] if loose else last, last)
        if pending * 100 > keep_bytes * _SHARE:
            break
        start = seq
    return start


def _first_awaited(outbox: Outbox, others: list[Destination]) -> int:
    """The first block that one of ``others`` has not receipted.

    New blocks overtake the backlog: a range told to be gone in one of them would let that destination step over
    blocks that are on their way.
    """
    if not others:
        return LAST_SEQ
    found = outbox.between(min(to.receipted_seq for to in others) + 1, LAST_SEQ, 1)
    return found[0].seq if found else LAST_SEQ


def _missing(outbox: Outbox, start: int) -> Gap | None:
    """Everything before ``start``, as one range: for information, it says nothing of what others receipted."""
    last, first = outbox.last, outbox.row(start)
    assert last is not None
    if first is None:
        return _gap(place_of(last.seq), last.first_reading + last.readings, last.head)
    epoch, number = place_of(start)
    if number:
        return _gap((epoch, number - 1), first.first_reading, _prev(outbox, start))
    earlier = (outbox.row(seq_of(before, 0)) for before in range(epoch - 1, -1, -1))
    opened = next((row for row in earlier if row is not None), None)
    if opened is None:
        return None
    before = (place_of(opened.seq)[0], first.ordinal - opened.ordinal - 1)
    return _gap(before, first.first_reading, _prev(outbox, start))


def _gap(last: tuple[int, int], readings: int, head: bytes) -> Gap | None:
    if not readings:  # the format cannot name a range that ends before reading 0
        return None
    return Gap(
        first_reading=0, last_reading=readings - 1, reason=_BEFORE_DESTINATION, first=(0, 0), last=last, head=head
    )


def _prev(outbox: Outbox, seq: int) -> bytes:
    (block,) = outbox.between(seq, seq, 1)
    try:
        return read_form(block.message).prev
    except BlockError as error:
        raise ChainDamagedError(f"{outbox.path}: block {place_of(seq)}: {error}") from error
