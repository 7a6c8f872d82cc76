"""COSE_Sign1 (RFC 9052 4.2) as this format uses it: one layout, so that a message has exactly one encoding."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from agent.block import cbor
from agent.block.errors import FormError, SignatureError
from agent.block.public_key import ED25519, ES256, SIGNATURE_BYTES, PublicKey, key_id
from agent.block.record import MAX_MESSAGE_BYTES

__all__ = ["ED25519", "ES256", "Aad", "PublicKey", "Sign1", "Signer", "key_id", "parse_sign1", "sign1"]

_START: Final = b"\xd2\x84\x4d"
_PROTECTED_BYTES: Final = 13
_PAYLOAD_AT: Final = len(_START) + _PROTECTED_BYTES + 1
_SIGNATURE_HEAD: Final = b"\x58\x40"
_ALGORITHMS: Final = {b"\xa2\x01\x27\x04\x48": ED25519, b"\xa2\x01\x26\x04\x48": ES256}
_PROTECTED_STARTS: Final = {alg: start for start, alg in _ALGORITHMS.items()}


class Aad(Enum):
    """external_aad of each kind of message, so that one never passes for another."""

    BLOCK = b"tidegate/1/block"
    DELEGATION = b"tidegate/1/delegation"
    IDENTITY = b"tidegate/1/identity"
    RECEIPT = b"tidegate/1/receipt"
    RESEND = b"tidegate/1/resend"
    COMMAND = b"tidegate/1/command"


class Signer(Protocol):
    """A private key, wherever it lies."""

    @property
    def kid(self) -> bytes:
        """``key_id`` of the public key."""
        ...

    @property
    def alg(self) -> int:
        """``ED25519`` or ``ES256``."""
        ...

    @property
    def spki(self) -> bytes:
        """Public key, SubjectPublicKeyInfo, DER."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign ``data``: 64 bytes, for P-256 r || s over SHA-256, no DER."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign1:
    """The four parts of a message whose layers have the one allowed layout; nothing is verified yet."""

    alg: int
    kid: bytes
    protected: bytes
    payload: bytes
    signature: bytes

    def head(self, aad: Aad) -> bytes:
        """SHA-256 of the Sig_structure; for blocks that is what the next one links to."""
        return hashlib.sha256(sig_structure(self.protected, aad, self.payload)).digest()

    def check(self, public: PublicKey, aad: Aad) -> None:
        """Raise ``SignatureError`` (``wrong-signer``, ``wrong-algorithm``, ``bad-signature``) unless signed so."""
        if self.kid != public.kid:
            raise SignatureError("wrong-signer", f"signed as {self.kid.hex()}, not {public.kid.hex()}")
        if self.alg != public.alg:
            raise SignatureError("wrong-algorithm", f"{self.alg} by a key of {public.alg}")
        if not public.verify(self.signature, sig_structure(self.protected, aad, self.payload)):
            raise SignatureError("bad-signature")


def protected_header(alg: int, kid: bytes) -> bytes:
    """The protected header, encoded: ``{1: alg, 4: kid}``."""
    return _PROTECTED_STARTS[alg] + kid


def sig_structure(protected: bytes, aad: Aad, payload: bytes) -> bytes:
    """The bytes that are signed (RFC 9052 4.4)."""
    return b"\x84\x6aSignature1" + _bstr(protected) + _bstr(aad.value) + _bstr(payload)


def sign1(payload: bytes, signer: Signer, aad: Aad) -> bytes:
    """Sign ``payload`` and return the message."""
    return sign1_with_head(payload, signer, aad)[0]


def sign1_with_head(payload: bytes, signer: Signer, aad: Aad) -> tuple[bytes, bytes]:
    """As ``sign1``, and the head beside it, which falls out of the same bytes."""
    protected = protected_header(signer.alg, signer.kid)
    to_sign = sig_structure(protected, aad, payload)
    signature = signer.sign(to_sign)
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError("signature-size", f"the key gave {len(signature)} bytes")
    message = b"".join((_START, protected, b"\xa0", _bstr(payload), _SIGNATURE_HEAD, signature))
    return message, hashlib.sha256(to_sign).digest()


def message_end(data: bytes | bytearray, start: int) -> int | None:
    """Where the message at ``start`` ends, judged by its outer layout alone; None if none starts there."""
    if not data.startswith(_START, start) or data[start + _PAYLOAD_AT - 1 : start + _PAYLOAD_AT] != b"\xa0":
        return None
    payload_at, payload_end = _payload_span(data[start : start + _PAYLOAD_AT + 5])
    if payload_at == payload_end:
        return None
    signature_at = start + payload_end + len(_SIGNATURE_HEAD)
    end = signature_at + SIGNATURE_BYTES
    if end > len(data) or data[start + payload_end : signature_at] != _SIGNATURE_HEAD:
        return None
    return end if end - start <= MAX_MESSAGE_BYTES else None


def parse_sign1(message: bytes) -> Sign1:
    """Take a message apart. Message and protected header are checked to the last bit, the payload not at all.

    Raises:
        FormError: ``too-big``, one of ``cbor.decode_strict``'s, or ``cose-layer``.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise FormError("too-big", f"{len(message)} bytes")
    protected = message[len(_START) : len(_START) + _PROTECTED_BYTES]
    alg = _ALGORITHMS.get(protected[:5])
    payload_at, payload_end = _payload_span(message)
    signature_at = payload_end + len(_SIGNATURE_HEAD)
    if (
        alg is None
        or not message.startswith(_START)
        or message[_PAYLOAD_AT - 1 : _PAYLOAD_AT] != b"\xa0"
        or message[payload_end:signature_at] != _SIGNATURE_HEAD
        or len(message) != signature_at + SIGNATURE_BYTES
    ):
        cbor.scan(message, [])
        raise FormError("cose-layer", "not tag 18 over protected, empty map, payload, 64-byte signature")
    return Sign1(
        alg=alg,
        kid=protected[5:],
        protected=protected,
        payload=message[payload_at:payload_end],
        signature=message[signature_at:],
    )


def _payload_span(message: bytes | bytearray) -> tuple[int, int]:
    """Where the payload's bytes start and end; an empty span at the end when its head is no minimal byte string.

    A resend request for small numbers has a payload under 24 bytes, whose head is one byte.
    """
    head = message[_PAYLOAD_AT : _PAYLOAD_AT + 5]
    if head and 0x40 <= head[0] < 0x58:
        return _PAYLOAD_AT + 1, _PAYLOAD_AT + 1 + head[0] - 0x40
    for width in (1, 2, 4):
        size = int.from_bytes(head[1 : 1 + width], "big")
        if _bstr_head(size) == head[: 1 + width]:
            start = _PAYLOAD_AT + 1 + width
            return start, start + size
    return len(message), len(message)


def _bstr_head(size: int) -> bytes:
    if size < 24:
        return bytes((0x40 + size,))
    if size < 1 << 8:
        return bytes((0x58, size))
    if size < 1 << 16:
        return b"\x59" + size.to_bytes(2, "big")
    return b"\x5a" + size.to_bytes(4, "big")


def _bstr(data: bytes) -> bytes:
    return _bstr_head(len(data)) + data
