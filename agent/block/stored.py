"""Where a gateway's chain stands, read back from the blocks it stored: nothing else could disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.block import events
from agent.block.cose import Aad, PublicKey
from agent.block.dictionary import Tables
from agent.block.errors import BlockError, ChainDamagedError, ContentError, FormError
from agent.block.events import read_events
from agent.block.form import CLOCK, COLUMNS, EVENTS, RECEIPTS, Form, read_form
from agent.block.messages import read_delegation
from agent.block.record import ZERO_HEAD, ClockSample, Event, EventKind, ReceiptMark
from agent.block.sections import merge_receipts, read_clock, read_receipts


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The end of a chain.

    Attributes:
        epoch: of the last block; -1 while there is none.
        number: of the last block; -1 while there is none.
        head: of the last block, zeros while there is none.
        next_reading: number that the next reading gets.
        session_spki: key that seals ``epoch``; empty while there is none.
        clock: sample of the last block.
    """

    epoch: int = -1
    number: int = -1
    head: bytes = ZERO_HEAD
    next_reading: int = 0
    tables: Tables = Tables()  # noqa: RUF009  a frozen value
    session_spki: bytes = b""
    receipts: tuple[ReceiptMark, ...] = ()
    clock: ClockSample | None = None


def read_position(gateway: bytes, blocks: Iterable[bytes]) -> Position:
    """Read the position from stored blocks.

    Args:
        gateway: id that every block has to carry.
        blocks: every kept block with event 3, 5 or 7 in chain order, and the last block (once more if it is one of
            them does no harm); other blocks between are allowed.

    Raises:
        ChainDamagedError: ``not-a-block``, ``other-gateway``, ``order``, ``dictionary-hash``, ``no-delegation``,
            ``bad-signature`` (of the last block), or what is malformed in one of them.
    """
    position = Position()
    last: Form | None = None
    for message in blocks:
        form = _form(gateway, message)
        if last is None or form.head != last.head:
            position = _after(position, form)
        last = form
    if last is not None:
        _check_last(last, position)
    return position


def _form(gateway: bytes, message: bytes) -> Form:
    try:
        form = read_form(message)
    except BlockError as error:
        raise ChainDamagedError(error.reason, error.detail) from error
    if form.gateway != gateway:
        raise ChainDamagedError("other-gateway", form.gateway.hex())
    return form


def _after(position: Position, form: Form) -> Position:
    try:
        return _read_after(position, form)
    except (FormError, ContentError) as error:
        raise ChainDamagedError(error.reason, f"block {form.place}: {error.detail}") from error


def _read_after(position: Position, form: Form) -> Position:
    if form.place <= (position.epoch, position.number):
        raise ChainDamagedError("order", f"{form.place} after {(position.epoch, position.number)}")
    tables, session = position.tables, position.session_spki
    found: Sequence[Event] = read_events(form.payload[EVENTS]) if EVENTS in form.payload else ()
    for event in found:
        if event.kind == EventKind.DICTIONARY:
            tables = tables.add(events.addition_of(event))
        elif event.kind == EventKind.EPOCH_OPEN:
            session = read_delegation(events.message_of(event)).session_spki
    if tables.short_hash != form.dictionary_hash:
        raise ChainDamagedError("dictionary-hash", f"block {form.place}")
    if form.number == 0 and session == position.session_spki:
        raise ChainDamagedError("no-delegation", f"block {form.place}")
    columns = form.payload.get(COLUMNS)
    rows = columns[0] if columns is not None else 0  # type: ignore[index]  # sealed by us, signature checked
    receipts = position.receipts
    if RECEIPTS in form.payload:
        receipts = merge_receipts(receipts, read_receipts(form.payload[RECEIPTS], form.place))
    return replace(
        position,
        epoch=form.epoch,
        number=form.number,
        head=form.head,
        next_reading=form.first_reading + rows,
        tables=tables,
        session_spki=session,
        receipts=receipts,
        clock=read_clock(form.payload[CLOCK]),
    )


def _check_last(form: Form, position: Position) -> None:
    try:
        form.signed.check(PublicKey.from_spki(position.session_spki), Aad.BLOCK)
    except BlockError as error:
        raise ChainDamagedError(error.reason, f"last stored block {form.place}") from error
