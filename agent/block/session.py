"""Rule 2 of the verifier: which key has to have signed this block."""

from __future__ import annotations

from dataclasses import dataclass

from agent.block.chain import ChainState, Known
from agent.block.cose import PublicKey, key_id
from agent.block.errors import BlockError, FormError
from agent.block.events import nested_message
from agent.block.form import EVENTS, Form
from agent.block.messages import Delegation, read_delegation
from agent.block.record import EventKind
from agent.block.shape import is_int, is_u63

_EVENT_FIELDS = 3


class Parked(BlockError):  # noqa: N818  no error: a question that a later message may answer
    """Nobody can say yet who has to have signed: ``no-delegation``, ``identity-unknown``."""

    code = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """The key that a block's epoch was delegated to.

    Attributes:
        delegated: SPKI, when this block itself is the block 0 that carries the delegation.
        rival: another block 0 of this epoch is stored, with another key.
    """

    key: PublicKey
    delegated: bytes | None = None
    rival: bool = False


def session_of(form: Form, state: ChainState, known: Known) -> SessionKey:
    """Find the session key of a block's epoch.

    Raises:
        Parked: the epoch has no delegation yet, or one by a key that is not (yet) in force.
        FormError: block 0 carries no well-formed delegation for itself.
        SignatureError: the delegation is not by the identity key.
    """
    if form.number:
        spki = known.session(form.epoch)
        if spki is None:
            raise Parked("no-delegation")
        return SessionKey(key=PublicKey.from_spki(spki))
    delegation = _delegation(form)
    identity = state.identity_for(form.epoch)
    if delegation.signed.kid != key_id(identity):
        raise Parked("identity-unknown")
    delegation.check(PublicKey.from_spki(identity))
    if (delegation.gateway, delegation.epoch, delegation.prev) != (form.gateway, form.epoch, form.prev):
        raise FormError("delegation-of-another-block")
    session = PublicKey.from_spki(delegation.session_spki)
    if any(session.spki == spki for _, spki in state.identities):
        raise FormError("session-key-is-identity")
    if known.epoch_of(session.spki) not in (None, form.epoch):
        raise FormError("session-key-reused")
    stored = known.session(form.epoch)
    return SessionKey(key=session, delegated=session.spki, rival=stored not in (None, session.spki))


def _delegation(form: Form) -> Delegation:
    """The one event 5 of a block 0, read from a payload that nobody has verified yet."""
    items = form.payload.get(EVENTS)
    kind = EventKind.EPOCH_OPEN
    found = [
        item
        for item in (items if type(items) is tuple else ())
        if type(item) is tuple and item and is_int(item[0], kind, kind)
    ]
    if len(found) != 1:
        raise FormError("no-epoch-open", f"{len(found)} events 5 in block 0")
    event = found[0]
    if len(event) != _EVENT_FIELDS or not is_u63(event[1]):
        raise FormError("no-epoch-open", "form of event 5")
    return read_delegation(nested_message(event[2]))
