"""Rule 5 of the verifier: everything inside a block that stands in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.block import events
from agent.block.chain import ChainState, Known
from agent.block.columns import read_columns
from agent.block.cose import PublicKey
from agent.block.dictionary import Tables, encode_add, read_add
from agent.block.errors import ContentError, FormError, SignatureError
from agent.block.events import read_events
from agent.block.form import CLOCK, COLUMNS, EVENTS, RECEIPTS, Form
from agent.block.messages import IdentityChange, read_identity_change
from agent.block.record import Block, Event, EventKind, ReceiptMark
from agent.block.sections import merge_receipts, read_clock, read_receipts
from agent.block.shape import U63_MAX, is_int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A readable block and what it changed.

    Attributes:
        tables: dictionary after its events.
        adds: dictionary-adds of this block, encoded, in order.
        receipts: marks held after it.
        change: identity change that it carries.
    """

    block: Block
    tables: Tables
    adds: tuple[bytes, ...]
    receipts: tuple[ReceiptMark, ...]
    change: IdentityChange | None


def read_content(form: Form, state: ChainState, known: Known, *, reading_open: bool) -> Content:
    """Read a block against the chain before it.

    Args:
        form: a block that rule 4 called the next one.
        state: the chain before it.
        known: what is stored.
        reading_open: its key 5 sets the reading number (after a loss or an unreadable block).

    Raises:
        ContentError: it is unreadable, and why.
    """
    payload = form.payload
    clock = read_clock(payload[CLOCK])
    found = read_events(payload[EVENTS]) if EVENTS in payload else ()
    _check_opening(found, form.number)
    tables, adds = _apply(found, state)
    if not state.torn and tables.short_hash != form.dictionary_hash:
        raise ContentError("dictionary-hash")
    columns = None
    if COLUMNS in payload:
        if state.torn:
            raise ContentError("tables-torn")
        columns = read_columns(payload[COLUMNS], clock.mono_ms, tables.kinds)
    marks = read_receipts(payload[RECEIPTS], form.place) if RECEIPTS in payload else ()
    receipts = merge_receipts(state.receipts, marks) if marks else state.receipts
    rows = 0 if columns is None else len(columns.points)
    _check_reading(form.first_reading, rows, state, is_open=reading_open)
    block = Block(
        gateway=form.gateway,
        epoch=form.epoch,
        number=form.number,
        prev=form.prev,
        first_reading=form.first_reading,
        clock=clock,
        dictionary_hash=form.dictionary_hash,
        columns=columns,
        events=found,
        receipts=marks,
    )
    change = _identity_change(found, form, state, known)
    return Content(block=block, tables=tables, adds=adds, receipts=receipts, change=change)


def salvage_tables(form: Form, tables: Tables) -> tuple[Tables, tuple[bytes, ...]] | None:
    """The dictionary after an unreadable block, if its events 3 can be told all the same; None if it is torn."""
    adds: list[bytes] = []
    items = form.payload.get(EVENTS, ())
    for item in items if type(items) is tuple else ():
        if type(item) is not tuple or not item or not is_int(item[0], EventKind.DICTIONARY, EventKind.DICTIONARY):
            continue
        try:
            addition = read_add(item[2] if len(item) == 3 else None)
            tables = tables.add(addition)
        except ContentError:
            return None
        adds.append(encode_add(addition))
    return (tables, tuple(adds)) if tables.short_hash == form.dictionary_hash else None


def _check_opening(found: Sequence[Event], number: int) -> None:
    """Event 5 stands in block 0 of each epoch, first or after event 1, and nowhere else."""
    at = [index for index, event in enumerate(found) if event.kind == EventKind.EPOCH_OPEN]
    if number:
        if at:
            raise ContentError("epoch-open-misplaced", "not block 0")
    elif at not in ([0], [1]) or (at == [1] and found[0].kind != EventKind.BOOT):
        raise ContentError("epoch-open-misplaced", "first, or second after event 1")


def _apply(found: Sequence[Event], state: ChainState) -> tuple[Tables, tuple[bytes, ...]]:
    tables = state.tables
    adds: list[bytes] = []
    for event in found:
        if event.kind == EventKind.DICTIONARY and not state.torn:
            addition = events.addition_of(event)
            tables = tables.add(addition)
            adds.append(encode_add(addition))
    return tables, tuple(adds)


def _check_reading(first: int, rows: int, state: ChainState, *, is_open: bool) -> None:
    if first < state.next_reading or (first != state.next_reading and not is_open):
        raise ContentError("reading-number", f"{first}, not {state.next_reading}")
    if first + rows > U63_MAX:
        raise ContentError("reading-number", "over 63 bits")


def _identity_change(found: Sequence[Event], form: Form, state: ChainState, known: Known) -> IdentityChange | None:
    """Event 7: by the identity key in force, for a later epoch, naming a key that was never used."""
    message = next((events.message_of(event) for event in found if event.kind == EventKind.IDENTITY_CHANGE), None)
    if message is None:
        return None
    try:
        change = read_identity_change(message)
        new = PublicKey.from_spki(change.new_spki)
        change.check(PublicKey.from_spki(state.identity_for(form.epoch)))
    except (FormError, SignatureError) as error:
        raise ContentError("identity-change", str(error)) from error
    if change.gateway != form.gateway or change.prev != form.prev or change.first_epoch <= form.epoch:
        raise ContentError("identity-change", "gateway, prev or first epoch")
    if change.first_epoch <= state.identities[-1][0]:
        raise ContentError("identity-change", "not after the change before")
    if known.epoch_of(new.spki) is not None or any(new.spki == spki for _, spki in state.identities):
        raise ContentError("identity-change", "key used before")
    return change
