from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.block.cbor import decode_strict, encode
from agent.block.errors import FormError
from tests.agent.block.chains import thaw

MALFORMED = [
    ("", "truncated"),
    ("1817", "not-minimal"),
    ("190017", "not-minimal"),
    ("1900ff", "not-minimal"),
    ("1a0000ffff", "not-minimal"),
    ("1b00000000ffffffff", "not-minimal"),
    ("3817", "not-minimal"),
    ("3900ff", "not-minimal"),
    ("5817" + "00" * 23, "not-minimal"),
    ("590017" + "00" * 23, "not-minimal"),
    ("7817" + "61" * 23, "not-minimal"),
    ("980101", "not-minimal"),
    ("811817", "not-minimal"),
    ("811900ff", "not-minimal"),
    ("b8010101", "not-minimal"),
    ("a1180101", "not-minimal"),
    ("d81280", "not-minimal"),
    ("5f4100ff", "indefinite-length"),
    ("7f6161ff", "indefinite-length"),
    ("9fff", "indefinite-length"),
    ("9f01ff", "indefinite-length"),
    ("bfff", "indefinite-length"),
    ("819f01ff", "indefinite-length"),
    ("1c", "reserved-head"),
    ("5e", "reserved-head"),
    ("fc", "float-or-simple"),
    ("ff", "float-or-simple"),
    ("f7", "float-or-simple"),
    ("f0", "float-or-simple"),
    ("f820", "float-or-simple"),
    ("f814", "float-or-simple"),
    ("f90000", "float-or-simple"),
    ("f93c00", "float-or-simple"),
    ("fa3f800000", "float-or-simple"),
    ("fb3ff0000000000000", "float-or-simple"),
    ("81f93c00", "float-or-simple"),
    ("a1f93c0000", "float-or-simple"),
    ("c249010000000000000000", "tag"),
    ("c349010000000000000000", "tag"),
    ("c24101", "tag"),
    ("c000", "tag"),
    ("d380", "tag"),
    ("d9d9f700", "tag"),
    ("61ff", "bad-utf8"),
    ("62c080", "bad-utf8"),
    ("63eda080", "bad-utf8"),
    ("64f4908080", "bad-utf8"),
    ("61c3", "bad-utf8"),
    ("a201000000", "key-order"),
    ("a200000000", "key-order"),
    ("a201000100", "key-order"),
    ("a220000100", "key-order"),
    ("a26161000000", "key-order"),
    ("a2616200616100", "key-order"),
    ("a22000181800", "key-order"),
    ("a20000f400", "key-type"),
    ("a20100f500", "key-type"),
    ("81" * 9 + "00", "nesting"),
    ("81" * 9000 + "00", "nesting"),
    ("a100" * 9 + "00", "nesting"),
    ("d2" * 9 + "00", "nesting"),
    ("8181818181818181d200", "nesting"),
    ("0000", "trailing-bytes"),
    ("8000", "trailing-bytes"),
    ("81", "truncated"),
    ("8200", "truncated"),
    ("19ff", "truncated"),
    ("8119ff", "truncated"),
    ("811b000000", "truncated"),
    ("41", "truncated"),
    ("6261", "truncated"),
    ("a1", "truncated"),
    ("a100", "truncated"),
    ("d2", "truncated"),
    ("9bffffffffffffffff", "truncated"),
    ("9bffffffffffffffff0000", "truncated"),
    ("bbffffffffffffffff", "truncated"),
    ("5bffffffffffffffff", "truncated"),
]

WELL_FORMED = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("190100", 256),
    ("1a00010000", 65536),
    ("1b0000000100000000", 2**32),
    ("1bffffffffffffffff", 2**64 - 1),
    ("3bffffffffffffffff", -(2**64)),
    ("8718181901001a000100001b0000000100000000381839ffff3a00010000", [24, 256, 65536, 2**32, -25, -65536, -65537]),
    ("83f4f5f6", [False, True, None]),
    ("a200000180", {0: 0, 1: []}),
    ("a20000181800", {0: 0, 24: 0}),
    ("81" * 8 + "00", [[[[[[[[0]]]]]]]]),
    ("63e697a5", "日"),
]


@pytest.mark.parametrize(("data", "reason"), MALFORMED)
def test_malformed_cbor_is_refused_with_its_reason(data: str, reason: str) -> None:
    with pytest.raises(FormError) as refused:
        decode_strict(bytes.fromhex(data))
    assert refused.value.reason == reason


@pytest.mark.parametrize(("data", "value"), WELL_FORMED)
def test_well_formed_cbor_is_decoded(data: str, value: object) -> None:
    decoded = thaw(decode_strict(bytes.fromhex(data)))
    assert decoded == value
    assert encode(decoded).hex() == data


def test_tag_18_is_allowed_only_where_a_message_may_stand() -> None:
    assert isinstance(decode_strict(bytes.fromhex("d280")), cbor2.CBORTag)
    with pytest.raises(FormError, match="tag: tag 18"):
        decode_strict(bytes.fromhex("d280"), tagged=False)


SCALARS = st.integers(-(2**64), 2**64 - 1) | st.booleans() | st.none() | st.text(max_size=30) | st.binary(max_size=30)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 300), inner, max_size=5),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(VALUES.filter(lambda value: depth(value) <= 8))
def test_what_is_encoded_decodes_to_the_same(value: object) -> None:
    assert thaw(decode_strict(encode(value))) == value


@given(st.binary(max_size=40))
def test_whatever_decodes_was_its_one_encoding(data: bytes) -> None:
    try:
        value = decode_strict(data)
    except FormError:
        return
    assert encode(value) == data or has_other_keys(value)


def has_other_keys(value: object) -> bool:
    """Maps whose keys are not all unsigned integers: cbor2 would order them by length first."""
    if isinstance(value, cbor2.CBORTag):
        return has_other_keys(value.value)
    if isinstance(value, tuple):
        return any(map(has_other_keys, value))
    if isinstance(value, cbor2.frozendict):
        plain = all(type(key) is int and key >= 0 for key in value)
        return not plain or any(map(has_other_keys, value.values()))
    return False


@given(VALUES, st.data())
def test_a_longer_head_is_never_accepted(value: object, data: st.DataObject) -> None:
    encoded = encode([value])
    assert encoded[0] == 0x81
    longer = data.draw(st.sampled_from(["9801", "990001", "9a00000001", "9b0000000000000001"]))
    with pytest.raises(FormError):
        decode_strict(bytes.fromhex(longer) + encoded[1:])
