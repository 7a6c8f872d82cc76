"""Public keys as the format knows them: Ed25519 and P-256, in exactly one encoding each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.block.errors import FormError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ED25519: Final = -8
ES256: Final = -7
SIGNATURE_BYTES: Final = 64

_ED25519_SPKI_BYTES: Final = 44
_P256_SPKI_BYTES: Final = 91
ED25519_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, 4)."""
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8_Y: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})
"""y of every point whose order divides 8; with one of these as key a fixed 'signature' passes for any message."""

_Loaded: TypeAlias = "ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey"


def key_id(spki: bytes) -> bytes:
    """First 8 bytes of SHA-256 over a SubjectPublicKeyInfo: selects a key, proves nothing."""
    return hashlib.sha256(spki).digest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A well-formed public key. Two are equal when their whole SPKI is.

    Attributes:
        spki: SubjectPublicKeyInfo, DER, 44 bytes (Ed25519) or 91 (P-256, uncompressed).
        kid: ``key_id`` of it.
        alg: COSE algorithm that this key signs with, ``ED25519`` or ``ES256``.
    """

    spki: bytes
    kid: bytes
    alg: int
    _key: _Loaded = field(repr=False, compare=False)

    @staticmethod
    def from_spki(spki: bytes) -> PublicKey:
        """Load a key.

        Raises:
            FormError: ``key-form`` (another algorithm, curve or encoding), ``key-small-order``.
        """
        return _load(spki)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (64 bytes, r || s for P-256) over ``data`` was made with this key."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                # an agent whose keys are Ed25519 does without the rest of cryptography: 1.3 MiB
                from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
                from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
                from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                self._key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def _load(spki: bytes) -> PublicKey:
    if len(spki) == _ED25519_SPKI_BYTES:
        return PublicKey(spki=spki, kid=key_id(spki), alg=ED25519, _key=_ed25519(spki))
    if len(spki) == _P256_SPKI_BYTES:
        return PublicKey(spki=spki, kid=key_id(spki), alg=ES256, _key=_p256(spki))
    raise FormError("key-form", f"{len(spki)} bytes")


def _ed25519(spki: bytes) -> ed25519.Ed25519PublicKey:
    """RFC 8032 5.1.3: y below p and on the curve; OpenSSL loads any 32 bytes."""
    if not spki.startswith(ED25519_PREFIX):
        raise FormError("key-form", "44 bytes, but no Ed25519 key")
    point = spki[len(ED25519_PREFIX) :]
    y = int.from_bytes(point, "little") & (1 << 255) - 1
    if y >= _P:
        raise FormError("key-form", "Ed25519 point not reduced")
    if y in _SMALL_ORDER_Y:
        raise FormError("key-small-order", "Ed25519 point of small order")
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(x_squared, (_P - 1) // 2, _P) != 1:
        raise FormError("key-form", "Ed25519 point not on the curve")
    return ed25519.Ed25519PublicKey.from_public_bytes(point)


def _p256(spki: bytes) -> ec.EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as in verify
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_der_public_key,
    )

    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormError("key-form", "91 bytes, but no P-256 key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FormError("key-form", "91 bytes, but no P-256 key")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise FormError("key-form", "P-256 key in another encoding")
    return key
