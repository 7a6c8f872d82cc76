"""No altered block is ever a reading: every bit, every length, every other way to write the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.block.cose import ED25519, ES256, Aad, parse_sign1, sig_structure, sign1
from agent.block.form import read_form
from agent.block.record import ZERO_HEAD
from agent.block.verify import Verdict
from tests.agent.block.chains import Gateway, Reader, SoftKey, payload_of, read_up_to

ALGORITHMS = pytest.mark.parametrize("alg", [ED25519, ES256])


def opened(alg: int = ED25519) -> Gateway:
    gateway = Gateway(alg=alg, kinds=(0, 1))
    gateway.seal()
    return gateway


@ALGORITHMS
def test_every_single_bit_flip_of_a_block_is_refused(alg: int) -> None:
    gateway = opened(alg)
    reader = read_up_to(gateway)
    message = gateway.seal(10).message
    epoch_key_at = message.index(b"\x02\x00\x03\x01\x04\x58\x20")
    parked = []
    for bit in range(len(message) * 8):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        outcome = reader.judge(bytes(flipped))
        assert outcome.verdict in (Verdict.REFUSED, Verdict.PARKED), (bit, outcome)
        assert outcome.state is reader.state
        assert outcome.block is None
        if outcome.verdict is Verdict.PARKED:
            parked.append(bit // 8)
    assert set(parked) == {epoch_key_at + 1}, "only an epoch that nobody opened waits, unverified"
    assert reader.judge(message).verdict is Verdict.CHAINED


@ALGORITHMS
def test_every_single_bit_flip_of_the_block_that_opens_an_epoch_is_refused(alg: int) -> None:
    gateway = Gateway(alg=alg, kinds=())
    message = gateway.seal().message
    reader = Reader.of(gateway)
    kid_at = message.index(gateway.identity.kid, message.index(gateway.identity.kid) + 8)
    for bit in range(len(message) * 8):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        outcome = reader.judge(bytes(flipped))
        if kid_at <= bit // 8 < kid_at + 8:
            assert (outcome.verdict, outcome.reason) == (Verdict.PARKED, "identity-unknown")
        elif outcome.verdict is Verdict.PARKED:
            assert outcome.reason == "no-delegation", (bit, outcome)
        else:
            assert outcome.verdict is Verdict.REFUSED, (bit, outcome)
    assert reader.judge(message).verdict is Verdict.CHAINED


def test_every_truncation_and_every_trailing_byte_is_refused() -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    message = gateway.seal(10).message
    for length in range(len(message)):
        assert reader.judge(message[:length]).verdict is Verdict.REFUSED
        assert reader.judge(message[length + 1 :]).verdict is Verdict.REFUSED
    for tail in range(256):
        assert reader.judge(message + bytes((tail,))).verdict is Verdict.REFUSED
    assert reader.judge(message + message).verdict is Verdict.REFUSED


@settings(max_examples=300)
@given(st.data())
def test_no_edit_of_a_block_is_accepted(data: st.DataObject) -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    message = gateway.seal(5).message
    start = data.draw(st.integers(0, len(message)))
    cut = data.draw(st.integers(0, 6))
    edited = message[:start] + data.draw(st.binary(max_size=6)) + message[start + cut :]
    outcome = reader.judge(edited)
    if edited == message:
        assert outcome.verdict is Verdict.CHAINED
    else:
        assert outcome.verdict in (Verdict.REFUSED, Verdict.PARKED)


def resigned(gateway: Gateway, payload: bytes) -> bytes:
    return sign1(payload, gateway.session, Aad.BLOCK)


def swap(old: str, new: str) -> Callable[[bytes], bytes]:
    """Replace the first occurrence of some bytes in the payload."""

    def change(payload: bytes) -> bytes:
        assert bytes.fromhex(old) in payload
        return payload.replace(bytes.fromhex(old), bytes.fromhex(new), 1)

    return change


TWINS: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("version in two bytes", "not-minimal", swap("0001", "001801")),
    ("version as float", "float-or-simple", swap("0001", "00f93c00")),
    ("version as true", "version", swap("0001", "00f5")),
    ("version 2", "version", swap("0001", "0002")),
    ("version as bignum", "tag", swap("0001", "00c24101")),
    ("key in two bytes", "not-minimal", swap("0001", "180001")),
    ("number as float", "float-or-simple", swap("03010458", "03f93c000458")),
    ("number as true", "header-fields", swap("03010458", "03f50458")),
    ("epoch as false", "header-fields", swap("0200030104", "02f4030104")),
    ("epoch as text", "header-fields", swap("0200030104", "0260030104")),
    ("epoch negative", "header-fields", swap("0200030104", "0220030104")),
    ("epoch of 64 bits", "header-fields", swap("0200030104", "021b8000000000000000030104")),
    ("number of 64 bits", "header-fields", swap("0301045820", "031b8000000000000000045820")),
    ("prev in three bytes", "not-minimal", swap("045820", "04590020")),
    ("map in two bytes", "not-minimal", lambda payload: b"\xb8" + bytes((payload[0] & 0x1F,)) + payload[1:]),
    ("map without length", "indefinite-length", lambda payload: b"\xbf" + payload[1:] + b"\xff"),
    ("array instead", "block-keys", lambda payload: b"\x81" + payload),
    ("tagged", "block-keys", lambda payload: b"\xd2" + payload),
    ("trailing zero", "trailing-bytes", lambda payload: payload + b"\x00"),
    ("empty", "truncated", lambda _: b""),
]


@pytest.mark.parametrize(("twin", "reason", "change"), TWINS)
def test_a_signed_block_in_another_encoding_is_refused(
    twin: str, reason: str, change: Callable[[bytes], bytes]
) -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    payload = parse_sign1(gateway.seal(3).message).payload
    assert reader.judge(resigned(gateway, payload)).verdict is Verdict.CHAINED
    outcome = reader.judge(resigned(gateway, change(payload)))
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, reason), twin


def test_unsorted_and_unknown_keys_are_refused() -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    fields = payload_of(gateway.seal(3).message)

    def judged(keys: dict[Any, Any]) -> str:
        return reader.judge(resigned(gateway, cbor2.dumps(keys))).reason

    assert judged(fields) == ""
    assert judged(dict(reversed(fields.items()))) == "key-order"
    assert judged({**fields, 11: 0}) == "block-keys"
    assert judged({**fields, "a": 0}) == "block-keys"
    assert judged({**fields, -1: 0}) == "block-keys"
    assert judged({**fields, b"a": 0}) == "block-keys"
    for key in range(8):
        without = {at: value for at, value in fields.items() if at != key}
        assert judged(without) == "block-keys"
    assert judged({at: fields[at] for at in range(8)}) == ""


WRONG_HEADERS: list[tuple[int, Any]] = [
    (1, b"1234567"),
    (1, b"123456789"),
    (1, "12345678"),
    (1, None),
    (2, None),
    (2, -1),
    (2, 2**63),
    (3, 2**63),
    (3, [1]),
    (4, bytes(31)),
    (4, bytes(33)),
    (4, None),
    (4, "x" * 32),
    (5, -1),
    (5, True),
    (5, 2**63),
    (5, None),
    (7, bytes(15)),
    (7, bytes(17)),
    (7, bytes(32)),
    (7, None),
]


@pytest.mark.parametrize(("key", "value"), WRONG_HEADERS)
def test_a_header_that_breaks_the_cddl_is_refused(key: int, value: object) -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    outcome = reader.judge(gateway.forge(lambda payload: payload.update({key: value})))
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "header-fields")


def test_nesting_of_eight_is_content_and_nine_is_form() -> None:
    gateway = opened()
    reader = read_up_to(gateway)

    def deep(levels: int) -> bytes:
        value: Any = 0
        for _ in range(levels - 3):  # the block, key 9 and the event are three
            value = [value]
        return gateway.forge(lambda payload: payload.update({9: [[64, 0, value]]}))

    assert (reader.judge(deep(8)).verdict, reader.judge(deep(8)).reason) == (Verdict.UNREADABLE, "event-form")
    assert (reader.judge(deep(9)).verdict, reader.judge(deep(9)).reason) == (Verdict.REFUSED, "nesting")


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("twin", ["1817", "bf0000ff", "0000", "", "f93c00", "d280"])
def test_the_layers_of_a_message_inside_a_block_have_one_encoding_too(layer: int, twin: str) -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    parts: list[Any] = [b"\xa0", {}, b"\xa0", bytes(64)]
    event = [64, 0, cbor2.CBORTag(18, parts)]
    well_formed = gateway.forge(lambda payload: payload.update({9: [event]}))
    assert reader.judge(well_formed).verdict is Verdict.UNREADABLE
    parts[layer] = bytes.fromhex(twin)
    outcome = reader.judge(gateway.forge(lambda payload: payload.update({9: [event]})))
    assert outcome.verdict is Verdict.REFUSED
    assert outcome.reason in {
        "not-minimal",
        "indefinite-length",
        "trailing-bytes",
        "truncated",
        "float-or-simple",
        "tag",
    }


def test_no_kind_of_message_passes_for_another() -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    payload = parse_sign1(gateway.seal(3).message).payload
    for aad in Aad:
        outcome = reader.judge(sign1(payload, gateway.session, aad))
        if aad is Aad.BLOCK:
            assert outcome.verdict is Verdict.CHAINED
        else:
            assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "bad-signature")
    delegation = payload_of(gateway.messages[0])[9][0][2]
    outcome = reader.judge(cbor2.dumps(delegation))
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "block-keys")


def test_a_signature_under_no_aad_is_refused() -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    signed = parse_sign1(gateway.seal(3).message)
    bare = cbor2.dumps(["Signature1", signed.protected, b"", signed.payload])
    assert bare != sig_structure(signed.protected, Aad.BLOCK, signed.payload)
    parts = [signed.protected, {}, signed.payload, gateway.session.sign(bare)]
    outcome = reader.judge(cbor2.dumps(cbor2.CBORTag(18, parts)))
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "bad-signature")


def test_another_key_of_the_same_gateway_may_not_seal() -> None:
    gateway = opened()
    reader = read_up_to(gateway)
    payload = parse_sign1(gateway.seal(3).message).payload
    for key in (gateway.identity, SoftKey("stranger"), SoftKey("stranger", ES256)):
        outcome = reader.judge(sign1(payload, key, Aad.BLOCK))
        assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "wrong-signer")


def test_a_block_of_another_gateway_is_refused() -> None:
    gateway, other = opened(), Gateway("other")
    reader = read_up_to(gateway)
    outcome = reader.judge(other.seal().message)
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "other-gateway")


def test_the_head_covers_everything_but_the_signature() -> None:
    gateway = Gateway(alg=ES256)
    sealed = gateway.seal()
    form = read_form(sealed.message)
    assert form.head == sealed.head
    assert form.prev == ZERO_HEAD
    assert gateway.seal().head != sealed.head
