"""Rules 2 and 4: who has to have signed, and where a block belongs."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest

from agent.block import events
from agent.block.cose import ED25519, ES256, Aad, sign1
from agent.block.events import Gap
from agent.block.form import read_form
from agent.block.messages import make_delegation, make_identity_change
from agent.block.record import ZERO_HEAD, Event, EventKind
from agent.block.verify import Trust, Verdict, Verifier
from tests.agent.block.chains import Gateway, Reader, SoftKey, clock_at, payload_of, read_up_to, remake, rows

CHAINED, DUPLICATE, DETACHED = Verdict.CHAINED, Verdict.DUPLICATE, Verdict.DETACHED


def sealed(blocks: int, epochs: int = 1) -> Gateway:
    """``blocks`` blocks in each of ``epochs`` epochs, two readings in all but the first of each."""
    gateway = Gateway()
    for epoch in range(epochs):
        if epoch:
            gateway.open()
        gateway.seal()
        for _ in range(blocks - 1):
            gateway.seal(2)
    return gateway


def reason(reader: Reader, message: bytes) -> tuple[Verdict, str]:
    outcome = reader.judge(message)
    return outcome.verdict, outcome.reason


def test_blocks_in_order_are_chained_over_epochs() -> None:
    gateway = sealed(4, epochs=3)
    reader = Reader.of(gateway)
    outcomes = reader.take(*gateway.messages)
    assert [outcome.verdict for outcome in outcomes] == [CHAINED] * 12
    assert reader.state.place == (2, 3)
    assert reader.state.next_reading == 18
    assert reader.state.head == gateway.sealed[-1].head


def test_any_order_ends_in_the_same_chain() -> None:
    gateway = sealed(5, epochs=3)
    want = read_up_to(gateway).state
    for seed in range(20):
        messages = gateway.messages * 2
        random.Random(seed).shuffle(messages)
        reader = Reader.of(gateway)
        outcomes = reader.take(*messages)
        assert sum(outcome.verdict is CHAINED for outcome in outcomes) == 15, seed
        assert reader.state == want
        assert reader.shelf.waiting() == ([], 0)


def test_a_block_seen_again_is_a_duplicate_even_from_a_closed_epoch() -> None:
    gateway = sealed(3, epochs=2)
    reader = read_up_to(gateway)
    assert reader.verdicts(*gateway.messages) == [DUPLICATE] * 6
    assert reader.state.place == (1, 2)


def test_a_hole_is_detached_until_it_is_filled() -> None:
    gateway = sealed(5)
    reader = Reader.of(gateway)
    first, second, third, fourth, fifth = gateway.messages
    assert reader.verdicts(first, second) == [CHAINED] * 2
    early = reader.take(fourth, fifth)
    assert [(outcome.verdict, outcome.reason) for outcome in early] == [(DETACHED, "predecessor-missing")] * 2
    assert all(outcome.block is None for outcome in early), "nothing of a detached block is delivered"
    assert reader.state.place == (0, 1)
    assert reader.verdicts(third) == [CHAINED] * 3
    assert reader.state.place == (0, 4)


def test_blocks_of_an_epoch_that_nobody_opened_yet_are_parked() -> None:
    gateway = sealed(3)
    reader = Reader.of(gateway)
    first, second, third = gateway.messages
    assert reason(reader, second) == (Verdict.PARKED, "no-delegation")
    assert reader.verdicts(third, second) == [Verdict.PARKED] * 2
    assert reader.verdicts(first) == [CHAINED, DETACHED, CHAINED, CHAINED]


def test_the_last_epochs_missing_tail_holds_the_next_epoch_back() -> None:
    gateway = sealed(3, epochs=2)
    reader = Reader.of(gateway)
    tail = gateway.messages.pop(2)
    reader.take(*gateway.messages[:2])
    assert reader.verdicts(*gateway.messages[3:]) == [DETACHED] * 3
    assert reader.verdicts(tail) == [CHAINED] * 4


def test_the_same_number_with_other_content_is_a_fork_and_what_was_stored_stays() -> None:
    gateway = sealed(3)
    reader = read_up_to(gateway)
    rival = remake(gateway.messages[2], lambda payload: payload.pop(8), gateway.session)
    before = reader.state
    assert reader.verdicts(rival) == [Verdict.FORK]
    assert reader.state.forked
    assert reader.state.head == before.head
    assert reader.shelf.evidence == [rival]
    gateway.seal(2)
    assert reader.verdicts(gateway.messages[-1]) == [CHAINED], "the chain goes on where it links"
    assert reader.state.forked


def test_the_next_number_that_does_not_link_is_a_fork() -> None:
    gateway = sealed(3)
    reader = read_up_to(gateway)
    stray = gateway.forge(lambda payload: payload.update({4: b"\x01" * 32}))
    assert reason(reader, stray) == (Verdict.FORK, "other-prev")


def test_two_blocks_that_wait_for_one_place_are_a_fork() -> None:
    gateway = sealed(5)
    reader = Reader.of(gateway)
    reader.take(*gateway.messages[:2])
    rival = remake(gateway.messages[4], lambda payload: payload.pop(8), gateway.session)
    assert reader.verdicts(rival) == [DETACHED]
    assert reason(reader, gateway.messages[4]) == (Verdict.FORK, "detached-rival")


def test_a_detached_block_that_does_not_link_when_its_turn_comes_is_a_fork() -> None:
    gateway = sealed(5)
    reader = Reader.of(gateway)
    reader.take(*gateway.messages[:2])
    rival = remake(gateway.messages[3], lambda payload: payload.update({4: b"\x01" * 32}), gateway.session)
    assert reader.verdicts(rival, gateway.messages[2]) == [DETACHED, CHAINED, Verdict.FORK]
    assert reader.verdicts(*gateway.messages[3:]) == [CHAINED] * 2


def test_an_epoch_that_opens_on_an_older_block_is_a_fork() -> None:
    gateway = sealed(4)
    clone = Gateway()
    clone.writer = type(clone.writer).resume(gateway.identity.kid, gateway.messages[:2])
    clone.sealed = gateway.sealed[:2]
    clone.open()
    clone.session = SoftKey("gateway session 1")
    opening = clone.seal().message
    reader = read_up_to(gateway)
    assert reason(reader, opening) == (Verdict.FORK, "opens-elsewhere")
    reader.take(opening, clone.seal(2).message)
    assert reader.state.place == (0, 3)
    assert reader.state.forked


def test_a_second_block_0_of_an_epoch_is_a_fork_and_the_first_one_keeps_the_key() -> None:
    gateway = sealed(2)
    reader = read_up_to(gateway)
    thief = SoftKey("thief")
    rival = opening(gateway, session=thief, epoch=0, prev=ZERO_HEAD)
    assert reason(reader, rival) == (Verdict.FORK, "second-opening")
    reader.take(rival)
    gateway.seal(2)
    assert reader.verdicts(gateway.messages[-1]) == [CHAINED]


def test_a_block_of_a_closed_epoch_is_refused_and_changes_nothing() -> None:
    gateway = sealed(3)
    old_session = gateway.session
    late = gateway.seal(2).message
    gateway.sealed.pop()
    position = gateway.sealed[-1]
    gateway.writer = type(gateway.writer).resume(gateway.identity.kid, gateway.messages)
    gateway.open()
    gateway.seal()
    reader = read_up_to(gateway)
    before = reader.state
    assert reader.state.place == (1, 0)
    assert reason(reader, late) == (Verdict.REFUSED, "epoch-closed")
    forged = remake(position.message, lambda payload: payload.pop(8), old_session)
    assert reason(reader, forged) == (Verdict.REFUSED, "epoch-closed")
    assert reader.take(late)[0].state is before


def test_a_genesis_that_links_to_something_is_refused() -> None:
    gateway = Gateway()
    genesis = opening(gateway, session=SoftKey("s"), epoch=0, prev=b"\x01" * 32)
    assert reason(Reader.of(gateway), genesis) == (Verdict.REFUSED, "genesis-prev")


def test_a_later_epoch_without_its_genesis_is_detached() -> None:
    gateway = sealed(2, epochs=2)
    reader = Reader.of(gateway)
    assert reader.verdicts(*gateway.messages[2:]) == [DETACHED] * 2


def test_a_chain_may_begin_at_a_later_epoch_with_the_tables_before_it() -> None:
    gateway = sealed(3, epochs=3)
    tables = read_up_to(gateway).state.tables
    verifier = Verifier(gateway.trust)
    state = verifier.begin(gateway.identity.kid, epoch=1, tables=tables)
    assert state is not None
    reader = Reader(verifier=verifier, state=state)
    assert reader.verdicts(*gateway.messages[3:]) == [CHAINED] * 6
    assert reader.state.begins == 1
    empty = verifier.begin(gateway.identity.kid, epoch=1)
    assert empty is not None
    blind = Reader(verifier=verifier, state=empty)
    assert [o.reason for o in blind.take(*gateway.messages[3:6])] == ["dictionary-hash", "tables-torn", "tables-torn"]


# --- rule 2


def opening(
    gateway: Gateway,
    /,
    *,
    session: SoftKey,
    signer: SoftKey | None = None,
    identity: SoftKey | None = None,
    block: dict[int, Any] | None = None,
    event: list[Any] | None = None,
    **changed: Any,
) -> bytes:
    """A block 0 with a delegation that differs from the true one in some fields."""
    at = gateway.writer.position
    fields: dict[str, Any] = {
        "gateway": gateway.identity.kid,
        "epoch": at.epoch + 1,
        "session_spki": session.spki,
        "prev": at.head,
        "mono_ms": gateway.mono_ms,
        "utc_ms": None,
    } | changed
    delegation = make_delegation(identity or gateway.identity, **fields)
    payload = {
        0: 1,
        1: fields["gateway"],
        2: fields["epoch"],
        3: 0,
        4: fields["prev"],
        5: at.next_reading,
        6: [b"b" * 8, gateway.mono_ms, None, 0, 0],
        7: at.tables.short_hash,
        9: [event or [5, gateway.mono_ms, cbor2.loads(delegation)]],
    } | (block or {})
    return sign1(cbor2.dumps(payload, canonical=True), signer or session, Aad.BLOCK)


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


# --- declared loss


def lost(gateway: Gateway, first: int, last: int, /, **changed: Any) -> Event:
    """Event 4 for blocks ``first`` to ``last`` (indexes of ``gateway.sealed``)."""
    start, end = gateway.sealed[first], gateway.sealed[last]
    fields: dict[str, Any] = {
        "first_reading": start.first_reading,
        "last_reading": end.first_reading + end.readings - 1,
        "reason": 1,
        "first": (start.epoch, start.number),
        "last": (end.epoch, end.number),
        "head": end.head,
    } | changed
    return events.gap(gateway.mono_ms, Gap(**fields))


def without(gateway: Gateway, first: int, last: int) -> list[bytes]:
    return [message for at, message in enumerate(gateway.messages) if not first <= at <= last]


def test_a_declared_loss_is_stepped_over_and_listed() -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 3)])
    gateway.seal(2)
    reader = Reader.of(gateway)
    outcomes = reader.take(*without(gateway, 2, 3))
    assert [outcome.verdict for outcome in outcomes[-4:]] == [CHAINED] * 4
    assert reader.state.place == (0, 7)
    (loss,) = reader.state.losses
    assert (loss.first, loss.until, loss.readings) == ((0, 2), (0, 4), (2, 6))
    assert reader.state.next_reading == 14


def test_several_events_may_cover_one_hole() -> None:
    gateway = sealed(7)
    gateway.seal(2, events=[lost(gateway, 4, 4), lost(gateway, 2, 3)])
    reader = Reader.of(gateway)
    assert reader.take(*without(gateway, 2, 4))[-1].verdict is CHAINED
    assert reader.state.place == (0, 7)


def test_a_loss_at_the_end_of_an_epoch_is_known_by_its_hash() -> None:
    for right in (True, False):
        gateway = sealed(5)
        gateway.open()
        head = {} if right else {"head": b"\x01" * 32}
        gateway.seal(events=[lost(gateway, 3, 4, **head)])
        reader = Reader.of(gateway)
        reader.take(*without(gateway, 3, 4))
        assert reader.state.place == ((1, 0) if right else (0, 2))


@pytest.mark.parametrize(
    "changed",
    [{"first": (0, 3)}, {"last": (0, 2)}, {"head": b"\x01" * 32}, {"last_reading": 3}],
    ids=lambda changed: next(iter(changed)),
)
def test_an_event_that_does_not_cover_the_hole_declares_nothing(changed: dict[str, Any]) -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 3, **changed)])
    reader = Reader.of(gateway)
    reader.take(*without(gateway, 2, 3))
    assert reader.state.place == (0, 1)
    assert reader.state.losses == ()
    assert len(reader.shelf.waiting()[0]) == 3


def test_a_range_that_runs_on_over_blocks_that_are_there_covers_the_hole() -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 4)])
    reader = Reader.of(gateway)
    reader.take(*without(gateway, 2, 3))
    assert reader.state.place == (0, 6), "block 4 is there, so it is not lost"
    assert reader.state.losses[0].until == (0, 4)


def test_a_late_block_of_a_declared_loss_is_kept_and_reported() -> None:
    gateway = sealed(6)
    gateway.seal(2, events=[lost(gateway, 2, 3)])
    reader = Reader.of(gateway)
    reader.take(*without(gateway, 2, 3))
    assert [(o.verdict, o.reason) for o in reader.take(gateway.messages[2])] == [(DETACHED, "late-block")]
    gateway.open()
    gateway.seal()
    reader.take(gateway.messages[-1])
    assert [(o.verdict, o.reason) for o in reader.take(gateway.messages[3])] == [(DETACHED, "late-block")]


# --- identity change


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


def test_the_boot_event_stands_before_the_one_that_opens_the_epoch() -> None:
    gateway = sealed(2)
    gateway.open()
    boot = events.boot(gateway.mono_ms, boot_before=None, last_sealed_mono_ms=None, clean=True)
    other = Event(kind=EventKind.SOFTWARE, mono_ms=1, fields=(bytes(32), "1.0"))
    block = gateway.seal(columns=rows(gateway.mono_ms, 4), events=[other, boot], clock=clock_at(gateway.mono_ms))
    outcome = read_up_to(gateway).state
    assert outcome.head == block.head
    assert [event[0] for event in payload_of(block.message)[9]] == [1, 5, 12]
