"""Enciphered data areas of the edition of 2025, and secrets in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from agent.errors import KeyUnavailableError
from agent.outputs.hj212_cipher import AreaCipher, is_enciphered, load_cipher
from agent.secret_file import read_secret

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")


def test_whole_groups_are_enciphered_and_the_rest_stays() -> None:
    head = b"QN=1;CN=2011;CP=&&"
    cipher = AreaCipher(KEY)
    published = bytes.fromhex("681edf34d206965e86b3e94f536e4246")  # GB/T 32907-2016, annex A, example 1
    assert cipher.segment(head + KEY + b"g=N&&") == head + published + b"g=N&&"
    assert cipher.segment(head + b"&&") == head + b"&&"
    plain = b"DataTime=20240601085857;w01018-Rtd=2.2,w01018-Flag=N"
    there = cipher.segment(head + plain + b"&&")
    assert len(there) == len(head) + len(plain) + 2, "the length field is that of the plain segment"
    area = there[len(head) : -2]
    back = Cipher(algorithms.SM4(KEY), modes.ECB()).decryptor().update(area[: len(plain) // 16 * 16])
    assert back + area[len(plain) // 16 * 16 :] == plain


def test_data_commands_alone_are_enciphered() -> None:
    assert [command for command in ("2011", "2051", "9014", "1011", "91", "20x1") if is_enciphered(command)] == [
        "2011",
        "2051",
    ]


def test_a_key_is_thirty_two_digits_that_nobody_else_reads(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY.hex() + "\n")
    path.chmod(0o600)
    assert load_cipher(path).segment(b"CP=&&" + KEY + b"&&")[5:7] == b"\x68\x1e"
    path.write_text("0123\n")
    with pytest.raises(KeyUnavailableError, match="32 hex digits"):
        load_cipher(path)


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        (b"123456\n", 0o640, "others may read it"),
        (b"\n", 0o600, "nothing in it"),
        (b"\xff\n", 0o600, "ASCII"),
    ],
)
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, content: bytes, mode: int, sentence: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(KeyUnavailableError, match=sentence) as refused:
        read_secret(path)
    assert "123456" not in str(refused.value)
    with pytest.raises(KeyUnavailableError, match="No such file"):
        read_secret(tmp_path / "none")
