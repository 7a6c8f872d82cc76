"""Keys of a gateway: who it is (identity), what it signs with today (session), and how others name a key.

A key store on files is what every gateway has; one in hardware (PKCS#11) implements the same methods.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.block.errors import FormError
from agent.block.public_key import ED25519_PREFIX, PublicKey, key_id
from agent.durable import replace_file, sync_folder
from agent.errors import ConfigError, KeyUnavailableError
from agent.finding import Finding

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["FileKeyStore", "KeyStore", "NamedKey", "SigningKey", "key_id", "key_line", "load_trust", "parse_key_line"]

_IDENTITY: Final = "identity.pem"
_SESSION: Final = re.compile(r"session-(\d{1,19})\.pem")
_BEGIN, _END = (b"-----%b PRIVATE KEY-----" % word for word in (b"BEGIN", b"END"))
_PEM: Final = re.compile(rb"\s*%b\s+([A-Za-z0-9+/=]{64})\s+%b\s*" % (_BEGIN, _END))
_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of an Ed25519 key in its file (RFC 8410, 7): 48 bytes, one line of base64."""
_COPY: Final = "copy the whole line as it was printed"
_NAMES: Final = {44: "ed25519", 91: "p256"}


class SigningKey(Protocol):
    """A private key that signs (``agent.block.cose.Signer``).

    Attributes:
        kid: first 8 bytes of SHA-256 over ``spki``.
        alg: COSE number, -8 for Ed25519 or -7 for P-256.
        spki: the public key, SubjectPublicKeyInfo in DER.
    """

    @property
    def kid(self) -> bytes: ...  # noqa: D102 - described above
    @property
    def alg(self) -> int: ...  # noqa: D102
    @property
    def spki(self) -> bytes: ...  # noqa: D102

    def sign(self, data: bytes) -> bytes:
        """Give the 64-byte signature over ``data`` (RFC 8032, or r || s)."""
        ...


class KeyStore(Protocol):
    """Where private keys live; they never leave it."""

    def identity(self) -> SigningKey: ...  # noqa: D102 - as FileKeyStore
    def sessions(self) -> tuple[int, ...]: ...  # noqa: D102
    def session(self, epoch: int) -> SigningKey: ...  # noqa: D102
    def new_session(self, epoch: int) -> SigningKey: ...  # noqa: D102
    def destroy_session(self, epoch: int) -> None: ...  # noqa: D102


class _Ed25519:
    __slots__ = ("_key", "kid", "spki")
    alg: ClassVar[int] = -8

    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self._key = key
        self.spki = ED25519_PREFIX + key.public_key().public_bytes_raw()
        self.kid = key_id(self.spki)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


