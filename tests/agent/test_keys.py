from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent.errors import ConfigError, KeyUnavailableError
from agent.keys import FileKeyStore, key_id, key_line, load_trust, parse_key_line


def _p256_file(path: Path) -> ec.EllipticCurvePublicKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem)
    path.chmod(0o600)
    return key.public_key()


def test_an_identity_is_made_once_and_found_again(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "keys")
    assert not store.has_identity()
    made = store.create_identity()
    assert FileKeyStore(tmp_path / "keys").identity().spki == made.spki
    assert made.kid == key_id(made.spki)
    with pytest.raises(KeyUnavailableError, match="never replaced"):
        store.create_identity()
    assert store.identity().spki == made.spki


def _make_identity(folder: Path, start: threading.Barrier) -> bytes | None:
    start.wait(10)
    try:
        return FileKeyStore(folder).create_identity().spki
    except KeyUnavailableError:
        return None


def test_of_many_who_make_the_identity_at_once_one_does(tmp_path: Path) -> None:
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        start = threading.Barrier(8)

        with ThreadPoolExecutor(8) as pool:
            found = pool.map(_make_identity, [folder] * 8, [start] * 8)
            made = [spki for spki in found if spki is not None]
        assert made == [FileKeyStore(folder).identity().spki]


def test_key_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeyStore(tmp_path / "keys").create_identity()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "keys" / "identity.pem").stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path)
    store.create_identity()
    (tmp_path / "identity.pem").chmod(0o640)
    with pytest.raises(KeyUnavailableError, match=r"0640.*chmod 600"):
        store.identity()


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "identity.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnavailableError, match=r"identity\.pem"):
        FileKeyStore(tmp_path).identity()


def test_a_key_behind_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    FileKeyStore(tmp_path / "elsewhere").create_identity()
    (tmp_path / "identity.pem").symlink_to(tmp_path / "elsewhere" / "identity.pem")
    with pytest.raises(KeyUnavailableError):
        FileKeyStore(tmp_path).identity()


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match=r"session-7\.pem is missing"):
        FileKeyStore(tmp_path).session(7)


def test_an_ed25519_signature_verifies_with_the_bare_library(tmp_path: Path) -> None:
    key = FileKeyStore(tmp_path).create_identity()
    public = serialization.load_der_public_key(key.spki)
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(key.sign(b"data"), b"data")
    assert (key.alg, len(key.spki), len(key.sign(b""))) == (-8, 44, 64)


def test_a_p256_key_signs_raw_r_and_s(tmp_path: Path) -> None:
    public = _p256_file(tmp_path / "identity.pem")
    key = FileKeyStore(tmp_path).identity()
    for _ in range(64):  # r or s shorter than 32 bytes comes about once in 128
        signature = key.sign(b"data")
        assert len(signature) == 64
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public.verify(encode_dss_signature(r, s), b"data", ec.ECDSA(hashes.SHA256()))
    assert (key.alg, len(key.spki)) == (-7, 91)


def test_a_session_key_lives_until_it_is_destroyed(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path)
    first = store.new_session(3)
    store.new_session(10)
    assert store.sessions() == (3, 10)
    assert FileKeyStore(tmp_path).session(3).spki == first.spki
    store.destroy_session(3)
    store.destroy_session(3)
    assert store.sessions() == (10,)
    with pytest.raises(KeyUnavailableError):
        store.session(3)


def test_a_new_session_key_replaces_one_that_was_left_by_a_crash(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path)
    left = store.new_session(0)
    (tmp_path / "session-0.new").write_bytes(b"half a fi")
    made = store.new_session(0)
    assert made.spki != left.spki
    assert store.session(0).spki == made.spki


def test_a_key_line_comes_back_as_the_same_key(tmp_path: Path) -> None:
    ed = FileKeyStore(tmp_path / "a").create_identity()
    (tmp_path / "b").mkdir()
    _p256_file(tmp_path / "b" / "identity.pem")
    p256 = FileKeyStore(tmp_path / "b").identity()
    for key, kind in ((ed, "ed25519"), (p256, "p256")):
        line = key_line(key.spki, "roof of hall 3")
        assert line.startswith(kind + " ")
        named = parse_key_line(line + "\n")
        assert (named.spki, named.name, named.kid) == (key.spki, "roof of hall 3", key.kid)


def test_a_wrong_key_line_says_where_and_why(tmp_path: Path) -> None:
    good = key_line(FileKeyStore(tmp_path).create_identity().spki, "gw")
    kind, text, name = good.split(" ")
    for line, why in (
        (f"rsa {text} {name}", "starts with ed25519 or p256"),
        (f"{kind} {text[:-6]}!! {name}", "no base64"),
        (f"{kind} {text[:-4]} {name}", "no ed25519 public key"),
        (f"p256 {text} {name}", "no p256 public key"),
        (f"{kind} {'A' * 60} {name}", "no ed25519 public key"),
        ("", "starts with"),
    ):
        with pytest.raises(ConfigError, match=why) as caught:
            parse_key_line(line, "site.toml:4:7")
        assert caught.value.where == "site.toml:4:7"


def test_a_key_that_lets_any_signature_pass_is_no_key() -> None:
    small = bytes.fromhex("302a300506032b6570032100" + "01" + "00" * 31)
    with pytest.raises(ConfigError, match="key-small-order"):
        parse_key_line(key_line(small, "gw"))


def test_a_trust_file_has_one_key_a_line(tmp_path: Path) -> None:
    one, two = (FileKeyStore(tmp_path / name).create_identity().spki for name in "ab")
    path = tmp_path / "trust"
    path.write_text(f"# gateways\n\n{key_line(one, 'a')}\n  {key_line(two, 'b')}\n", encoding="utf-8")
    assert [key.spki for key in load_trust(path)] == [one, two]
    path.write_text(f"{key_line(one, 'a')}\nnonsense\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"trust:2:1: "):
        load_trust(path)
    with pytest.raises(ConfigError, match="cannot read"):
        load_trust(tmp_path / "none")


def test_a_key_file_is_what_cryptography_writes_and_reads(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "keys")
    made = store.create_identity()
    pem = (tmp_path / "keys" / "identity.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    again = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert pem == again
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert made.spki == public


def test_an_ed25519_key_in_another_layout_is_read_all_the_same(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "keys")
    made = store.create_identity()
    path = tmp_path / "keys" / "identity.pem"
    head, text, tail = path.read_text(encoding="ascii").split("\n")[:3]
    path.write_text("\n".join([head, text[:32], text[32:], tail, ""]), encoding="ascii")
    assert store.identity().spki == made.spki
