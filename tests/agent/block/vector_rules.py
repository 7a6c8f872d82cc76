"""The cases of the vector files, sorted by the rules of the verifier; verdicts are written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cbor2

from agent.block import events
from agent.block.cose import ED25519, ES256, Aad, parse_sign1, sign1
from agent.block.events import Gap
from agent.block.messages import make_identity_change
from agent.block.record import ZERO_HEAD
from tests.agent.block.chains import (
    BOOT,
    COUNTER,
    EVENT,
    GAUGE,
    STATE,
    UTC,
    Gateway,
    SoftKey,
    opening,
    remake,
    sealed,
)

KINDS = (GAUGE, COUNTER, STATE, EVENT)


@dataclass(frozen=True)
class Case:
    """Messages given in this order after the file's ``before``, and the verdict on each as it comes."""

    name: str
    messages: list[bytes]
    verdicts: list[tuple[str, str]]
    proven: bool


def one(name: str, message: bytes, verdict: str, reason: str = "") -> Case:
    """One message; the file is proven only if it is chained or a duplicate."""
    return Case(name, [message], [(verdict, reason)], verdict in ("chained", "duplicate"))


def opened(alg: int = ED25519) -> Gateway:
    gateway = Gateway("vector", kinds=KINDS, alg=alg)
    gateway.seal()
    return gateway


def document(about: str, gateway: Gateway, before: list[bytes], cases: list[Case]) -> dict[str, Any]:
    return {
        "about": about,
        "trust": [gateway.identity.spki.hex()],
        "before": [message.hex() for message in before],
        "cases": [
            {
                "name": case.name,
                "messages": [message.hex() for message in case.messages],
                "verdicts": [list(verdict) for verdict in case.verdicts],
                "proven": case.proven,
            }
            for case in cases
        ],
    }


def form() -> dict[str, Any]:
    gateway = opened()
    before = gateway.messages[:]
    message = gateway.seal(3).message
    signed = parse_sign1(message)

    def signed_payload(payload: bytes) -> bytes:
        return sign1(payload, gateway.session, Aad.BLOCK)

    def swapped(old: str, new: str) -> bytes:
        assert bytes.fromhex(old) in signed.payload
        return signed_payload(signed.payload.replace(bytes.fromhex(old), bytes.fromhex(new), 1))

    def layered(layer: bytes) -> bytes:
        event = [64, 0, cbor2.CBORTag(18, [b"\xa0", {}, layer, bytes(64)])]
        return remake(message, lambda payload: payload.update({9: [event]}), gateway.session)

    def deep(levels: int) -> bytes:
        value: Any = 0
        for _ in range(levels - 3):
            value = [value]
        return remake(message, lambda payload: payload.update({9: [[64, 0, value]]}), gateway.session)

    def changed(change: Callable[[dict[int, Any]], Any]) -> bytes:
        return remake(message, change, gateway.session)

    tail = message[2:]
    refused = "refused"
    flipped = message.replace(b"\xa9\x00\x01", b"\x29\x00\x01", 1)
    long_epoch = swapped("0200030104", "021b8000000000000000030104")
    endless = signed_payload(b"\xbf" + signed.payload[1:] + b"\xff")
    cases = [
        one("as sealed", message, "chained"),
        one("tag 18 in two bytes", b"\xd8\x12" + message[1:], refused, "not-minimal"),
        one("untagged", message[1:], refused, "cose-layer"),
        one("tag 17", b"\xd1" + message[1:], refused, "tag"),
        one("array of indefinite length", b"\xd2\x9f" + tail + b"\xff", refused, "indefinite-length"),
        one("array length in two bytes", b"\xd2\x98\x04" + tail, refused, "not-minimal"),
        one("trailing byte", message + b"\x00", refused, "trailing-bytes"),
        one("last byte missing", message[:-1], refused, "truncated"),
        one("empty", b"", refused, "truncated"),
        one("unprotected kid", message.replace(b"\xa0\x58", b"\xa1\x04\x41\x00\x58", 1), refused, "cose-layer"),
        one("first bit of the payload flipped", flipped, refused, "trailing-bytes"),
        one("last bit of the signature flipped", message[:-1] + bytes((message[-1] ^ 1,)), refused, "bad-signature"),
        one("another external_aad", sign1(signed.payload, gateway.session, Aad.RECEIPT), refused, "bad-signature"),
        one("sealed by another key", sign1(signed.payload, SoftKey("stranger"), Aad.BLOCK), refused, "wrong-signer"),
        one("payload: trailing byte", signed_payload(signed.payload + b"\x00"), refused, "trailing-bytes"),
        one("payload: version as true", swapped("0001", "00f5"), refused, "version"),
        one("payload: version as 1.0", swapped("0001", "00f93c00"), refused, "float-or-simple"),
        one("payload: version as bignum", swapped("0001", "00c24101"), refused, "tag"),
        one("payload: version in two bytes", swapped("0001", "001801"), refused, "not-minimal"),
        one("payload: epoch as false", swapped("0200030104", "02f4030104"), refused, "header-fields"),
        one("payload: epoch of 64 bits", long_epoch, refused, "header-fields"),
        one("payload: indefinite map", endless, refused, "indefinite-length"),
        one("payload: keys 0 and false", swapped("a90001", "aa0001f401"), refused, "key-order"),
        one(
            "payload: unknown key 11",
            changed(lambda payload: payload.update({11: 0})),
            refused,
            "block-keys",
        ),
        one("payload: no key 7", changed(lambda payload: payload.pop(7)), refused, "block-keys"),
        one("payload: key 8 before key 7", signed_payload(unsorted(signed.payload)), refused, "key-order"),
        one("nesting of 8", deep(8), "unreadable", "event-form"),
        one("nesting of 9", deep(9), refused, "nesting"),
        one("nested message: well-formed layers", layered(b"\xa0"), "unreadable", "event-form"),
        one("nested message: payload of indefinite length", layered(b"\xbf\xff"), refused, "indefinite-length"),
        one("nested message: trailing byte in the payload", layered(b"\xa0\x00"), refused, "trailing-bytes"),
        one("a delegation alone", delegation_of(before[0]), refused, "block-keys"),
    ]
    return document("rule 1 and 3: form and signature", gateway, before, cases)