class _P256:
    __slots__ = ("_key", "kid", "spki")
    alg: ClassVar[int] = -7

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - 1.3 MiB

        self._key = key
        self.spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.kid = key_id(self.spki)

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class FileKeyStore:
    """Keys as unencrypted PKCS#8 PEM files, mode 0600, in a folder of mode 0700.

    What protects them is the file mode: a thief of the card has them (block format, 'What each attack meets').
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has_identity(self) -> bool:
        """Tell whether this gateway was given an identity."""
        return (self._folder / _IDENTITY).exists()

    def create_identity(self) -> SigningKey:
        """Make the identity key, Ed25519.

        Raises:
            KeyUnavailableError: there is one already (it is never replaced), or the folder cannot be written.
        """
        with self._alone():
            if self.has_identity():
                raise KeyUnavailableError(
                    f"{self._folder / _IDENTITY} is there already; an identity is never replaced"
                )
            return self._create(_IDENTITY)

    def identity(self) -> SigningKey:
        """Give the identity key; KeyUnavailableError if it is missing, damaged or readable by others."""
        return self._load(_IDENTITY)

    def sessions(self) -> tuple[int, ...]:
        """Give the epochs whose session keys are here, ascending."""
        if not self._folder.is_dir():
            return ()
        found = (_SESSION.fullmatch(path.name) for path in self._folder.iterdir())
        return tuple(sorted(int(match[1]) for match in found if match))

    def session(self, epoch: int) -> SigningKey:
        """Give the session key of ``epoch``; KeyUnavailableError as for ``identity``."""
        return self._load(_session_name(epoch))

    def new_session(self, epoch: int) -> SigningKey:
        """Make the session key of ``epoch``, replacing one that never came to sign a stored block."""
        return self._create(_session_name(epoch))

    def destroy_session(self, epoch: int) -> None:
        """Overwrite and remove the session key of ``epoch``; nothing happens if it is gone.

        Flash may keep an old copy of the sector all the same: only a hardware store destroys for certain.
        """
        path = self._folder / _session_name(epoch)
        try:
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise KeyUnavailableError(f"cannot destroy {path}: {error.strerror}") from error

    def _create(self, name: str) -> SigningKey:
        key = ed25519.Ed25519PrivateKey.generate()
        text = base64.b64encode(_PKCS8 + key.private_bytes_raw())
        pem = b"\n".join((_BEGIN, text, _END, b""))
        path = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, pem, mode=0o600)
        except OSError as error:
            raise KeyUnavailableError(f"cannot write {path}: {error.strerror}") from error
        return _Ed25519(key)

    def _load(self, name: str) -> SigningKey:
        path = self._folder / name
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(handle, "rb") as file:
                mode = os.fstat(handle).st_mode
                pem = file.read(65536)
        except FileNotFoundError:
            raise KeyUnavailableError(f"{path} is missing") from None
        except OSError as error:
            raise KeyUnavailableError(f"cannot read {path}: {error.strerror}") from error
        if mode & 0o077:
            raise KeyUnavailableError(
                f"{path} can be read by others (mode {mode & 0o777:04o}); type: chmod 600 {path}"
            )
        return _parse_pem(pem, path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out whoever makes a key here at the same moment."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise KeyUnavailableError(f"cannot write {self._folder}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _session_name(epoch: int) -> str:
    return f"session-{epoch}.pem"


def _parse_pem(pem: bytes, path: Path) -> SigningKey:
    plain = _PEM.fullmatch(pem)
    if plain is not None and (der := base64.b64decode(plain[1])).startswith(_PKCS8) and len(der) == len(_PKCS8) + 32:
        return _Ed25519(ed25519.Ed25519PrivateKey.from_private_bytes(der[len(_PKCS8) :]))
    return _parse_other(pem, path)


def _parse_other(pem: bytes, path: Path) -> SigningKey:
    """Any other private key; what reads it takes 1.3 MiB that the keys made here do not need."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnavailableError(f"{path} holds no private key in PEM without a password") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _Ed25519(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return _P256(key)
    raise KeyUnavailableError(f"{path} is neither an Ed25519 nor a P-256 key")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A public key and what people call its owner.

    Attributes:
        spki: SubjectPublicKeyInfo in DER, 44 bytes (Ed25519) or 91 (P-256, uncompressed).
    """

    spki: bytes
    name: str

    @property
    def kid(self) -> bytes:
        """First 8 bytes of SHA-256 over the key: what selects it."""
        return key_id(self.spki)


def key_line(spki: bytes, name: str) -> str:
    """Write a public key as the line that ``init`` and ``collect`` print: ``ed25519 BASE64 NAME``."""
    return f"{_NAMES[len(spki)]} {base64.b64encode(spki).decode('ascii')} {name}"


def parse_key_line(line: str, where: str = "key line") -> NamedKey:
    """Read ``ed25519 BASE64 NAME`` or ``p256 BASE64 NAME``; the name may hold spaces or be left out.

    Raises:
        ConfigError: at ``where``, what is wrong with it.
    """
    kind, _, rest = line.strip().partition(" ")
    text, _, name = rest.strip().partition(" ")
    if kind not in _NAMES.values():
        raise ConfigError(where, f"a key line starts with ed25519 or p256, not {kind[:20]!r}")
    try:
        spki = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(where, "the key is no base64", _COPY) from None
    try:
        PublicKey.from_spki(spki)
    except FormError as error:
        raise ConfigError(where, f"the key is no {kind} public key ({error})", _COPY) from None
    if _NAMES[len(spki)] != kind:
        raise ConfigError(where, f"the key is no {kind} public key", _COPY)
    return NamedKey(spki=spki, name=name.strip())


def load_trust(path: Path) -> tuple[NamedKey, ...]:
    """Read a trust file: one key line each, empty lines and lines starting with ``#`` left out.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; it names ``file:line:1``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _bad_trust(str(path), f"cannot read it: {reason}") from error
    try:
        return tuple(
            parse_key_line(line, f"{path}:{number}:1")
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.lstrip().startswith("#")
        )
    except ConfigError as error:
        raise _bad_trust(error.where, error.what) from error


def _bad_trust(where: str, what: str) -> ConfigError:
    finding = Finding(code="bad-trust", params={"detail": what}, where=where)
    return ConfigError(where, f"the trust file is wrong: {what}", findings=(finding,))
