"""The small signed messages beside blocks: delegation, identity change, receipt, resend request.

``make_*`` signs, ``read_*`` checks the form of every layer and gives the fields; who has to have signed is the
caller's question, answered by ``check(public)`` or by passing ``public`` at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from agent.block import cbor
from agent.block.cose import Aad, PublicKey, Sign1, Signer, parse_sign1, sign1
from agent.block.errors import FormError
from agent.block.shape import HASH_BYTES, ID_BYTES, is_bytes, is_spki, is_u63, is_utc_ms

_Fields: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """By the identity key: this session key seals this epoch."""

    gateway: bytes
    epoch: int
    session_spki: bytes
    prev: bytes
    mono_ms: int
    utc_ms: int | None
    signed: Sign1

    def check(self, identity: PublicKey) -> None:
        """Raise ``SignatureError`` unless ``identity`` signed it."""
        self.signed.check(identity, Aad.DELEGATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange:
    """By the old identity key: from this epoch on the new one opens epochs."""

    gateway: bytes
    first_epoch: int
    new_spki: bytes
    prev: bytes
    signed: Sign1

    def check(self, identity: PublicKey) -> None:
        """Raise ``SignatureError`` unless ``identity`` signed it."""
        self.signed.check(identity, Aad.IDENTITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """By the destination: this block and all before it are stored and chained."""

    gateway: bytes
    epoch: int
    number: int
    head: bytes
    utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """By the destination: send these blocks again; ``last`` None means all after ``first``."""

    gateway: bytes
    epoch: int
    first: int
    last: int | None


def make_delegation(
    identity: Signer,
    *,
    gateway: bytes,
    epoch: int,
    session_spki: bytes,
    prev: bytes,
    mono_ms: int,
    utc_ms: int | None,
) -> bytes:
    """Let ``identity`` delegate ``epoch`` to a session key; ``prev`` is the head of the block before."""
    payload = {1: gateway, 2: epoch, 3: session_spki, 4: prev, 5: mono_ms, 6: utc_ms}
    return sign1(cbor.encode(payload), identity, Aad.DELEGATION)


def read_delegation(message: bytes) -> Delegation:
    """Take a delegation apart; raises ``FormError``. The session key's own rules are not checked here."""
    signed, fields = _read(message, 6)
    gateway, epoch, spki, prev, mono_ms, utc_ms = fields
    if not (is_bytes(gateway, ID_BYTES) and is_u63(epoch) and is_spki(spki) and is_bytes(prev, HASH_BYTES)):
        raise FormError("delegation-fields")
    if not (is_u63(mono_ms) and (utc_ms is None or is_utc_ms(utc_ms))):
        raise FormError("delegation-fields")
    return Delegation(
        gateway=gateway, epoch=epoch, session_spki=spki, prev=prev, mono_ms=mono_ms, utc_ms=utc_ms, signed=signed
    )


def make_identity_change(old: Signer, *, gateway: bytes, first_epoch: int, new_spki: bytes, prev: bytes) -> bytes:
    """Let the old identity key name its successor; ``prev`` is key 4 of the block that will carry it."""
    payload = {1: gateway, 2: first_epoch, 3: new_spki, 4: prev}
    return sign1(cbor.encode(payload), old, Aad.IDENTITY)


def read_identity_change(message: bytes) -> IdentityChange:
    """Take an identity change apart; raises ``FormError``."""
    signed, (gateway, first_epoch, spki, prev) = _read(message, 4)
    if not (is_bytes(gateway, ID_BYTES) and is_u63(first_epoch) and is_spki(spki) and is_bytes(prev, HASH_BYTES)):
        raise FormError("identity-change-fields")
    return IdentityChange(gateway=gateway, first_epoch=first_epoch, new_spki=spki, prev=prev, signed=signed)


def make_receipt(signer: Signer, gateway: bytes, epoch: int, number: int, head: bytes, utc_ms: int) -> bytes:
    """Receipt the chained prefix up to this block, whose head is ``head``; only after the commit."""
    return sign1(cbor.encode({1: gateway, 2: epoch, 3: number, 4: head, 5: utc_ms}), signer, Aad.RECEIPT)


def read_receipt(message: bytes, public: PublicKey) -> Receipt:
    """Read a receipt that ``public`` has to have signed.

    Raises:
        FormError: not a receipt.
        SignatureError: not by that destination.
    """
    signed, (gateway, epoch, number, head, utc_ms) = _read(message, 5)
    if not (is_bytes(gateway, ID_BYTES) and is_u63(epoch) and is_u63(number)):
        raise FormError("receipt-fields")
    if not (is_bytes(head, HASH_BYTES) and is_utc_ms(utc_ms)):
        raise FormError("receipt-fields")
    signed.check(public, Aad.RECEIPT)
    return Receipt(gateway=gateway, epoch=epoch, number=number, head=head, utc_ms=utc_ms)


def make_resend(signer: Signer, gateway: bytes, epoch: int, first: int, last: int | None) -> bytes:
    """Ask for blocks ``first`` to ``last`` of an epoch, or for all from ``first`` on."""
    return sign1(cbor.encode({1: gateway, 2: epoch, 3: first, 4: last}), signer, Aad.RESEND)


def read_resend(message: bytes, public: PublicKey) -> Resend:
    """Read a resend request that ``public`` has to have signed; raises as ``read_receipt``."""
    signed, (gateway, epoch, first, last) = _read(message, 4)
    if not (is_bytes(gateway, ID_BYTES) and is_u63(epoch) and is_u63(first) and (last is None or is_u63(last))):
        raise FormError("resend-fields")
    if last is not None and last < first:
        raise FormError("resend-fields", "last before first")
    signed.check(public, Aad.RESEND)
    return Resend(gateway=gateway, epoch=epoch, first=first, last=last)


def _read(message: bytes, fields: int) -> tuple[Sign1, _Fields]:
    """The signed parts and the values of a payload whose keys are exactly 1 to ``fields``."""
    signed = parse_sign1(message)
    payload = cbor.decode_strict(signed.payload, tagged=False)
    if not isinstance(payload, cbor.Map) or not all(type(key) is int for key in payload):
        raise FormError("payload-keys")
    if tuple(payload) != tuple(range(1, fields + 1)):
        raise FormError("payload-keys")
    return signed, tuple(payload.values())