def unsorted(payload: bytes) -> bytes:
    fields = cbor2.loads(payload)
    order = [key for key in fields if key not in (7, 8)]
    order[7:7] = [8, 7]
    return cbor2.dumps({key: fields[key] for key in order})


def delegation_of(message: bytes) -> bytes:
    tag = next(event[2] for event in cbor2.loads(parse_sign1(message).payload)[9] if event[0] == 5)
    return cbor2.dumps(tag)


def signer() -> dict[str, Any]:
    gateway = sealed(2)
    before = gateway.messages
    session, other, old = SoftKey("next"), SoftKey("other"), SoftKey("gateway session 0")
    small = bytes.fromhex("302a300506032b657003210001") + bytes(31)
    prev = gateway.writer.position.head
    refused, parked = "refused", "parked"
    of = "delegation-of-another-block"
    nowhere = remake(before[1], lambda payload: payload.update({2: 3}), session)

    def made(**changed: Any) -> bytes:
        return opening(gateway, **({"session": session} | changed))

    cases = [
        one("a true delegation, Ed25519", made(), "chained"),
        one("a true delegation, P-256", made(session=SoftKey("next", ES256)), "chained"),
        one("delegation for another gateway", made(gateway=b"x" * 8, block={1: gateway.identity.kid}), refused, of),
        one("delegation for another epoch", made(epoch=7, block={2: 1}), refused, of),
        one("delegation with another prev", made(prev=bytes(32), block={4: prev}), refused, of),
        one("session key of an epoch before", made(session=old), refused, "session-key-reused"),
        one("session key is the identity key", made(session=gateway.identity), refused, "session-key-is-identity"),
        one("session key of small order", made(session_spki=small), refused, "key-small-order"),
        one("session key compressed", made(session_spki=SoftKey("next", ES256).spki[:59]), refused, "key-form"),
        one("block 0 not sealed by the delegated key", made(signer=other), refused, "wrong-signer"),
        one("delegated by a key that is no identity key", made(identity=other), parked, "identity-unknown"),
        one("no event 5", made(event=[6, 0]), refused, "no-epoch-open"),
        one("epoch that nobody opened", nowhere, parked, "no-delegation"),
        one("second block 0 with another key", made(epoch=0, prev=ZERO_HEAD), "fork", "second-opening"),
    ]
    return document("rule 2: who has to have signed", gateway, before, cases)


