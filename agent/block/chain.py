"""Where a verifier stands with one gateway, and what it needs to know of the blocks it stored before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from agent.block import cbor
from agent.block.dictionary import Tables
from agent.block.errors import BlockError
from agent.block.record import ZERO_HEAD, ClockSample, ReceiptMark
from agent.block.sections import clock_value, read_clock, receipts_value

Place = tuple[int, int]
"""(epoch, number)."""

_STATE_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Blocks that are missing for good, as the gateway itself declared (event 4).

    Attributes:
        first: first place missing.
        until: place of the block at which the chain goes on.
        readings: first and one past the last reading number lost.
        reason: of the event that reaches up to ``until`` (``Gap.reason``).
    """

    first: Place
    until: Place
    readings: tuple[int, int]
    reason: int

    def covers(self, place: Place) -> bool:
        """Whether a block of that place is one of the missing ones."""
        return self.first <= place < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """The end of what is chained of one gateway; a value that a database can keep (``pack``).

    Attributes:
        gateway: gateway id.
        identities: (first epoch, SPKI) of each identity key, ascending; the last one that is not above an epoch is in
            force for it.
        begins: epoch at whose block 0 this chain begins; 0 is the genesis.
        place: of the last chained block; None before the first.
        head: of that block.
        next_reading: number of the next reading; its lower bound while ``reading_open``.
        reading_open: the last block was unreadable, so the next readable one says where numbering goes on.
        tables: dictionary in force.
        torn: an unreadable block changed the dictionary in a way that cannot be told: no columns can be read.
        receipts: last receipt marks that the gateway spoke of.
        clock: sample of the last readable block.
        losses: declared and accepted.
        forked: evidence of a fork is kept; no receipts until an operator decides.
    """

    gateway: bytes
    identities: tuple[tuple[int, bytes], ...]
    begins: int = 0
    place: Place | None = None
    head: bytes = ZERO_HEAD
    next_reading: int = 0
    reading_open: bool = False
    tables: Tables = Tables()  # noqa: RUF009  a frozen value
    torn: bool = False
    receipts: tuple[ReceiptMark, ...] = ()
    clock: ClockSample | None = None
    losses: tuple[Loss, ...] = ()
    forked: bool = False

    @staticmethod
    def at_epoch(gateway: bytes, identities: tuple[tuple[int, bytes], ...], epoch: int, tables: Tables) -> ChainState:
        """A chain that begins at block 0 of a later epoch, with the dictionary that was in force before it."""
        return ChainState(
            gateway=gateway, identities=identities, begins=epoch, tables=tables, reading_open=bool(epoch)
        )

    def identity_for(self, epoch: int) -> bytes:
        """SPKI of the identity key that may open ``epoch``."""
        return next(spki for first, spki in reversed(self.identities) if first <= epoch)

    def pack(self) -> bytes:
        """Everything but the tables, whose adds a store keeps one by one (``Tables.from_adds``)."""
        return cbor.encode(
            (
                _STATE_VERSION,
                self.gateway,
                self.identities,
                self.begins,
                self.place,
                self.head,
                self.next_reading,
                self.reading_open,
                self.torn,
                receipts_value(self.receipts),
                None if self.clock is None else clock_value(self.clock),
                tuple((loss.first, loss.until, loss.readings, loss.reason) for loss in self.losses),
                self.forked,
            )
        )

    @staticmethod
    def unpack(data: bytes, tables: Tables) -> ChainState:
        """The state that ``pack`` gave, with its tables.

        Raises:
            BlockError: ``state-version``: another version of this program wrote it.
        """
        fields = cbor.build(data)
        if type(fields) is not tuple or not fields or fields[0] != _STATE_VERSION:
            raise BlockError("state-version")
        _, gateway, identities, begins, place, head, reading, is_open, torn, receipts, clock, losses, forked = fields
        return ChainState(
            gateway=gateway,
            identities=identities,
            begins=begins,
            place=place,
            head=head,
            next_reading=reading,
            reading_open=is_open,
            tables=tables,
            torn=torn,
            receipts=tuple(ReceiptMark(destination=kid, epoch=epoch, number=at) for kid, epoch, at in receipts),
            clock=None if clock is None else read_clock(clock),
            losses=tuple(
                Loss(first=first, until=until, readings=readings, reason=reason)
                for first, until, readings, reason in losses
            ),
            forked=forked,
        )


class Known(Protocol):
    """What is stored of one gateway; a database answers, or memory."""

    def head(self, place: Place) -> bytes | None:
        """Head of the chained block there (a readable or an unreadable one)."""
        ...

    def place_of(self, head: bytes) -> Place | None:
        """Where the chained block with this head stands; asked only when something does not link."""
        ...

    def detached_head(self, place: Place) -> bytes | None:
        """Head of the detached block there."""
        ...

    def session(self, epoch: int) -> bytes | None:
        """SPKI of the session key that the stored block 0 of this epoch delegated (``Outcome.session``)."""
        ...

    def epoch_of(self, session_spki: bytes) -> int | None:
        """The epoch that this session key was delegated for."""
        ...
