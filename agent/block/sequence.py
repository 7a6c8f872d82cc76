"""Verifying a whole file: every message of every gateway in it, and one verdict at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.block import intake
from agent.block.cbseq import BadStretch
from agent.block.chain import ChainState, Place
from agent.block.dictionary import Tables
from agent.block.errors import FormError
from agent.block.file_verdict import BadMessage, ChainVerdict, FileVerdict, Missing
from agent.block.findings import Finding
from agent.block.form import Form, read_form
from agent.block.memory import MemoryShelf
from agent.block.readings import own_anchor, utc_at
from agent.block.record import Block
from agent.block.verify import Outcome, Trust, Verdict, Verifier

_LISTED: Final = 1000
"""So many bad messages and findings are listed; all are counted."""


def verify_sequence(
    messages: Iterable[bytes | BadStretch], trust: Trust, tables: dict[bytes, Tables] | None = None
) -> FileVerdict:
    """Verify all messages of a file and give the verdict; see ``FileVerifier``."""
    verifier = FileVerifier(trust, tables)
    for message in messages:
        for _ in verifier.take(message):
            pass
    return verifier.finish()


class FileVerifier:
    """Verifies messages in the order of a file, which need not be the order of the chain."""

    def __init__(self, trust: Trust, tables: dict[bytes, Tables] | None = None) -> None:
        """Start with nothing read.

        Args:
            trust: identity keys given beforehand.
            tables: by gateway, the dictionary before the first epoch of a file that does not begin at the genesis.
        """
        self._verifier = Verifier(trust)
        self._tables = tables or {}
        self._chains: dict[bytes, _Tally] = {}
        self._index = -1
        self._messages = 0
        self._bad: list[BadMessage] = []
        self._bad_count = 0

    def take(self, message: bytes | BadStretch) -> Iterator[Outcome]:
        """Judge the next message; gives its outcome and those of messages that waited for it. Run it to its end."""
        self._index += 1
        if isinstance(message, BadStretch):
            self._note("bad-stretch", f"{message.length} bytes at {message.offset}")
            return
        self._messages += 1
        try:
            form = read_form(message)
        except FormError as error:
            self._note(error.reason, error.detail)
            return
        chain = self._chains.get(form.gateway)
        if chain is None:
            chain = self._chains[form.gateway] = _Tally(form=form, state=self._begin(form))
        if chain.state is None:
            chain.add_refused(self._index, form, "unknown-gateway")
            return
        for outcome in intake.take(self._verifier, form, chain.state, chain.shelf):
            chain.add(self._index, outcome)
            yield outcome

    def finish(self) -> FileVerdict:
        """The verdict on everything taken so far."""
        chains = tuple(chain.verdict() for chain in self._chains.values())
        return FileVerdict(
            proven=bool(chains) and not self._bad_count and all(chain.proven for chain in chains),
            messages=self._messages,
            chains=chains,
            bad=tuple(self._bad),
            bad_count=self._bad_count,
        )

    def _begin(self, form: Form) -> ChainState | None:
        tables = self._tables.get(form.gateway)
        if tables is None or form.epoch == 0:
            return self._verifier.begin(form.gateway)
        return self._verifier.begin(form.gateway, epoch=form.epoch, tables=tables)

    def _note(self, reason: str, detail: str) -> None:
        self._bad_count += 1
        if len(self._bad) < _LISTED:
            self._bad.append(BadMessage(index=self._index, place=None, reason=reason, detail=detail))


@dataclass(slots=True)
class _Tally:
    """One gateway while its messages are read."""

    form: Form
    state: ChainState | None
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    epochs: dict[int, int] = field(default_factory=dict)
    counts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    readings: int = 0
    first_utc_ms: int | None = None
    last_utc_ms: int | None = None
    bad: list[BadMessage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, index: int, outcome: Outcome) -> None:
        """Count an outcome."""
        self.state = outcome.state
        self.counts[outcome.verdict] += 1
        form = outcome.form
        if form is not None and outcome.verdict in (Verdict.CHAINED, Verdict.UNREADABLE):
            self.epochs[form.epoch] = self.epochs.get(form.epoch, 0) + 1
        if outcome.block is not None:
            self._add_readings(outcome.block)
        if outcome.verdict in (Verdict.REFUSED, Verdict.UNREADABLE, Verdict.FORK) and len(self.bad) < _LISTED:
            place = None if form is None else form.place
            self.bad.append(BadMessage(index=index, place=place, reason=outcome.reason, detail=outcome.detail))
        self.findings.extend(outcome.findings[: _LISTED - len(self.findings)])

    def add_refused(self, index: int, form: Form, reason: str) -> None:
        """Count a message that no verifier was asked about."""
        self.counts[Verdict.REFUSED] += 1
        if len(self.bad) < _LISTED:
            self.bad.append(BadMessage(index=index, place=form.place, reason=reason))

    def verdict(self) -> ChainVerdict:
        """What was shown of this gateway."""
        state = self.state
        waiting, parked = self.shelf.waiting()
        counts = self.counts
        missing = () if state is None else _missing(state, self.shelf, waiting)
        hindered = counts[Verdict.REFUSED] + counts[Verdict.UNREADABLE] + counts[Verdict.FORK]
        hindered += len(waiting) + parked + self.shelf.dropped + len(missing)
        last = None if state is None else state.place
        return ChainVerdict(
            gateway=self.form.gateway,
            trusted=state is not None,
            proven=last is not None and not hindered,
            begins=0 if state is None else state.begins,
            first_seen=self.form.place,
            last=last,
            head=bytes(32) if state is None else state.head,
            epochs=tuple(sorted(self.epochs.items())),
            blocks=sum(self.epochs.values()),
            readings=self.readings,
            first_utc_ms=self.first_utc_ms,
            last_utc_ms=self.last_utc_ms,
            declared=() if state is None else state.losses,
            missing=missing,
            duplicates=counts[Verdict.DUPLICATE],
            detached=len(waiting),
            parked=parked,
            dropped=self.shelf.dropped,
            refused=counts[Verdict.REFUSED],
            unreadable=counts[Verdict.UNREADABLE],
            forks=counts[Verdict.FORK],
            bad=tuple(self.bad),
            findings=tuple(self.findings),
        )

    def _add_readings(self, block: Block) -> None:
        columns = block.columns
        if columns is None:
            return
        self.readings += len(columns.points)
        anchor = own_anchor(block)
        if anchor is not None:
            if self.first_utc_ms is None:
                self.first_utc_ms = utc_at(anchor, columns.mono_ms[0]).utc_ms
            self.last_utc_ms = utc_at(anchor, columns.mono_ms[-1]).utc_ms


def _missing(state: ChainState, shelf: MemoryShelf, waiting: Sequence[Place]) -> tuple[Missing, ...]:
    """The holes between the end of the chain and the detached blocks, and between those.

    How long an epoch was only the first block of the next one tells, by linking to its last.
    """
    expected = (state.begins, 0) if state.place is None else (state.place[0], state.place[1] + 1)
    head = state.head
    holes = []
    for place in waiting:
        if place > expected and not (place[1] == 0 and shelf.detached_prev(place) == head):
            holes.append(Missing(first=expected, until=place))
        expected = max(expected, (place[0], place[1] + 1))
        head = shelf.detached_head(place) or head
    return tuple(holes)