def places() -> dict[str, Any]:
    gateway = sealed(3)
    before = gateway.messages[:]
    head = gateway.sealed[1].head
    fourth, fifth = gateway.seal(2).message, gateway.seal(2).message
    rival = remake(before[2], lambda payload: payload.pop(8), gateway.session)
    stray = remake(fourth, lambda payload: payload.update({4: b"\x01" * 32}), gateway.session)
    restored = type(gateway.writer).resume(gateway.identity.kid, before[:2])
    elsewhere = Gateway()
    elsewhere.writer = restored
    elsewhere.sealed = gateway.sealed[:2]
    elsewhere.open()
    opens_elsewhere = elsewhere.seal().message
    assert parse_sign1(opens_elsewhere).payload.count(head) == 2
    ended = type(gateway.writer).resume(gateway.identity.kid, before)
    elsewhere.writer, elsewhere.sealed = ended, gateway.sealed[:3]
    elsewhere.open()
    elsewhere.mono_ms = gateway.mono_ms
    next_epoch = elsewhere.seal().message
    late_genesis = opening(gateway, session=SoftKey("next"), epoch=0, prev=b"\x01" * 32)
    reopened = opening(gateway, session=SoftKey("next"), epoch=0, prev=ZERO_HEAD)
    chained, detached = ("chained", ""), ("detached", "predecessor-missing")
    closed = ("refused", "epoch-closed")
    cases = [
        Case("the next two", [fourth, fifth], [chained] * 2, True),
        Case("one early, then its predecessor", [fifth, fourth], [detached, chained], True),
        one("one early alone", fifth, "detached", "predecessor-missing"),
        one("the last one again", before[2], "duplicate"),
        one("the first one again", before[0], "duplicate"),
        one("the same number with other content", rival, "fork", "same-number"),
        one("the next number with another prev", stray, "fork", "other-prev"),
        one("an epoch that opens on an older block", opens_elsewhere, "fork", "opens-elsewhere"),
        Case("the next epoch, then more of the one before", [next_epoch, fourth], [chained, closed], False),
        Case(
            "the next epoch, then another block 0 of the one before", [next_epoch, reopened], [chained, closed], False
        ),
        one("a genesis with a prev", late_genesis, "refused", "genesis-prev"),
    ]
    return document("rule 4: place, duplicate, detached, fork, closed epoch", gateway, before, cases)


def losses() -> dict[str, Any]:
    gateway = sealed(6)
    messages = gateway.messages[:]
    end = gateway.sealed[3]
    true: dict[str, Any] = {
        "first_reading": 2,
        "last_reading": 5,
        "reason": 1,
        "first": (0, 2),
        "last": (0, 3),
        "head": end.head,
    }
    carrier = gateway.seal(2, events=[events.gap(gateway.mono_ms, Gap(**true))]).message

    def changed(at: int, value: Any) -> bytes:
        return remake(carrier, lambda payload: payload[9][0].__setitem__(at, value), gateway.session)

    chained, detached, late = ("chained", ""), ("detached", "predecessor-missing"), ("detached", "late-block")
    given = [messages[4], messages[5]]
    cases = [
        Case("declared", [*given, carrier], [detached] * 3, True),
        Case("declared, the carrier first", [carrier, *given], [detached, detached, chained], True),
        Case("declared, then a late block", [*given, carrier, messages[2]], [detached] * 3 + [late], False),
        Case("not declared", given, [detached] * 2, False),
        Case("filled", [*given, messages[2], messages[3]], [detached] * 2 + [chained] * 2, True),
        Case("first too high", [*given, changed(5, [0, 3])], [detached] * 3, False),
        Case("last too low", [*given, changed(6, [0, 2])], [detached] * 3, False),
        Case("another hash", [*given, changed(7, b"\x01" * 32)], [detached] * 3, False),
        Case("last reading too low", [*given, changed(3, 3)], [detached] * 3, False),
    ]
    return document(
        "rule 4: holes; verdicts are those when a message comes, 'proven' is the end of the file",
        gateway,
        messages[:2],
        cases,
    )


