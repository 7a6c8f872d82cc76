"""Where sealed blocks lie: ``.cbseq`` files, a gateway's outbox, a collector's database. Read-only, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from agent.block import cbor
from agent.block.cbseq import BadStretch, read_cbseq
from agent.block.dictionary import Tables, add_value
from agent.block.errors import BlockError
from agent.block.events import addition_of, read_events
from agent.block.form import EVENTS, Form, read_form
from agent.block.record import ZERO_HEAD, DictionaryAdd, EventKind
from agent.collector.read_back import is_collector, read_messages
from agent.outbox import read_blocks
from agent.storing.stored import StoredBlock

_SQLITE: Final = b"SQLite format 3\0"
TABLES_SUFFIX: Final = ".cbdict"


class Kind(Enum):
    """What a file is."""

    SEQUENCE = "sequence"
    OUTBOX = "outbox"
    COLLECTOR = "collector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The blocks of one gateway's store from which a chain can be judged.

    Attributes:
        epoch: the part begins at block 0 of it; 0 is the genesis.
        tables: dictionary before it, as the kept blocks before it say; key 7 of the blocks proves it.
    """

    epoch: int
    tables: Tables


def kind_of(path: Path) -> Kind:
    """Tell what a file is by what is in it; OSError or StorageError if it cannot be read."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return Kind.SEQUENCE
    return Kind.COLLECTOR if is_collector(path) else Kind.OUTBOX


def messages(path: Path, part: Part | None = None) -> Iterator[bytes | BadStretch]:
    """Give every message of a file; of an outbox only those of ``part``, if one is given."""
    match kind_of(path):
        case Kind.SEQUENCE:
            with path.open("rb") as file:
                yield from read_cbseq(file)
        case Kind.COLLECTOR:
            yield from read_messages(path)
        case Kind.OUTBOX:
            yield from (block.message for block in read_blocks(path) if part is None or block.epoch >= part.epoch)


def tables_beside(path: Path) -> Tables | None:
    """Read the dictionary that ``export`` wrote beside a file whose chain does not begin at the genesis.

    Raises:
        BlockError: it is there and is none.
    """
    beside = path.with_suffix(TABLES_SUFFIX)
    if not beside.is_file():
        return None
    return read_tables(beside.read_bytes())


def read_tables(data: bytes) -> Tables:
    """Read a ``.cbdict``: the CBOR array of the dictionary-adds 1 to n; BlockError if it is none."""
    adds = cbor.decode_strict(data, tagged=False)
    if not isinstance(adds, tuple):
        raise BlockError("dictionary-form", "no array")
    return Tables.from_adds(cbor.encode(add) for add in adds)


def whole_part(blocks: Iterable[StoredBlock]) -> Part | None:
    """Find the oldest epoch from whose block 0 on no block is missing; None if the newest has holes itself.

    What was receipted by every destination is pruned after a time; only the blocks that carry the dictionary and open
    epochs stay, so the tables before a later epoch can still be told.
    """
    part: Part | None = None
    tables = Tables()
    head = ZERO_HEAD
    for block in blocks:
        form = read_form(block.message)
        if form.prev != head:
            part = None
        if form.number == 0 and part is None:
            part = Part(epoch=form.epoch, tables=tables)
        for addition in _additions(form):
            tables = tables.add(addition)
        head = form.head
    return part


def encoded_tables(blocks: Iterable[bytes]) -> bytes:
    """Write the ``.cbdict`` of the dictionary-adds in these messages, in order."""
    return cbor.encode(tuple(add_value(found) for message in blocks for found in _additions(read_form(message))))


def _additions(form: Form) -> Iterator[DictionaryAdd]:
    found = form.payload.get(EVENTS)
    for event in read_events(found) if found is not None else ():
        if event.kind == EventKind.DICTIONARY:
            yield addition_of(event)
