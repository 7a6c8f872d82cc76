"""Drives the verifier over a store of one gateway: what comes early waits, what it waited for releases it.

The collector puts a database behind ``Shelf``, the file verifier memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from agent.block.chain import ChainState, Known, Place
from agent.block.events import Gap
from agent.block.findings import FindingCode
from agent.block.form import Form, read_form
from agent.block.verify import Outcome, Verdict, Verifier

_LEADING_ON: Final = frozenset({Verdict.CHAINED, Verdict.UNREADABLE, Verdict.DETACHED})


class Shelf(Known, Protocol):
    """A store of one gateway's messages: chained, detached, parked, evidence."""

    def keep(self, outcome: Outcome) -> None:
        """File a message where its verdict says, and take it away from wherever it waited.

        CHAINED and UNREADABLE: the chain, with ``adds``. DETACHED: by place, with ``gaps``; above the bound the
        highest is dropped. PARKED: above the bound the newest is dropped. FORK: evidence. DUPLICATE and REFUSED:
        nothing is kept but a count. ``session``, where there is one, is remembered for its epoch.
        """
        ...

    def lowest_detached(self, after: Place | None) -> bytes | None:
        """The detached message of the lowest place above ``after`` (None: of all)."""
        ...

    def detached_gaps(self) -> Sequence[Gap]:
        """``gaps`` of all detached messages."""
        ...

    def unpark(self, epoch: int | None) -> Sequence[bytes]:
        """Take out the parked messages of an epoch, or all, in the order in which they came."""
        ...


def take(verifier: Verifier, message: bytes | Form, state: ChainState, shelf: Shelf) -> Iterator[Outcome]:
    """Judge and file one message and everything that waited for it.

    Every outcome is filed (``shelf.keep``) before it is given; the last one's ``state`` is the chain's end.
    A caller with a database wraps the whole call in one transaction.
    """
    waiting: deque[bytes | Form] = deque((message,))
    while waiting:
        for outcome in _settle(verifier, verifier.take(waiting.popleft(), state, shelf), shelf):
            state = outcome.state
            yield outcome
            waiting.extend(_unparked(outcome, shelf))


def _settle(verifier: Verifier, outcome: Outcome, shelf: Shelf) -> Iterator[Outcome]:
    """File an outcome, then judge the lowest detached message again as long as that leads on."""
    shelf.keep(outcome)
    yield outcome
    if outcome.verdict not in _LEADING_ON:
        return
    while True:
        gaps = shelf.detached_gaps()
        if outcome.verdict is Verdict.DETACHED and not gaps:
            return
        lowest = shelf.lowest_detached(outcome.state.place)
        if lowest is None:
            return
        form = read_form(lowest)
        if not gaps and not _may_follow(form, outcome.state):
            return
        again = verifier.take(form, outcome.state, shelf, gaps)
        if again.verdict is Verdict.DETACHED:
            return
        shelf.keep(again)
        yield again
        outcome = again


def _may_follow(form: Form, state: ChainState) -> bool:
    """Whether judging it again can change anything; saves a signature for each block while one waits far ahead."""
    return form.number == 0 or state.place is None or form.place == (state.place[0], state.place[1] + 1)


def _unparked(outcome: Outcome, shelf: Shelf) -> Sequence[bytes]:
    """What waited for this delegation or for this change of identity."""
    if any(finding.code is FindingCode.IDENTITY_CHANGED for finding in outcome.findings):
        return shelf.unpark(None)
    if outcome.session is not None and outcome.form is not None:
        return shelf.unpark(outcome.form.epoch)
    return ()
