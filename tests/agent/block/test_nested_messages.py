from __future__ import annotations

from typing import Any

import cbor2
import pytest

from agent.block.cose import ED25519, ES256, Aad, PublicKey, sign1
from agent.block.errors import BlockError, FormError, SignatureError
from agent.block.messages import (
    Receipt,
    Resend,
    make_delegation,
    make_identity_change,
    make_receipt,
    make_resend,
    read_delegation,
    read_identity_change,
    read_receipt,
    read_resend,
)
from tests.agent.block.chains import UTC, SoftKey

GATEWAY = b"gateway1"
HEAD = bytes(range(32))
BOTH = pytest.mark.parametrize("alg", [ED25519, ES256])


@BOTH
def test_a_receipt_is_read_back_by_its_key_alone(alg: int) -> None:
    key, other = SoftKey("platform", alg), SoftKey("other", alg)
    message = make_receipt(key, GATEWAY, 3, 500, HEAD, UTC)
    receipt = read_receipt(message, PublicKey.from_spki(key.spki))
    assert receipt == Receipt(gateway=GATEWAY, epoch=3, number=500, head=HEAD, utc_ms=UTC)
    with pytest.raises(SignatureError):
        read_receipt(message, PublicKey.from_spki(other.spki))


@BOTH
@pytest.mark.parametrize("last", [None, 7, 700])
def test_a_resend_request_is_read_back_by_its_key_alone(alg: int, last: int | None) -> None:
    key, other = SoftKey("platform", alg), SoftKey("other", alg)
    message = make_resend(key, GATEWAY, 0, 7, last)
    assert read_resend(message, PublicKey.from_spki(key.spki)) == Resend(gateway=GATEWAY, epoch=0, first=7, last=last)
    with pytest.raises(SignatureError):
        read_resend(message, PublicKey.from_spki(other.spki))


@BOTH
def test_every_bit_flip_of_a_receipt_is_refused(alg: int) -> None:
    key = SoftKey("platform", alg)
    public = PublicKey.from_spki(key.spki)
    message = make_receipt(key, GATEWAY, 3, 500, HEAD, UTC)
    for bit in range(len(message) * 8):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BlockError):
            read_receipt(bytes(flipped), public)
    for length in range(len(message)):
        with pytest.raises(FormError):
            read_receipt(message[:length], public)


def test_a_delegation_and_an_identity_change_are_read_back() -> None:
    identity, session = SoftKey("identity"), SoftKey("session", ES256)
    message = make_delegation(
        identity, gateway=GATEWAY, epoch=4, session_spki=session.spki, prev=HEAD, mono_ms=9, utc_ms=UTC
    )
    delegation = read_delegation(message)
    assert (delegation.gateway, delegation.epoch, delegation.session_spki) == (GATEWAY, 4, session.spki)
    assert (delegation.prev, delegation.mono_ms, delegation.utc_ms) == (HEAD, 9, UTC)
    delegation.check(PublicKey.from_spki(identity.spki))
    with pytest.raises(SignatureError):
        delegation.check(PublicKey.from_spki(session.spki))
    changed = make_identity_change(identity, gateway=GATEWAY, first_epoch=5, new_spki=session.spki, prev=HEAD)
    change = read_identity_change(changed)
    assert (change.gateway, change.first_epoch, change.new_spki, change.prev) == (GATEWAY, 5, session.spki, HEAD)
    change.check(PublicKey.from_spki(identity.spki))
    with pytest.raises(FormError):
        read_delegation(changed)


RECEIPT: dict[Any, Any] = {1: GATEWAY, 2: 3, 3: 500, 4: HEAD, 5: UTC}


@pytest.mark.parametrize(
    "changed",
    [
        {1: b"short"},
        {2: -1},
        {2: True},
        {2: 2**63},
        {3: None},
        {4: bytes(31)},
        {5: None},
        {5: 12345},
        {5: 2**53},
        {6: 0},
        {0: 0},
        {"x": 0},
    ],
)
def test_a_signed_receipt_out_of_form_is_refused(changed: dict[Any, Any]) -> None:
    key = SoftKey("platform")
    public = PublicKey.from_spki(key.spki)
    read_receipt(sign1(cbor2.dumps(RECEIPT), key, Aad.RECEIPT), public)
    with pytest.raises(FormError):
        read_receipt(sign1(cbor2.dumps({**RECEIPT, **changed}, canonical=True), key, Aad.RECEIPT), public)


@pytest.mark.parametrize("payload", [b"", b"\xa0", b"\x80", b"\x00", bytes.fromhex("a10048") + GATEWAY])
def test_another_payload_is_no_receipt(payload: bytes) -> None:
    key = SoftKey("platform")
    with pytest.raises(FormError):
        read_receipt(sign1(payload, key, Aad.RECEIPT), PublicKey.from_spki(key.spki))


def test_one_kind_never_passes_for_another() -> None:
    key = SoftKey("platform")
    public = PublicKey.from_spki(key.spki)
    for aad in Aad:
        message = sign1(cbor2.dumps(RECEIPT), key, aad)
        if aad is Aad.RECEIPT:
            read_receipt(message, public)
        else:
            with pytest.raises(SignatureError, match="bad-signature"):
                read_receipt(message, public)
    with pytest.raises(FormError, match="last before first"):
        read_resend(make_resend(key, GATEWAY, 0, 7, 6), public)
