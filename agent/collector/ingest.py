"""A batch of messages in one transaction: read the heads under the lock, judge against them, store, write them back.

Whatever a collector believed before the lock does not count, so two of them may be fed the same messages at once:
each block is stored by one of them and is a duplicate for the other.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.block import intake
from agent.block.chain import ChainState, Place
from agent.block.dictionary import Tables
from agent.block.errors import BlockError, FormError
from agent.block.form import Form, read_form
from agent.block.verify import Outcome, Trust, Verdict, Verifier
from agent.collector.beginnings import Beginnings
from agent.collector.head_row import Cached, Counts, read_head, write_head
from agent.collector.shelf import Pages, SqlShelf
from agent.collector.store import Database
from agent.collector.waiting import Waiting
from agent.keys import NamedKey

CACHED_POINTS: Final = 500_000
"""Bound of the process's memory of dictionaries, about 250 bytes a point."""
MOST_STRANGERS: Final = 16
_RECEIPTED: Final = (
    "UPDATE gateway SET receipt_epoch = ?, receipt_number = ?, receipt_ms = ? WHERE gateway = ?"
    " AND (coalesce(receipt_epoch, -1), coalesce(receipt_number, -1)) <= (?, ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as it came.

    Attributes:
        gateway: id in its topic, None where there is no topic (a file).
        dictionary: it is a part of a gateway's dictionary, not a block.
    """

    message: bytes
    gateway: bytes | None = None
    dictionary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """A receipt that was signed and sent."""

    gateway: bytes
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a gateway stands after a commit.

    Attributes:
        place: of its last chained block, None before the first.
        head: of that block.
        waits_at: lowest place among its detached blocks, None if none waits.
        parked: epochs for which messages wait without a delegation.
        chained: blocks that this batch chained.
        repeated: whether this batch held a duplicate, so that the receipt has to go out again.
        forked: no receipts until an operator decides.
    """

    gateway: bytes
    place: Place | None
    head: bytes
    waits_at: Place | None
    parked: tuple[int, ...]
    chained: int
    repeated: bool
    forked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of one batch.

    Attributes:
        progress: of each trusted gateway in it.
        verdicts: messages by verdict, those that waited and now moved included.
        reasons: refusals by kebab-case reason; ``stranger`` and ``wrong-topic`` are ours.
        strangers: some of the gateways that nobody trusts here, by what their messages claim.
    """

    progress: tuple[Progress, ...]
    verdicts: tuple[tuple[Verdict, int], ...]
    reasons: tuple[tuple[str, int], ...]
    readings: int
    strangers: tuple[bytes, ...] = ()


class Ingest:
    """Feeds one database. One thread at a time; it keeps nothing that the database does not say."""

    def __init__(self, db: Database, trust: Sequence[NamedKey]) -> None:
        """Trust these identity keys; their names are the sites'.

        Raises:
            FormError: one is no well-formed key.
        """
        self._db = db
        self._verifier = Verifier(Trust.of(key.spki for key in trust))
        self._sites = {key.kid: key.name or key.kid.hex() for key in trust}
        self._cache: OrderedDict[bytes, Cached] = OrderedDict()
        self._beginnings = Beginnings()

    def take(self, arrivals: Iterable[Arrival], now_ms: int, receipted: Iterable[Receipted] = ()) -> Batch:
        """Judge and store a batch; when this returns, it is committed.

        Args:
            arrivals: in the order in which they came.
            now_ms: UTC of this collector.
            receipted: receipts that went out, to be shown in the gateways' rows.

        Raises:
            StorageError: nothing of the batch was stored; it may be given again.
        """
        job = _Job(self._db, now_ms)
        arrivals = tuple(arrivals)
        offering = self._offers(arrivals, job.reasons)
        forms = self._forms(arrivals, job.reasons, job.strangers)
        with self._db.transaction():
            pages = Pages.begin(self._db)
            for gateway in {*offering, *(form.gateway for form in forms)}:
                shelf = job.shelves[gateway] = self._open(gateway, pages, now_ms)
                job.before[gateway] = replace(shelf.head_row.counts)
            for form in forms:
                shelf = job.shelves[form.gateway]
                job.count(intake.take(self._verifier, form, shelf.head_row.cached.state, shelf))
            for gateway, shelf in job.shelves.items():
                job.count(self._beginnings.begin(self._verifier, gateway, shelf))
            pages.flush()
            self._db.run_many(_RECEIPTED, [(*sent.place, now_ms, sent.gateway, *sent.place) for sent in receipted])
            progress = tuple(job.close(gateway, shelf) for gateway, shelf in job.shelves.items())
        for gateway, shelf in job.shelves.items():
            self._remember(gateway, shelf.head_row.cached)
            if shelf.head_row.cached.state.place is not None:
                self._beginnings.forget(gateway)
        return Batch(
            progress=progress,
            verdicts=tuple(job.verdicts.items()),
            reasons=tuple(job.reasons.items()),
            readings=job.readings(),
            strangers=tuple(sorted(job.strangers)),
        )

    def known(self) -> tuple[Progress, ...]:
        """Give where every trusted gateway in the database stands, for a collector that starts."""
        rows = self._db.all("SELECT id, gateway, state, detached, parked FROM gateway ORDER BY id")
        found = []
        for row, gateway, packed, detached, parked in rows:
            if gateway not in self._sites:
                continue
            state = ChainState.unpack(packed, Tables())
            waiting = Waiting(self._db, row, Counts(detached=detached, parked=parked))
            found.append(
                Progress(
                    gateway=gateway,
                    place=state.place,
                    head=state.head,
                    waits_at=waiting.lowest_place(state.place),
                    parked=waiting.parked_epochs(),
                    chained=0,
                    repeated=False,
                    forked=state.forked,
                )
            )
        return tuple(found)

    def _forms(self, arrivals: Iterable[Arrival], reasons: Counter[str], strangers: set[bytes]) -> list[Form]:
        """Rule 1, before the lock: it needs nothing that is stored."""
        forms = []
        for arrival in arrivals:
            if arrival.dictionary:
                continue
            try:
                form = read_form(arrival.message)
            except FormError as error:
                reasons[error.reason] += 1
                continue
            if form.gateway not in self._sites:
                reasons["stranger"] += 1
                if len(strangers) < MOST_STRANGERS:
                    strangers.add(form.gateway)
            elif arrival.gateway not in (None, form.gateway):
                reasons["wrong-topic"] += 1
            else:
                forms.append(form)
        return forms

    def _offers(self, arrivals: Iterable[Arrival], reasons: Counter[str]) -> set[bytes]:
        """Take in the parts of dictionaries; gives whose they are."""
        found = set()
        for arrival in arrivals:
            if not arrival.dictionary:
                continue
            if arrival.gateway is None or arrival.gateway not in self._sites:
                reasons["stranger"] += 1
                continue
            try:
                self._beginnings.offer(arrival.gateway, arrival.message)
            except BlockError as error:
                reasons[error.reason] += 1
                continue
            found.add(arrival.gateway)
        return found

    def _open(self, gateway: bytes, pages: Pages, now_ms: int) -> SqlShelf:
        begin = self._verifier.begin(gateway)
        assert begin is not None  # only trusted gateways come here
        cached = self._cache.pop(gateway, None)  # put back after the commit: it grows with the transaction
        row = read_head(self._db, gateway, self._sites[gateway], begin, cached)
        return SqlShelf(self._db, row, pages, now_ms)

    def _remember(self, gateway: bytes, cached: Cached) -> None:
        self._cache[gateway] = cached
        self._cache.move_to_end(gateway)
        total = sum(len(other.points) for other in self._cache.values())
        while total > CACHED_POINTS and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            total -= len(oldest.points)


class _Job:
    """What one batch gathers."""

    def __init__(self, db: Database, now_ms: int) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self.reasons: Counter[str] = Counter()
        self.strangers: set[bytes] = set()
        self.shelves: dict[bytes, SqlShelf] = {}
        self.before: dict[bytes, Counts] = {}
        self._db = db
        self._now_ms = now_ms

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count what becomes of one message and of everything that waited for it."""
        for outcome in outcomes:
            self.verdicts[outcome.verdict] += 1
            if outcome.verdict is Verdict.REFUSED:
                self.reasons[outcome.reason] += 1

    def close(self, gateway: bytes, shelf: SqlShelf) -> Progress:
        """Write a gateway's row back."""
        row, waits_at, parked = shelf.close()
        write_head(self._db, row, self._now_ms, waiting=waits_at is not None or bool(parked))
        state, counts, before = row.cached.state, row.counts, self.before[gateway]
        return Progress(
            gateway=gateway,
            place=state.place,
            head=state.head,
            waits_at=waits_at,
            parked=parked,
            chained=counts.blocks - before.blocks,
            repeated=counts.duplicates > before.duplicates,
            forked=state.forked,
        )

    def readings(self) -> int:
        """Give the readings that became part of a chain."""
        return sum(
            shelf.head_row.counts.readings - self.before[gateway].readings for gateway, shelf in self.shelves.items()
        )
