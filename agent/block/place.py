"""Rule 4 of the verifier: where does a well-signed block belong. Pure; asks ``Known`` and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from agent.block.chain import ChainState, Known, Loss
from agent.block.events import Gap
from agent.block.form import Form
from agent.block.record import ZERO_HEAD


class Where(Enum):
    """What rule 4 says."""

    NEXT = auto()
    DUPLICATE = auto()
    DETACHED = auto()
    FORK = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a block belongs.

    Attributes:
        reason: kebab-case code, empty for NEXT and DUPLICATE.
        loss: what was declared lost right before it, only for NEXT.
    """

    where: Where
    reason: str = ""
    loss: Loss | None = None


_NEXT = Placement(where=Where.NEXT)
_DUPLICATE = Placement(where=Where.DUPLICATE)


def place(form: Form, state: ChainState, known: Known, gaps: Sequence[Gap] = ()) -> Placement:
    """Place a block that passed rules 1 to 3.

    Args:
        form: the block.
        state: end of the chain.
        known: what is stored.
        gaps: events 4 of blocks that are detached, given only for the lowest detached block: a hole is declared lost
            when they cover every number between the chain and the next block there is.

    Returns:
        NEXT: links, or goes on after a declared loss. DUPLICATE: already stored. DETACHED: ``predecessor-missing``,
        ``late-block`` (of a declared loss). FORK: ``same-number``, ``other-prev``, ``opens-elsewhere``,
        ``detached-rival``. REFUSED: ``genesis-prev``, ``epoch-closed``.
    """
    if form.place == (0, 0) and form.prev != ZERO_HEAD:
        return Placement(where=Where.REFUSED, reason="genesis-prev")
    stored = known.head(form.place)
    if stored == form.head:
        return _DUPLICATE
    if state.place is None:
        return _first(form, state, known)
    epoch, number = state.place
    if form.epoch < epoch:
        late = any(loss.covers(form.place) for loss in state.losses)
        return _detached(form, known, "late-block") if late else Placement(where=Where.REFUSED, reason="epoch-closed")
    if stored is not None:
        return Placement(where=Where.FORK, reason="same-number")
    if form.place <= state.place:
        return _detached(form, known, "late-block")
    if form.prev == state.head and form.place in ((epoch, number + 1), (form.epoch, 0)):
        return _NEXT
    if form.place == (epoch, number + 1):
        return Placement(where=Where.FORK, reason="other-prev")
    if form.number == 0 and known.place_of(form.prev) is not None:
        return Placement(where=Where.FORK, reason="opens-elsewhere")
    loss = declared_loss(form, state, gaps)
    if loss is not None:
        return Placement(where=Where.NEXT, loss=loss)
    return _detached(form, known, "predecessor-missing")


def declared_loss(form: Form, state: ChainState, gaps: Sequence[Gap]) -> Loss | None:
    """Whether ``gaps`` cover every number missing between the end of the chain and this block.

    The last range has to reach up to the block: its hash is the block's prev, or, if it ends beyond the block, that
    block was dropped later than others and there is no such hash. Where the end of an epoch is missing, only that
    hash tells how long the epoch was.
    """
    if state.place is None:
        return None
    first = cursor = (state.place[0], state.place[1] + 1)
    for gap in sorted(gaps, key=lambda gap: gap.first):
        if gap.first > cursor:
            break
        end = (gap.last[0], gap.last[1] + 1)
        cursor = max(cursor, end)
        reaches = end > form.place or (gap.head == form.prev and (end == form.place or form.number == 0))
        if reaches and gap.last_reading + 1 >= form.first_reading:
            return Loss(
                first=first,
                until=form.place,
                readings=(state.next_reading, max(state.next_reading, form.first_reading)),
                reason=gap.reason,
            )
    return None


def _first(form: Form, state: ChainState, known: Known) -> Placement:
    """Nothing is chained yet: the chain begins at block 0 of its first epoch."""
    if form.place == (state.begins, 0):
        return _NEXT
    if form.epoch < state.begins:
        return Placement(where=Where.REFUSED, reason="epoch-closed")
    return _detached(form, known, "predecessor-missing")


def _detached(form: Form, known: Known, reason: str) -> Placement:
    other = known.detached_head(form.place)
    if other is not None and other != form.head:
        return Placement(where=Where.FORK, reason="detached-rival")
    return Placement(where=Where.DETACHED, reason=reason)
