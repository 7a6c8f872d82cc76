"""Rule 1 of the verifier: is this a block message at all, in its one allowed encoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.block import cbor
from agent.block.cose import Aad, Sign1, parse_sign1
from agent.block.errors import FormError
from agent.block.record import VERSION
from agent.block.shape import HASH_BYTES, ID_BYTES, is_bytes, is_u63

SHORT_HASH_BYTES: Final = 16
CLOCK, COLUMNS, EVENTS, RECEIPTS = 6, 8, 9, 10
_MANDATORY: Final = (0, 1, 2, 3, 4, 5, 6, 7)
_OPTIONAL: Final = frozenset({COLUMNS, EVENTS, RECEIPTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A message that passed rule 1. Nothing in it is verified; keys 6, 8, 9 and 10 are not even looked at.

    Attributes:
        message: the bytes as they came.
        signed: its COSE parts.
        head: what the next block has to link to.
        payload: all keys of the block as decoded CBOR.
    """

    message: bytes
    signed: Sign1
    head: bytes
    gateway: bytes
    epoch: int
    number: int
    prev: bytes
    first_reading: int
    dictionary_hash: bytes
    payload: Mapping[int, object]

    @property
    def place(self) -> tuple[int, int]:
        """(epoch, number)."""
        return self.epoch, self.number


def read_form(message: bytes) -> Form:
    """Check every layer of a message and the header of its block.

    Raises:
        FormError: ``too-big``, ``cose-layer``, one of ``cbor.decode_strict``'s, ``block-keys``, ``version``,
            ``header-fields``.
    """
    signed = parse_sign1(message)
    payload = _payload(signed.payload)
    version, gateway, epoch, number, prev, first_reading = (payload[key] for key in range(6))
    dictionary_hash = payload[7]
    if type(version) is not int or version != VERSION:
        raise FormError("version", f"{version!r}")
    if not (is_bytes(gateway, ID_BYTES) and is_u63(epoch) and is_u63(number) and is_bytes(prev, HASH_BYTES)):
        raise FormError("header-fields", "keys 1 to 4")
    if not (is_u63(first_reading) and is_bytes(dictionary_hash, SHORT_HASH_BYTES)):
        raise FormError("header-fields", "keys 5 and 7")
    return Form(
        message=message,
        signed=signed,
        head=signed.head(Aad.BLOCK),
        gateway=gateway,
        epoch=epoch,
        number=number,
        prev=prev,
        first_reading=first_reading,
        dictionary_hash=dictionary_hash,
        payload=payload,
    )


def _payload(encoded: bytes) -> Mapping[int, object]:
    spans: list[tuple[int, int]] = []
    cbor.scan(encoded, spans)
    payload = cbor.build(encoded)
    if not isinstance(payload, cbor.Map):
        raise FormError("block-keys", "no map")
    keys = tuple(payload)
    if not all(type(key) is int for key in keys) or keys[:8] != _MANDATORY or not _OPTIONAL.issuperset(keys[8:]):
        raise FormError("block-keys", f"{keys}")
    for start, end in spans:
        _nested_layers(cbor.build(encoded[start:end]))
    return payload


def _nested_layers(message: object) -> None:
    """The layers inside a nested message are hidden in byte strings, where the scan of the block does not look."""
    parts = message.value if isinstance(message, cbor.Tag) else ()
    if type(parts) is not tuple or len(parts) != 4:
        return
    for layer in (parts[0], parts[2]):
        if type(layer) is bytes:
            cbor.scan(layer)
