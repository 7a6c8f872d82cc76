"""The work of the storage thread, without the thread: takes readings in, decides when to seal, commits.

``Desk`` owns the outbox, the writer and the session key. Whoever drives it gives ``intake`` what came in and calls
``turn`` whenever ``due_ms`` is reached; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from agent.block import events
from agent.block.dictionary import encode_add
from agent.block.errors import SealError
from agent.block.events import read_events
from agent.block.form import EVENTS, read_form
from agent.block.messages import Receipt
from agent.block.record import Event, EventKind
from agent.clock import SealingClock
from agent.clock_watch import ClockWatch
from agent.errors import KeyUnavailableError, StorageError
from agent.keys import KeyStore
from agent.killpoint import KillPoint, Reached
from agent.outbox import LAST_SEQ, Commit
from agent.storing.chain import CLEAN_SEQ, StorageSettings, open_chain
from agent.storing.committing import Committing, Fault
from agent.storing.custody import Custody
from agent.storing.epochs import EPOCH_LIVED_S
from agent.storing.flash import FlashBudget
from agent.storing.intake import Intake
from agent.storing.recollection import Recollection
from agent.storing.reserve import Reserve
from agent.storing.seal_rules import SealRules
from agent.storing.sealing import Contents, Sealing
from agent.storing.stored import ReceiptOutcome, StorageStatus, StoredBlock, place_of, seq_of

RESERVE_FILE: Final = "outbox.reserve"
_KEY_RETRY_MS: Final = 10_000
_DISK_RETRY_MS: Final = 2_000
_TEXT: Final = 60
_COMMIT_BYTES: Final = 8_192
"""What one commit writes beside its blocks; used where the kernel does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """What a flush stored, and why not everything if something still waits for the disk or a key."""

    blocks: tuple[StoredBlock, ...]
    fault: Fault | None


