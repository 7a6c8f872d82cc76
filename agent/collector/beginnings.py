"""Chains that begin in the middle of a gateway's life, with the dictionary that the gateway sends beside them.

The dictionary is not signed. It counts only when the block that the chain is to begin with proves it by its key 7;
until then it lies in memory, and only for gateways that are trusted and have no chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from agent.block import cbor, intake
from agent.block.dictionary import Tables, encode_add, read_add
from agent.block.errors import ContentError
from agent.block.form import read_form
from agent.block.verify import Outcome, Verdict, Verifier
from agent.collector.shelf import SqlShelf

MOST_BYTES: Final = 8 * 1024 * 1024
MOST_GATEWAYS: Final = 256
PART_BYTES: Final = 256 * 1024 + 64


@dataclass(slots=True)
class _Offered:
    tables: Tables = field(default_factory=Tables)
    adds: list[bytes] = field(default_factory=list)
    size: int = 0


class Beginnings:
    """Dictionaries offered by gateways without a chain."""

    def __init__(self) -> None:
        self._offered: dict[bytes, _Offered] = {}

    def offer(self, gateway: bytes, part: bytes) -> None:
        """Take in one part; a part that starts with the first entries starts the dictionary anew.

        Raises:
            BlockError: it is no part of a dictionary, goes on from nothing, or is too much.
        """
        if len(part) > PART_BYTES:
            raise ContentError("dictionary-form", "part over 256 KiB")
        values = cbor.decode_strict(part, tagged=False)
        if type(values) is not tuple:
            raise ContentError("dictionary-form", "no array")
        additions = [read_add(value) for value in values]
        offered = self._offered.get(gateway)
        starts = not additions or (additions[0].first_device == 0 and additions[0].first_point == 0)
        if offered is None or starts:
            if offered is None and len(self._offered) >= MOST_GATEWAYS:
                raise ContentError("dictionary-form", "too many gateways without a chain")
            offered = _Offered()
        if offered.size + len(part) > MOST_BYTES:
            raise ContentError("dictionary-form", "dictionary over 8 MiB")
        tables = offered.tables
        for addition in additions:
            tables = tables.add(addition)
        self._offered[gateway] = _Offered(
            tables=tables,
            adds=[*offered.adds, *(encode_add(addition) for addition in additions)],
            size=offered.size + len(part),
        )

    def begin(self, verifier: Verifier, gateway: bytes, shelf: SqlShelf) -> Iterator[Outcome]:
        """Begin the chain at the lowest block that waits, if it opens an epoch and proves the dictionary."""
        offered = self._offered.get(gateway)
        state = shelf.head_row.cached.state
        if offered is None or state.place is not None:
            return
        message = shelf.lowest_detached(None)
        if message is None:
            return
        form = read_form(message)
        if form.number != 0 or form.epoch == 0:
            return
        begin = verifier.begin(gateway, epoch=form.epoch, tables=offered.tables)
        assert begin is not None  # only trusted gateways have a shelf
        if verifier.take(form, begin, shelf).verdict is not Verdict.CHAINED:
            return
        shelf.head_row.cached.state = replace(begin, forked=state.forked)
        shelf.add_to_dictionary(offered.tables, offered.adds)
        yield from intake.take(verifier, form, shelf.head_row.cached.state, shelf)

    def forget(self, gateway: bytes) -> None:
        """The gateway has a chain now: what it offers more is of no use."""
        self._offered.pop(gateway, None)
