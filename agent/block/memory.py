"""A shelf in memory: what the file verifier keeps of one gateway while it reads."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.block.chain import Place
from agent.block.events import Gap
from agent.block.form import read_form
from agent.block.shape import HASH_BYTES
from agent.block.verify import Outcome, Verdict

DETACHED_MESSAGES: Final = 10_000
DETACHED_BYTES: Final = 32 * 1024 * 1024
PARKED_MESSAGES: Final = 256
PARKED_BYTES: Final = 8 * 1024 * 1024


class HeadTable:
    """Heads by place, 32 bytes each: a year of blocks must fit into memory."""

    def __init__(self) -> None:
        self._runs: dict[int, list[tuple[int, bytearray]]] = {}

    def put(self, place: Place, head: bytes) -> None:
        """Remember the head of the next chained block; places only rise."""
        epoch, number = place
        runs = self._runs.setdefault(epoch, [])
        if not runs or runs[-1][0] + len(runs[-1][1]) // HASH_BYTES != number:
            runs.append((number, bytearray()))
        runs[-1][1].extend(head)

    def get(self, place: Place) -> bytes | None:
        """The head at a place, None where nothing is chained."""
        epoch, number = place
        for first, heads in reversed(self._runs.get(epoch, ())):
            at = (number - first) * HASH_BYTES
            if 0 <= at < len(heads):
                return bytes(heads[at : at + HASH_BYTES])
        return None

    def find(self, head: bytes) -> Place | None:
        """The place of a head; looks through all, newest epoch first."""
        for epoch in reversed(self._runs):
            for first, heads in self._runs[epoch]:
                at = heads.find(head)
                while at >= 0 and at % HASH_BYTES:
                    at = heads.find(head, at + 1)
                if at >= 0:
                    return epoch, first + at // HASH_BYTES
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    message: bytes
    head: bytes


@dataclass(slots=True)
class MemoryShelf:
    """``intake.Shelf`` in memory, with the format's bounds for what waits.

    Attributes:
        dropped: detached or parked messages that were over the bounds.
        evidence: messages on the other side of a fork.
    """

    heads: HeadTable = field(default_factory=HeadTable)
    dropped: int = 0
    evidence: list[bytes] = field(default_factory=list)
    _detached: dict[Place, _Waiting] = field(default_factory=dict)
    _places: list[Place] = field(default_factory=list)
    _gaps: dict[Place, tuple[Gap, ...]] = field(default_factory=dict)
    _detached_bytes: int = 0
    _evidence_bytes: int = 0
    _parked: list[tuple[int, bytes]] = field(default_factory=list)
    _sessions: dict[int, bytes] = field(default_factory=dict)
    _epochs: dict[bytes, int] = field(default_factory=dict)

    def head(self, place: Place) -> bytes | None:
        """See ``Known``."""
        return self.heads.get(place)

    def place_of(self, head: bytes) -> Place | None:
        """See ``Known``."""
        return self.heads.find(head)

    def detached_head(self, place: Place) -> bytes | None:
        """See ``Known``."""
        waiting = self._detached.get(place)
        return None if waiting is None else waiting.head

    def detached_prev(self, place: Place) -> bytes | None:
        """What the detached block there links to."""
        waiting = self._detached.get(place)
        return None if waiting is None else read_form(waiting.message).prev

    def session(self, epoch: int) -> bytes | None:
        """See ``Known``."""
        return self._sessions.get(epoch)

    def epoch_of(self, session_spki: bytes) -> int | None:
        """See ``Known``."""
        return self._epochs.get(session_spki)

    def keep(self, outcome: Outcome) -> None:
        """See ``Shelf``."""
        form = outcome.form
        if form is None:
            return
        self._forget_detached(form.place, form.head)
        if outcome.session is not None:
            self._sessions.setdefault(form.epoch, outcome.session)
            self._epochs.setdefault(outcome.session, form.epoch)
        match outcome.verdict:
            case Verdict.CHAINED | Verdict.UNREADABLE:
                self.heads.put(form.place, form.head)
            case Verdict.DETACHED:
                self._detach(form.place, _Waiting(message=outcome.message, head=form.head), outcome.gaps)
            case Verdict.PARKED:
                self._park(form.epoch, outcome.message)
            case Verdict.FORK:
                self._keep_evidence(outcome.message)

    def lowest_detached(self, after: Place | None) -> bytes | None:
        """See ``Shelf``."""
        at = 0 if after is None else bisect_right(self._places, after)
        return self._detached[self._places[at]].message if at < len(self._places) else None

    def detached_gaps(self) -> Sequence[Gap]:
        """See ``Shelf``."""
        return [gap for gaps in self._gaps.values() for gap in gaps]

    def unpark(self, epoch: int | None) -> Sequence[bytes]:
        """See ``Shelf``."""
        out = [message for at, message in self._parked if epoch is None or at == epoch]
        self._parked = [entry for entry in self._parked if epoch is not None and entry[0] != epoch]
        return out

    def waiting(self) -> tuple[Sequence[Place], int]:
        """Places of the detached blocks, ascending, and how many messages are parked."""
        return tuple(self._places), len(self._parked)

    def _detach(self, place: Place, waiting: _Waiting, gaps: tuple[Gap, ...]) -> None:
        """Beyond the bounds the highest goes: it is the last one that could be needed."""
        self._detached[place] = waiting
        self._detached_bytes += len(waiting.message)
        insort(self._places, place)
        if gaps:
            self._gaps[place] = gaps
        while len(self._places) > DETACHED_MESSAGES or self._detached_bytes > DETACHED_BYTES:
            highest = self._places[-1]
            self._forget_detached(highest, self._detached[highest].head)
            self.dropped += 1

    def _forget_detached(self, place: Place, head: bytes) -> None:
        waiting = self._detached.get(place)
        if waiting is not None and waiting.head == head:
            del self._detached[place]
            del self._places[bisect_left(self._places, place)]
            self._gaps.pop(place, None)
            self._detached_bytes -= len(waiting.message)

    def _park(self, epoch: int, message: bytes) -> None:
        if (epoch, message) in self._parked:
            return
        used = sum(len(parked) for _, parked in self._parked)
        if len(self._parked) >= PARKED_MESSAGES or used + len(message) > PARKED_BYTES:
            self.dropped += 1
            return
        self._parked.append((epoch, message))

    def _keep_evidence(self, message: bytes) -> None:
        if message in self.evidence:
            return
        if self._evidence_bytes + len(message) > DETACHED_BYTES:
            self.dropped += 1
            return
        self.evidence.append(message)
        self._evidence_bytes += len(message)
