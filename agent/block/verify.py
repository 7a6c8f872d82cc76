"""The verifier: one message at a time, rules 1 to 5 of the block format in that order. Pure; storing is the caller's.

``Verifier.take`` judges; ``intake`` drives it over a store, and ``sequence`` over a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from agent.block.chain import ChainState, Known, Loss
from agent.block.content import read_content, salvage_tables
from agent.block.cose import Aad, PublicKey, key_id
from agent.block.dictionary import Tables
from agent.block.errors import ContentError, FormError, SignatureError
from agent.block.events import Gap, declared_gaps
from agent.block.findings import Finding, findings_of
from agent.block.form import EVENTS, Form, read_form
from agent.block.place import Where, place
from agent.block.record import Block
from agent.block.session import Parked, session_of


class Verdict(Enum):
    """What becomes of a message; the value is the stable code."""

    CHAINED = "chained"
    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    DETACHED = "detached"
    PARKED = "parked"
    FORK = "fork"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The identity keys that were given beforehand: each names one gateway. Nothing of it ever comes from a chain."""

    keys: tuple[PublicKey, ...]

    @staticmethod
    def of(spkis: Iterable[bytes]) -> Trust:
        """Trust these SPKIs; raises ``FormError`` for one that is no well-formed key."""
        return Trust(keys=tuple(PublicKey.from_spki(spki) for spki in spkis))

    def first_identity(self, gateway: bytes) -> PublicKey | None:
        """The key that a gateway is named after."""
        return next((key for key in self.keys if key_id(key.spki) == gateway), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The verdict on one message.

    Attributes:
        reason: kebab-case code; empty for CHAINED and DUPLICATE.
        detail: what was seen, for people.
        message: the bytes judged.
        state: the chain after it, the one before unless CHAINED, UNREADABLE or FORK.
        form: header and head; None when rule 1 refused it.
        block: its content, only when CHAINED; ``state.tables`` is the dictionary that names its points.
        findings: what to report of a CHAINED block.
        loss: declared loss that the chain stepped over right before it.
        adds: dictionary-adds to append to the store's, when CHAINED or UNREADABLE.
        session: SPKI that a block 0 delegates: from now on ``Known.session(epoch)``.
        gaps: events 4 in it, when CHAINED or DETACHED.
    """

    verdict: Verdict
    reason: str = ""
    detail: str = ""
    message: bytes
    state: ChainState
    form: Form | None = None
    block: Block | None = None
    findings: tuple[Finding, ...] = ()
    loss: Loss | None = None
    adds: tuple[bytes, ...] = ()
    session: bytes | None = None
    gaps: tuple[Gap, ...] = ()


class Verifier:
    """Judges messages against a trust set; holds no state of any gateway."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust

    def begin(self, gateway: bytes, *, epoch: int = 0, tables: Tables | None = None) -> ChainState | None:
        """Where the chain of a trusted gateway begins; None for a stranger.

        Args:
            gateway: gateway id.
            epoch: begin at block 0 of this epoch instead of the genesis.
            tables: dictionary before that epoch (``.cbdict``); key 7 of the blocks proves it.
        """
        key = self._trust.first_identity(gateway)
        if key is None:
            return None
        return ChainState.at_epoch(gateway, ((0, key.spki),), epoch, tables or Tables())

    def take(self, message: bytes | Form, state: ChainState, known: Known, gaps: Sequence[Gap] = ()) -> Outcome:
        """Judge one message of the gateway that ``state`` belongs to.

        Args:
            message: the bytes, or their form if ``read_form`` was called already to find the gateway.
            state: end of that gateway's chain.
            known: what is stored of it.
            gaps: see ``place.place``; only for the lowest detached block.
        """
        try:
            form = message if isinstance(message, Form) else read_form(message)
        except FormError as error:
            assert isinstance(message, bytes)
            return Outcome(
                verdict=Verdict.REFUSED, reason=error.reason, detail=error.detail, message=message, state=state
            )
        if form.gateway != state.gateway:
            return _refused(form, state, "other-gateway", form.gateway.hex())
        try:
            signer = session_of(form, state, known)
            form.signed.check(signer.key, Aad.BLOCK)
        except Parked as parked:
            return Outcome(verdict=Verdict.PARKED, reason=parked.reason, message=form.message, state=state, form=form)
        except (FormError, SignatureError) as error:
            return _refused(form, state, error.reason, error.detail)
        if signer.rival and place(form, state, known).where is not Where.REFUSED:
            return _forked(form, state, "second-opening", None)
        return self._placed(form, state, known, gaps, signer.delegated)

    def _placed(
        self, form: Form, state: ChainState, known: Known, gaps: Sequence[Gap], session: bytes | None
    ) -> Outcome:
        placement = place(form, state, known, gaps)
        match placement.where:
            case Where.REFUSED:
                return _refused(form, state, placement.reason)
            case Where.DUPLICATE:
                return Outcome(verdict=Verdict.DUPLICATE, message=form.message, state=state, form=form)
            case Where.FORK:
                opened = session if placement.reason == "opens-elsewhere" else None
                return _forked(form, state, placement.reason, opened)
            case Where.DETACHED:
                return Outcome(
                    verdict=Verdict.DETACHED,
                    reason=placement.reason,
                    message=form.message,
                    state=state,
                    form=form,
                    session=session,
                    gaps=declared_gaps(form.payload.get(EVENTS)),
                )
        return _chained(form, state, known, placement.loss, session)


def _refused(form: Form, state: ChainState, reason: str, detail: str = "") -> Outcome:
    return Outcome(
        verdict=Verdict.REFUSED, reason=reason, detail=detail, message=form.message, state=state, form=form
    )


def _forked(form: Form, state: ChainState, reason: str, session: bytes | None) -> Outcome:
    return Outcome(
        verdict=Verdict.FORK,
        reason=reason,
        message=form.message,
        state=replace(state, forked=True),
        form=form,
        session=session,
    )


def _chained(form: Form, state: ChainState, known: Known, loss: Loss | None, session: bytes | None) -> Outcome:
    try:
        content = read_content(form, state, known, reading_open=state.reading_open or loss is not None)
    except ContentError as error:
        return _unreadable(form, state, error, loss, session)
    block, change = content.block, content.change
    rows = 0 if block.columns is None else len(block.columns.points)
    identities = state.identities
    if change is not None:
        identities = (*identities, (change.first_epoch, change.new_spki))
    after = replace(
        state,
        identities=identities,
        place=form.place,
        head=form.head,
        next_reading=block.first_reading + rows,
        reading_open=False,
        tables=content.tables,
        receipts=content.receipts,
        clock=block.clock,
        losses=state.losses if loss is None else (*state.losses, loss),
    )
    return Outcome(
        verdict=Verdict.CHAINED,
        message=form.message,
        state=after,
        form=form,
        block=block,
        findings=findings_of(block, state.clock, loss, changed=change is not None),
        loss=loss,
        adds=content.adds,
        session=session,
        gaps=declared_gaps(form.payload.get(EVENTS)),
    )


def _unreadable(
    form: Form, state: ChainState, error: ContentError, loss: Loss | None, session: bytes | None
) -> Outcome:
    """The chain goes on from its head; its dictionary counts if it can be told."""
    salvaged = None if state.torn else salvage_tables(form, state.tables)
    tables, adds = salvaged if salvaged is not None else (state.tables, ())
    after = replace(
        state,
        place=form.place,
        head=form.head,
        reading_open=True,
        tables=tables,
        torn=salvaged is None,
        losses=state.losses if loss is None else (*state.losses, loss),
    )
    return Outcome(
        verdict=Verdict.UNREADABLE,
        reason=error.reason,
        detail=error.detail,
        message=form.message,
        state=after,
        form=form,
        loss=loss,
        adds=adds,
        session=session,
    )
