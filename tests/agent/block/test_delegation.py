"""Rule 2: who has to have signed; delegations and changes of identity, true and false."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from agent.block.cose import ED25519, ES256
from agent.block.form import read_form
from agent.block.messages import make_identity_change
from agent.block.verify import Trust, Verdict, Verifier
from tests.agent.block.chains import (
    Gateway,
    Reader,
    SoftKey,
    opening,
    payload_of,
    read_up_to,
    remake,
    sealed,
)

CHAINED, DUPLICATE, DETACHED = Verdict.CHAINED, Verdict.DUPLICATE, Verdict.DETACHED


def reason(reader: Reader, message: bytes) -> tuple[Verdict, str]:
    outcome = reader.judge(message)
    return outcome.verdict, outcome.reason


@pytest.mark.parametrize("alg", [ED25519, ES256])
def test_a_true_delegation_opens_an_epoch(alg: int) -> None:
    gateway = sealed(2)
    reader = read_up_to(gateway)
    assert reason(reader, opening(gateway, session=SoftKey("next", alg))) == (CHAINED, "")


def wrong_openings(gateway: Gateway) -> dict[str, tuple[Verdict, str, bytes]]:
    session, other = SoftKey("next"), SoftKey("other")
    refused, parked = Verdict.REFUSED, Verdict.PARKED
    old = SoftKey("gateway session 0")
    true = payload_of(opening(gateway, session=session))[9][0]
    small_order = bytes.fromhex("302a300506032b6570032100" + "01" + "00" * 31)
    compressed = SoftKey("next", ES256).spki[:59]
    tampered = cbor2.CBORTag(18, [*true[2].value[:3], bytes(64)])
    unprotected = cbor2.CBORTag(18, [true[2].value[0], {1: 1}, *true[2].value[2:]])
    headed = cbor2.CBORTag(18, [true[2].value[0].replace(b"\x27", b"\x26"), *true[2].value[1:]])
    return {
        "another gateway": (
            refused,
            "delegation-of-another-block",
            opening(gateway, session=session, gateway=b"x" * 8, block={1: gateway.identity.kid}),
        ),
        "another epoch": (
            refused,
            "delegation-of-another-block",
            opening(gateway, session=session, epoch=7, block={2: 1}),
        ),
        "another prev": (
            refused,
            "delegation-of-another-block",
            opening(gateway, session=session, prev=bytes(32), block={4: gateway.writer.position.head}),
        ),
        "key of an epoch before": (refused, "session-key-reused", opening(gateway, session=old)),
        "the identity key itself": (refused, "session-key-is-identity", opening(gateway, session=gateway.identity)),
        "a small-order key": (
            refused,
            "key-small-order",
            opening(gateway, session=session, session_spki=small_order),
        ),
        "a compressed key": (refused, "key-form", opening(gateway, session=session, session_spki=compressed)),
        "sealed by another": (refused, "wrong-signer", opening(gateway, session=session, signer=other)),
        "delegated by a stranger": (parked, "identity-unknown", opening(gateway, session=session, identity=other)),
        "delegated by a session key": (parked, "identity-unknown", opening(gateway, session=session, identity=old)),
        "delegation tampered": (refused, "bad-signature", opening(gateway, session=session, event=[5, 0, tampered])),
        "unprotected header": (refused, "cose-layer", opening(gateway, session=session, event=[5, 0, unprotected])),
        "another algorithm": (refused, "wrong-algorithm", opening(gateway, session=session, event=[5, 0, headed])),
        "no event 5": (refused, "no-epoch-open", opening(gateway, session=session, event=[6, 0])),
        "event 5 twice": (refused, "no-epoch-open", opening(gateway, session=session, block={9: [true, true]})),
        "event 5 longer": (refused, "no-epoch-open", opening(gateway, session=session, event=[*true, 0])),
        "event 5 without a message": (
            refused,
            "nested-message",
            opening(gateway, session=session, event=[5, 0, b""]),
        ),
        "no events": (refused, "no-epoch-open", opening(gateway, session=session, block={9: 0})),
        "time too early": (refused, "delegation-fields", opening(gateway, session=session, utc_ms=5)),
    }


@pytest.mark.parametrize("case", list(wrong_openings(sealed(2))))
def test_a_false_delegation_opens_nothing(case: str) -> None:
    gateway = sealed(2)
    reader = read_up_to(gateway)
    verdict, why, message = wrong_openings(gateway)[case]
    assert reason(reader, message) == (verdict, why)
    assert reader.take(message)[0].state is reader.state
    assert reader.shelf.session(1) is None
    gateway.open()
    assert reader.verdicts(gateway.seal().message)[0] is CHAINED


def test_the_key_of_another_epoch_signs_nothing_here() -> None:
    gateway = sealed(2)
    old = gateway.session
    gateway.open()
    gateway.seal()
    reader = read_up_to(gateway)
    block = gateway.seal(2).message
    assert reason(reader, remake(block, lambda _: None, old)) == (Verdict.REFUSED, "wrong-signer")


def test_a_gateway_that_nobody_trusts_has_no_chain() -> None:
    assert Verifier(Trust.of([SoftKey("someone").spki])).begin(Gateway().identity.kid) is None


def test_an_identity_change_lets_the_new_key_open_the_epochs_after_it() -> None:
    gateway = sealed(2)
    new = SoftKey("new identity")
    reader = read_up_to(gateway)
    change = make_identity_change(
        gateway.identity,
        gateway=gateway.identity.kid,
        first_epoch=1,
        new_spki=new.spki,
        prev=gateway.writer.position.head,
    )
    carrier = gateway.forge(lambda payload: payload.update({9: [[7, 1, cbor2.loads(change)]]}))
    prev = read_form(carrier).head
    by_new = opening(gateway, session=SoftKey("next"), identity=new, prev=prev)
    by_old = opening(gateway, session=SoftKey("next"), prev=prev)
    assert reason(reader, by_new) == (Verdict.PARKED, "identity-unknown")
    assert reader.verdicts(by_new) == [Verdict.PARKED]
    assert reader.verdicts(carrier) == [CHAINED, CHAINED], "what waited for the change goes on"
    assert reader.state.place == (1, 0)
    assert reader.state.identity_for(1) == new.spki
    assert reason(reader, by_old)[0] is Verdict.PARKED


@pytest.mark.parametrize("case", ["signer", "gateway", "prev", "first_epoch", "used", "session", "key"])
def test_a_false_identity_change_makes_its_block_unreadable(case: str) -> None:
    gateway = sealed(2)
    new = SoftKey("new identity")
    reader = read_up_to(gateway)
    fields: dict[str, Any] = {
        "gateway": gateway.identity.kid,
        "first_epoch": 1,
        "new_spki": new.spki,
        "prev": gateway.writer.position.head,
    }
    wrong: dict[str, dict[str, Any]] = {
        "gateway": {"gateway": b"x" * 8},
        "prev": {"prev": bytes(32)},
        "first_epoch": {"first_epoch": 0},
        "used": {"new_spki": gateway.identity.spki},
        "session": {"new_spki": gateway.session.spki},
        "key": {"new_spki": bytes(44)},
    }
    signer = new if case == "signer" else gateway.identity
    change = make_identity_change(signer, **(fields | wrong.get(case, {})))
    carrier = gateway.forge(lambda payload: payload.update({9: [[7, 1, cbor2.loads(change)]]}))
    assert reason(reader, carrier) == (Verdict.UNREADABLE, "identity-change")
    reader.take(carrier)
    assert reader.state.identities == ((0, gateway.identity.spki),)


@pytest.mark.parametrize(("first_epoch", "verdict"), [(1, Verdict.UNREADABLE), (2, Verdict.UNREADABLE), (3, CHAINED)])
def test_an_identity_change_holds_for_later_epochs_alone(first_epoch: int, verdict: Verdict) -> None:
    gateway = sealed(2, epochs=3)
    change = make_identity_change(
        gateway.identity,
        gateway=gateway.identity.kid,
        first_epoch=first_epoch,
        new_spki=SoftKey("new identity").spki,
        prev=gateway.writer.position.head,
    )
    carrier = gateway.forge(lambda payload: payload.update({9: [[7, 1, cbor2.loads(change)]]}))
    assert reason(read_up_to(gateway), carrier)[0] is verdict