class Desk:
    """One gateway's storage, for one thread. Opening raises as ``open_chain``.

    Attributes:
        intake: where readings and events go in.
        recollection: what was sealed before this run.
    """

    def __init__(
        self,
        settings: StorageSettings,
        keys: KeyStore,
        clock: SealingClock,
        *,
        random: Callable[[int], bytes],
        written: Callable[[], int | None],
        reached: Reached,
    ) -> None:
        now = clock.sample()
        self._settings, self._clock, self._reached = settings, clock, reached
        chain = open_chain(settings, keys, now)
        reserve = Reserve(settings.folder / RESERVE_FILE)
        reserve.set_aside()
        self._outbox, self._epochs, self._lifetime = chain.outbox, chain.epochs, chain.lifetime
        self._epoch_open, self._epoch_wanted = chain.resumed, chain.joining.new_epoch
        joined = chain.joining
        self._custody = Custody(chain.outbox, reserve, settings.limits, joined.destinations, joined.left)
        self._committing = Committing(chain.outbox, chain.writer, self._custody, reserve, reached)
        self._sealing = Sealing(chain.writer, reached)
        self._rules = SealRules(settings.rules, now.mono_ms)
        self._watch = ClockWatch(now)
        self._flash = FlashBudget(
            budget_mb_day=settings.rules.flash_budget_mb_day, max_age_s=settings.rules.max_age_s, now_ms=now.mono_ms
        )
        self._written, self._counted_bytes = written, written()
        self._fault: Fault | None = None
        self._disk_fault: Fault | None = None
        self._not_before_ms = 0
        self._told = StorageStatus()
        self._dropped = self._refused = 0
        self._committed_ms: int | None = None
        self.recollection = Recollection(chain.outbox, chain.writer)
        self.intake = Intake(chain.writer, chain.first_events, random, now.mono_ms, self._outbox.state)
        self.intake.pressure = self._custody.pressure()
        self._under_way = 0
        self._settled = 0

    @property
    def settled(self) -> int:
        """Readings taken in that need no more memory."""
        return self._settled + self.intake.settled

    def room(self) -> int:
        """Tell how many more readings make a block due at once."""
        waiting = self.intake.waiting().readings
        return 1 if self._rules.opening else max(1, self._settings.rules.max_readings - waiting)

    def due_ms(self) -> int | None:
        """Tell when to call ``turn`` if nothing comes in; the past means now, None never again."""
        if self._committing.frozen:
            return None
        if self._committing.retry_ms is not None:
            return self._committing.retry_ms
        age_s = self._flash.age_s(self._now_ms())
        return max(self._rules.due_ms(self.intake.waiting(), age_s), self._not_before_ms)

    def turn(self, *, flush: bool = False) -> tuple[StoredBlock, ...]:
        """Seal and commit what is due, or everything with ``flush``; gives the blocks that are stored now."""
        now_ms, due_ms = self._now_ms(), self.due_ms()
        if due_ms is None or (due_ms > now_ms and not flush):
            return ()
        if self._committing.retry_ms is None and not self._try_to_seal(now_ms, flush=flush):
            return ()
        return self._commit(now_ms)

    def flush(self) -> Flushed:
        """Seal and commit what waits, as far as the disk lets it; no heartbeat if nothing does."""
        stored: list[StoredBlock] = []
        if self._committing.retry_ms is not None:
            stored += self.turn(flush=True)
        if self._committing.retry_ms is None and (self._rules.opening or not self.intake.empty()):
            stored += self.turn(flush=True)
        return Flushed(blocks=tuple(stored), fault=self._in_the_way())

    def finish(self) -> tuple[StoredBlock, ...]:
        """Seal and commit what waits and mark the stop as clean, as far as the disk lets it."""
        stored = self.flush().blocks
        last = self._outbox.last
        if self._committing.retry_ms is None and not self._committing.frozen and last is not None:
            self._committing.begin(Commit(state=((CLEAN_SEQ, last.seq),), destinations=self._custody.changes(())))
            self._commit(self._now_ms())
        return stored

    def close(self) -> None:
        """Let go of the file; nothing may be asked afterwards."""
        self._outbox.close()

    def peek(self, destination: bytes, after: int, limit: int) -> tuple[StoredBlock, ...]:
        """Give blocks later than ``after`` that ``destination`` has not receipted, in chain order."""
        return self._custody.blocks(destination, after, limit)

    def fetch(self, epoch: int, first: int, last: int | None, limit: int) -> tuple[StoredBlock, ...]:
        """Give blocks ``first`` to ``last`` of ``epoch`` that are still here; None: all after, later epochs too."""
        end = LAST_SEQ if last is None else min(LAST_SEQ, seq_of(epoch, last))
        return self._outbox.between(min(LAST_SEQ, seq_of(epoch, first)), end, limit)

    def dictionary_before(self, epoch: int) -> tuple[bytes, ...]:
        """Give the encoded dictionary-adds of everything before ``epoch``, in order (``.cbdict``)."""
        kept = (read_form(message) for message in self._outbox.kept())
        before = [form.payload[EVENTS] for form in kept if form.epoch < epoch and EVENTS in form.payload]
        found = (event for value in before for event in read_events(value))
        return tuple(encode_add(events.addition_of(event)) for event in found if event.kind == EventKind.DICTIONARY)

    def receipted(self, destination: bytes, receipt: Receipt) -> ReceiptOutcome:
        """Take in a receipt whose signature was checked."""
        outcome = self._custody.receipted(destination, receipt.epoch, receipt.number, receipt.head)
        place = (receipt.epoch, receipt.number)
        if outcome is ReceiptOutcome.ABOVE_CHAIN:
            self._committing.freeze(f"block {place} was receipted and is not stored (a restored backup)")
        elif outcome is ReceiptOutcome.FOREIGN_HEAD:
            self._fault = Fault(code="chain-damaged", text=f"the receipt of block {place} is of another block")
        elif outcome is ReceiptOutcome.ACCEPTED:
            self._reached(KillPoint.RECEIPTED)
        return outcome

    def status(self) -> StorageStatus:
        """Tell how things are; if the disk does not say, how they were, and the fault."""
        try:
            self._told = self._look()
        except StorageError as error:
            fault = self._committing.fault or Fault(code=error.code, text=str(error))
            return replace(self._told, fault_code=fault.code, fault=fault.text)
        return self._told

    def _look(self) -> StorageStatus:
        now_ms, last = self._now_ms(), self._outbox.last
        pending, pending_bytes = self._custody.pending()
        kept, kept_bytes = self._custody.kept()
        fault = self._committing.fault or self._disk_fault or self._fault
        return StorageStatus(
            sealed_blocks=last.ordinal if last is not None else 0,
            sealed_readings=last.first_reading + last.readings if last is not None else 0,
            pending_blocks=pending,
            pending_bytes=pending_bytes,
            archived_blocks=kept - pending,
            kept_bytes=kept_bytes,
            waiting_readings=self.intake.waiting().readings,
            last=place_of(last.seq) if last is not None else None,
            last_commit_mono_ms=self._committed_ms,
            max_age_s=self._flash.age_s(now_ms),
            flash_bytes_day=self._flash.bytes_day(now_ms),
            pressure=self.intake.pressure,
            dropped_blocks=self._dropped,
            shed_readings=self.intake.shed,
            fault_code=fault.code if fault is not None else "",
            fault=fault.text if fault is not None else "",
            destinations=tuple(self._custody.status()),
            exchanged=self.intake.exchanged,
        )

    def _in_the_way(self) -> Fault | None:
        """What kept the last turn from storing everything; a fault that is over, or of something else, is none."""
        if self._committing.retry_ms is None and not self._rules.opening and self.intake.empty():
            return None
        return self._committing.fault or self._disk_fault or (None if self._epoch_open else self._fault)

    def _now_ms(self) -> int:
        return self._clock.mono_ns() // 1_000_000

    def _try_to_seal(self, now_ms: int, *, flush: bool) -> bool:
        """``_seal``; False too while the disk does not answer, which is asked again soon."""
        try:
            sealed = self._seal(now_ms, flush=flush)
        except StorageError as error:
            self._disk_fault = Fault(code=error.code, text=str(error))
            self._not_before_ms = now_ms + _DISK_RETRY_MS
            self._reopen()
            return False
        self._disk_fault = None
        return sealed

    def _reopen(self) -> None:
        """After a failed read; nothing waits to be committed, so the end of the chain has to be where it was."""
        last = self._outbox.last
        try:
            self._outbox.reopen()
        except StorageError:
            return
        if self._outbox.last != last:
            self._committing.freeze(f"{self._outbox.path}: the last block is not the one that was stored")

    def _seal(self, now_ms: int, *, flush: bool) -> bool:
        """Sign what is due and hand it to ``_committing``; False if nothing can be signed now.

        Raises:
            StorageError: the disk does not tell what may go; nothing was signed and everything still waits.
        """
        sample, lived_s = self._clock.sample(), self._lifetime.lived_s(now_ms)
        removed = self._custody.removable(lived_s)
        dropped, gaps = self._custody.last_resort()
        over = self._epoch_open and (self._epoch_wanted or self._epochs.over(lived_s))
        fresh = (over or not self._epoch_open) and self._prepare_epoch(now_ms)
        if not fresh and not self._epoch_open:
            return False
        if fresh and not over:
            self._epochs.open(sample, lived_s)
        contents = Contents(
            clock=sample,
            events=(
                *self.intake.events(now_ms, flush=flush),
                *self._watch.events(sample),
                *(events.gap(now_ms, gap) for gap in gaps),
            ),
            columns=self.intake.columns(self._settings.rules.max_readings, flush=flush),
            marks=self._custody.marks(),
            last_event=events.epoch_close(sample.mono_ms) if fresh and over else None,
        )
        sealed = self._sealing.seal(contents)
        if fresh and over:
            self._epochs.open(sample, lived_s)
            sealed += self._sealing.seal(Contents(clock=sample))
        self._tell_refused(now_ms)
        self._epoch_open, self._epoch_wanted = True, self._epoch_wanted and not fresh
        self._rules.sealed(now_ms)
        self._under_way = sum(len(columns.points) for columns in contents.columns)
        self._dropped += len(dropped)
        self._committing.begin(
            Commit(
                blocks=sealed,
                lived_s=lived_s,
                removed=(*removed, *dropped),
                destinations=self._custody.changes(contents.marks),
                state=(*(((EPOCH_LIVED_S, lived_s),) if fresh else ()), *self.intake.take_marks()),
            )
        )
        return True

    def _prepare_epoch(self, now_ms: int) -> bool:
        try:
            self._epochs.prepare()
        except KeyUnavailableError as error:
            self._fault = Fault(code=error.code, text=str(error))
            self._not_before_ms = now_ms + _KEY_RETRY_MS if not self._epoch_open else 0
            return False
        self._fault, self._not_before_ms = None, 0
        return True

    def _commit(self, now_ms: int) -> tuple[StoredBlock, ...]:
        change, recovered = self._committing.attempt(now_ms)
        if recovered is not None:
            self.intake.note(recovered, now_ms)
        if change is None:
            return ()
        self._settled += self._under_way
        self._under_way = 0
        self._committed_ms = now_ms
        self._count_written(change, now_ms)
        with suppress(StorageError):  # the pressure stays what it was
            self.intake.pressure = self._custody.pressure()
        if any(key == EPOCH_LIVED_S for key, _ in change.state):
            self._destroy_old_keys()
        return tuple(
            StoredBlock(
                seq=seq_of(sealed.epoch, sealed.number),
                epoch=sealed.epoch,
                number=sealed.number,
                head=sealed.head,
                message=sealed.message,
                readings=sealed.readings,
            )
            for sealed in change.blocks
        )

    def _tell_refused(self, now_ms: int) -> None:
        """Readings that no block can hold leave a trace in the next one."""
        if self._sealing.refused > self._refused:
            self._refused = self._sealing.refused
            fields = (SealError.code, self._sealing.trouble[:_TEXT])
            self.intake.note(Event(kind=EventKind.STORAGE_FAULT, mono_ms=now_ms, fields=fields), now_ms)

    def _count_written(self, change: Commit, now_ms: int) -> None:
        total = self._written()
        if total is None or self._counted_bytes is None:
            self._flash.wrote(_COMMIT_BYTES + sum(2 * len(sealed.message) for sealed in change.blocks), now_ms)
            return
        self._flash.wrote(total - self._counted_bytes, now_ms)
        self._counted_bytes = total

    def _destroy_old_keys(self) -> None:
        try:
            self._epochs.destroy_old()
        except KeyUnavailableError as error:
            self._fault = Fault(code=error.code, text=str(error))
