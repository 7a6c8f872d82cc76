"""Files with secrets: what each reader refuses, for the same reason and with what to type."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli.password_file import read_password as password_of_a_device
from agent.delivery.mqtt_options import Credentials
from agent.delivery.mqtt_tls import CredentialsError
from agent.delivery.mqtt_tls import read_password as password_of_a_broker
from agent.errors import KeyUnavailableError
from agent.finding import Finding
from agent.secret_file import MOST_BYTES, SecretFileError, read_secret, why_not


def device(path: Path) -> str:
    found = password_of_a_device(path)
    return f"NO {found.sentence()}" if isinstance(found, Finding) else found


def broker(path: Path) -> str:
    try:
        return password_of_a_broker(Credentials(username="u", password_file=path)) or ""
    except CredentialsError as error:
        return f"NO {error.filename}: {error.strerror}"


def plain(path: Path) -> str:
    try:
        return read_secret(path)
    except KeyUnavailableError as error:
        return f"NO {error}"


READERS = pytest.mark.parametrize("reader", [device, broker, plain])


def secret(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@READERS
@pytest.mark.parametrize("content", [b"123456", b"123456\n", b"123456\r\n", b"123456\n\n"])
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_one_line_of_a_file_of_ones_own_is_taken(
    tmp_path: Path, reader: Callable[[Path], str], content: bytes, mode: int
) -> None:
    assert reader(secret(tmp_path, content, mode)) == "123456"


@READERS
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_what_others_may_read_is_refused_with_what_to_type(
    tmp_path: Path, reader: Callable[[Path], str], mode: int
) -> None:
    path = secret(tmp_path, b"123456\n", mode)
    said = reader(path)
    assert said.startswith("NO ")
    assert f"(mode {mode:04o}); type: chmod 600 {path}" in said
    assert "123456" not in said


@READERS
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing in it"),
        (b"\n", "nothing in it"),
        (b"123456\n654321\n", "one line alone"),
        (b"1" * (MOST_BYTES + 1), "over 4096 bytes"),
    ],
)
def test_what_is_no_single_line_is_refused(
    tmp_path: Path, reader: Callable[[Path], str], content: bytes, reason: str
) -> None:
    path = secret(tmp_path, content)
    said = reader(path)
    assert said.startswith("NO ")
    assert reason in said
    assert str(path) in said
    assert "123456" not in said


@READERS
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, reader: Callable[[Path], str]) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "it is no file" in reader(tmp_path / "pipe")
    assert str(tmp_path) in reader(tmp_path)
    assert "No such file" in reader(tmp_path / "none")


def test_a_broker_may_have_any_character_and_a_device_has_ascii(tmp_path: Path) -> None:
    path = secret(tmp_path, " schön 密码 \n".encode())
    assert broker(path) == " schön 密码 "
    assert "not plain ASCII" in plain(path)
    assert "not plain ASCII" in device(path)
    assert "UTF-8" in broker(secret(tmp_path, b"\xff\n"))
    assert plain(secret(tmp_path, b" 123456 \n")) == "123456"
    assert "one word" in device(secret(tmp_path, b"12 34\n"))


def test_a_file_of_another_user_is_for_root_alone(tmp_path: Path) -> None:
    path = secret(tmp_path, b"123456\n")
    about = path.stat()
    assert why_not(about, path, about.st_uid) == ""
    assert why_not(about, path, 0) == ""
    theirs = os.stat_result((*about[:4], 1234, *about[5:]))
    assert why_not(theirs, path, 0) == ""
    assert why_not(theirs, path, 4321) == f"it belongs to another user; type: chown 4321 {path}"
    assert why_not(os.stat_result((*about[:4], 0, *about[5:])), path, 4321) == ""


def test_the_error_names_the_file_and_the_reason_apart(tmp_path: Path) -> None:
    path = secret(tmp_path, b"\n")
    with pytest.raises(SecretFileError) as refused:
        read_secret(path)
    assert (refused.value.path, refused.value.reason) == (path, "there is nothing in it")
