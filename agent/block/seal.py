"""The writer of the chain: turns columns and events into signed blocks, each linked to the one before.

Single-threaded, owned by the storage thread. It keeps nothing on disk; where it stands follows from stored blocks.
What it signed stays in ``pending`` until the caller says that it is committed, so that a failed transaction is
repeated with the same bytes: one number never gets two different blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.block import cbor, events
from agent.block.columns import columns_value
from agent.block.cose import Aad, Signer, sign1_with_head
from agent.block.dictionary import Step, Tables
from agent.block.errors import BlockError, SealError
from agent.block.events import KEPT_KINDS, event_value, read_events
from agent.block.form import CLOCK, COLUMNS, EVENTS, RECEIPTS
from agent.block.messages import make_delegation
from agent.block.portions import Portion, fits, split
from agent.block.record import (
    MAX_SEAL_BYTES,
    VERSION,
    ClockSample,
    Columns,
    DeviceEntry,
    Event,
    EventKind,
    PointEntry,
    ReceiptMark,
    SealedBlock,
)
from agent.block.registration import DictionaryChange, check, register
from agent.block.sections import clock_value, merge_receipts, read_clock, read_receipts, receipts_value
from agent.block.stored import Position, read_position

__all__ = ["DictionaryChange", "Portion", "Writer", "fits", "split"]

_ENVELOPE_BYTES = 88
_OWN_KINDS = frozenset({EventKind.EPOCH_OPEN, EventKind.IDENTITY_CHANGE})


class Writer:
    """One gateway's chain, at its end.

    Order of work: ``resume``, then ``open_epoch`` (a new session key) or ``use_session`` (the one that the last epoch
    was opened with), then ``seal`` and ``commit`` in turns. Several blocks may be sealed before they are committed.
    """

    def __init__(self, gateway: bytes, position: Position) -> None:
        self._gateway = gateway
        self._at = position
        self._planned = position.tables
        self._steps: deque[tuple[Event, bytes, Step]] = deque()  # planned and not sealed: event 3, hash before, after
        self._session: Signer | None = None
        self._opening: Event | None = None
        self._pending: deque[SealedBlock] = deque()

    @classmethod
    def resume(cls, gateway: bytes, blocks: Iterable[bytes]) -> Writer:
        """Stand where the stored blocks end; none for the first start of a gateway's life.

        Args:
            gateway: ``key_id`` of the first identity key.
            blocks: see ``stored.read_position``.

        Raises:
            ChainDamagedError: they do not fit together.
        """
        return cls(gateway, read_position(gateway, blocks))

    @property
    def position(self) -> Position:
        """The end of the chain, blocks that are signed but not yet committed included."""
        return self._at

    @property
    def pending(self) -> tuple[SealedBlock, ...]:
        """Signed and not yet committed, oldest first: commit exactly these, again if a transaction failed."""
        return tuple(self._pending)

    @property
    def planned(self) -> Tables:
        """The tables once everything that ``dictionary_add`` gave is sealed."""
        return self._planned

    def open_epoch(self, identity: Signer, session: Signer, clock: ClockSample) -> int:
        """Start the next epoch; its block 0, the next one sealed, carries the delegation. Returns the epoch.

        Raises:
            SealError: ``epoch-not-begun`` (the last one opened has no block yet), ``session-key``, ``identity-key``.
        """
        if self._opening is not None:
            raise SealError("epoch-not-begun")
        if identity.kid != self._gateway:
            raise SealError("identity-key", "not the one that the gateway is named after")
        if session.spki in (identity.spki, self._at.session_spki):
            raise SealError("session-key", "used before")
        epoch = self._at.epoch + 1
        delegation = make_delegation(
            identity,
            gateway=self._gateway,
            epoch=epoch,
            session_spki=session.spki,
            prev=self._at.head,
            mono_ms=clock.mono_ms,
            utc_ms=clock.utc_ms,
        )
        self._opening = events.epoch_open(clock.mono_ms, delegation)
        self._session = session
        self._at = replace(self._at, epoch=epoch, number=-1, session_spki=session.spki)
        return epoch

    def use_session(self, session: Signer) -> None:
        """Go on in the last epoch after a restart.

        Raises:
            SealError: ``session-key``: it was opened with another key (or none was opened yet).
        """
        if session.spki != self._at.session_spki:
            raise SealError("session-key", f"epoch {self._at.epoch} was opened with another one")
        self._session = session

    def dictionary_add(
        self, devices: Sequence[DeviceEntry], points: Iterable[PointEntry], mono_ms: int
    ) -> DictionaryChange:
        """Look devices and points up in the dictionary and plan what is new.

        ``device`` of each of ``points`` is an index into ``devices`` as passed here. The events returned have to be
        sealed, in order, before a reading of a new point is; until then they are planned and not given again.

        Raises:
            SealError: an entry that the format does not allow; nothing was planned.
        """
        before = self._planned.hash
        try:
            self._planned, change = register(self._planned, devices, points, mono_ms)
        except BlockError as error:
            raise SealError(error.reason, error.detail) from error
        for event, step in zip(change.events, change.steps, strict=True):
            self._steps.append((event, before, step))
            before = step.hash
        return change

    def dictionary_check(self, devices: Sequence[DeviceEntry], points: Sequence[PointEntry]) -> None:
        """Refuse, with ``SealError``, what ``dictionary_add`` would refuse of these entries; plans nothing."""
        try:
            check(devices, points)
        except BlockError as error:
            raise SealError(error.reason, error.detail) from error

    def seal(
        self,
        *,
        clock: ClockSample,
        columns: Columns | None = None,
        events: Sequence[Event] = (),
        receipts: Sequence[ReceiptMark] = (),
    ) -> SealedBlock:
        """Sign the next block. It is ``pending`` until ``commit``; the block after it may be sealed meanwhile.

        Args:
            clock: one sample taken now.
            columns: readings taken in this boot, in order; ``fits`` and ``split`` bound them.
            events: in order; event 5 is put in by itself.
            receipts: the last ones held, at most one for each of 8 destinations.

        Raises:
            SealError: nobody could read that block; nothing was signed and the same number is still free.
        """
        if self._session is None:
            raise SealError("no-session", "open_epoch or use_session first")
        try:
            payload, after = self._payload(clock, columns, self._in_order(events), receipts)
            encoded = cbor.encode(payload)
        except BlockError as error:
            raise SealError(error.reason, error.detail) from error
        if len(encoded) > MAX_SEAL_BYTES - _ENVELOPE_BYTES:
            raise SealError("too-big", f"{len(encoded)} bytes: split it")
        message, head = sign1_with_head(encoded, self._session, Aad.BLOCK)
        sealed = SealedBlock(
            message=message,
            head=head,
            epoch=after.epoch,
            number=after.number,
            first_reading=self._at.next_reading,
            readings=after.next_reading - self._at.next_reading,
            keep=self._opening is not None or any(event.kind in KEPT_KINDS for event in events),
        )
        self._at = replace(after, head=head)
        while self._steps and self._steps[0][2].adds <= after.tables.adds:
            self._steps.popleft()
        self._opening = None
        self._pending.append(sealed)
        return sealed

    def commit(self, sealed: SealedBlock) -> None:
        """Say that the oldest pending block is on disk.

        Raises:
            SealError: ``commit-order``.
        """
        if not self._pending or self._pending[0] is not sealed:
            raise SealError("commit-order", "blocks are committed in the order in which they were sealed")
        self._pending.popleft()

    def _in_order(self, given: Sequence[Event]) -> tuple[Event, ...]:
        """The boot event first if it is there, then what opens the epoch, then the rest."""
        if any(event.kind in _OWN_KINDS for event in given):
            raise SealError("event-kind", "events 5 and 7 are not the caller's")
        if self._opening is None:
            return tuple(given)
        boots = tuple(event for event in given if event.kind == EventKind.BOOT)
        return (*boots, self._opening, *(event for event in given if event.kind != EventKind.BOOT))

    def _grown(self, tables: Tables, given: Sequence[Event]) -> Tables:
        """The tables after the events 3 in ``given``; those that were planned need no second reading."""
        planned = iter(self._steps)
        for event in (event for event in given if event.kind == EventKind.DICTIONARY):
            plan = next(planned, None)
            if plan is not None and event is plan[0] and tables.hash == plan[1]:
                tables = self._planned.until(plan[2])
            else:
                tables = tables.add(events.addition_of(event))
        return tables

    def _payload(
        self, clock: ClockSample, columns: Columns | None, given: tuple[Event, ...], receipts: Sequence[ReceiptMark]
    ) -> tuple[dict[int, object], Position]:
        """The block as CBOR values, everything checked as a verifier will, and where the chain stands after it."""
        at = self._at
        read_clock(clock_value(clock))
        values = tuple(map(event_value, given))
        if values:
            read_events(values)
        tables = self._grown(at.tables, given)
        payload: dict[int, object] = {
            0: VERSION,
            1: self._gateway,
            2: at.epoch,
            3: at.number + 1,
            4: at.head,
            5: at.next_reading,
            CLOCK: clock_value(clock),
            7: tables.short_hash,
        }
        held, rows = at.receipts, 0
        if columns is not None:
            payload[COLUMNS] = columns_value(columns, clock.mono_ms, tables.kinds)
            rows = len(columns.points)
        if values:
            payload[EVENTS] = values
        if receipts:
            payload[RECEIPTS] = receipts_value(receipts)
            held = merge_receipts(held, read_receipts(payload[RECEIPTS], (at.epoch, at.number + 1)))
        after = replace(
            at, number=at.number + 1, next_reading=at.next_reading + rows, tables=tables, receipts=held, clock=clock
        )
        return payload, after