def content() -> dict[str, Any]:
    gateway = opened()
    before = gateway.messages[:]
    blank = gateway.forge(lambda _: None)

    def with_keys(changed: dict[int, Any]) -> bytes:
        return remake(blank, lambda payload: payload.update(changed), gateway.session)

    def columns(count: int, point: int, values: list[Any], **more: Any) -> bytes:
        keys = {{"status": 4, "raw": 5, "times": 6}[key]: value for key, value in more.items()}
        return with_keys({8: {0: count, 1: [0] * count, 2: [point] * count, 3: values, **keys}})

    def case(name: str, message: bytes, reason: str = "") -> Case:
        return one(name, message, "unreadable" if reason else "chained", reason)

    def adding(addition: list[Any]) -> bytes:
        return with_keys({9: [[3, 5, addition]]})

    bad = 0x80000000
    second_delegation = with_keys({9: [[5, 5, cbor2.loads(delegation_of(before[0]))]]})
    change = make_identity_change(
        SoftKey("stranger"),
        gateway=gateway.identity.kid,
        first_epoch=1,
        new_spki=SoftKey("new").spki,
        prev=gateway.sealed[-1].head,
    )
    cases = [
        case("heartbeat", blank),
        case("clock without UTC", with_keys({6: [BOOT, 5, None, 0, 0]})),
        case("UTC without quality", with_keys({6: [BOOT, 5, UTC, 0, 0]}), "clock-quality"),
        case("quality without UTC", with_keys({6: [BOOT, 5, None, 3, 0]}), "clock-quality"),
        case("error without UTC", with_keys({6: [BOOT, 5, None, 0, 1]}), "clock-quality"),
        case("UTC before 2004", with_keys({6: [BOOT, 5, 2**40 - 1, 3, 0]}), "clock-form"),
        case("least int64", columns(1, 0, [-(2**63)])),
        case("beyond int64", columns(1, 0, [2**63]), "value-range"),
        case("a difference of 65 bits", columns(2, 0, [-(2**63), 2**64 - 1])),
        case("a sum beyond int64", columns(2, 0, [2**63 - 1, 1]), "value-range"),
        case("mono below zero", with_keys({8: {0: 1, 1: [-1_002_001], 2: [0], 3: [1]}}), "mono-range"),
        case("mono of zero", with_keys({8: {0: 1, 1: [-1_002_000], 2: [0], 3: [1]}})),
        case("text in a gauge", columns(1, 0, ["x"]), "value-type"),
        case("true in a counter", columns(1, 1, [True]), "value-type"),
        case("bytes in a state", columns(1, 2, [b"x"]), "value-type"),
        case("bytes in an event", columns(1, 3, [b"x"])),
        case("text of 1025 bytes in 513 characters", columns(1, 3, ["é" * 512 + "x"]), "value-type"),
        case("null with a bad status", columns(1, 0, [None], status=[[0, bad]])),
        case("null with an uncertain status", columns(1, 0, [None], status=[[0, 0x40000000]])),
        case("null with a good status", columns(1, 0, [None], status=[[0, 1]]), "null-without-status"),
        case("null without a status", columns(1, 0, [None]), "null-without-status"),
        case("status 0", columns(1, 0, [1], status=[[0, 0]]), "sparse-row"),
        case("status rows not ascending", columns(2, 0, [1, 1], status=[[1, bad], [0, bad]]), "sparse-row"),
        case("status row beyond n", columns(1, 0, [1], status=[[1, bad]]), "sparse-row"),
        case("raw bytes empty", columns(1, 0, [1], raw=[[0, b""]]), "sparse-row"),
        case("flags 8", columns(1, 0, [1], times=[[0, None, None, 8]]), "sparse-row"),
        case("point beyond the dictionary", columns(1, 4, [1]), "point-index"),
        case("column too short", with_keys({8: {0: 2, 1: [0, 0], 2: [0, 0], 3: [1]}}), "column-length"),
        case("dt as false", with_keys({8: {0: 1, 1: [False], 2: [0], 3: [1]}}), "columns-form"),
        case("no rows", with_keys({8: {0: 0, 1: [], 2: [], 3: []}}), "columns-form"),
        case("unknown event", with_keys({9: [[777, 5, 1, "x", None]]})),
        case("event with an array in it", with_keys({9: [[777, 5, [1]]]}), "event-form"),
        case("no events", with_keys({9: []}), "event-form"),
        case("two boots", with_keys({9: [[1, 5, None, None, True]] * 2}), "event-twice"),
        case("clean as 0", with_keys({9: [[1, 5, None, None, 0]]}), "event-form"),
        case("dictionary that adds nothing", adding([1, [], 4, []]), "dictionary-empty"),
        case(
            "dictionary out of order",
            with_keys({9: [[3, 5, [0, [], 4, [[0, "q", None, 0, 0, 0]]]]]}),
            "dictionary-order",
        ),
        case(
            "point of no device", with_keys({9: [[3, 5, [1, [], 4, [[1, "q", None, 0, 0, 0]]]]]}), "dictionary-device"
        ),
        case("another dictionary hash", with_keys({7: bytes(16)}), "dictionary-hash"),
        case(
            "a delegation outside block 0",
            second_delegation,
            "epoch-open-misplaced",
        ),
        case("identity change by a stranger", with_keys({9: [[7, 5, cbor2.loads(change)]]}), "identity-change"),
        case("receipt of this very block", with_keys({10: [[b"platform", 0, 1]]}), "receipt-ahead"),
        case("receipt twice", with_keys({10: [[b"platform", 0, 0]] * 2}), "receipt-twice"),
        case("reading number too high", with_keys({5: 1}), "reading-number"),
    ]
    return document("rule 5: content", gateway, before, cases)
