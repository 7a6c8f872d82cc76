"""tidegate init: keys and a site file, never losing what is there."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from agent.configuration.load import load_site
from agent.keys import FileKeyStore, parse_key_line
from drivers.profile_load import builtin_roots
from tests.agent.cli.commands import Command, Process


def made(tidegate: Command, *words: str, lang: str = "en") -> dict[str, object]:
    said = tidegate("--site", "site.toml", "init", "--state-dir", "state", "--json", *words, lang=lang)
    assert said.code == 0
    result: dict[str, object] = said.envelope["result"]
    return result


def test_it_makes_key_and_site_file(tidegate: Command) -> None:
    result = made(tidegate, "--name", "haimen-07")
    key = tidegate.folder / "state" / "keys" / "identity.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    named = parse_key_line(str(result["trust_line"]))
    assert named.name == "haimen-07"
    assert named.spki == FileKeyStore(key.parent).identity().spki
    assert named.kid.hex() == result["gateway"]
    assert result["identity_created"] is result["site_written"] is True


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_site_file_is_valid_as_it_stands_and_with_its_examples(tidegate: Command, lang: str) -> None:
    made(tidegate, "--name", "a", lang=lang)
    file = tidegate.folder / "site.toml"
    site = load_site(file, builtin_roots())
    assert (site.identity.name, site.state_dir) == ("a", tidegate.folder / "state")
    assert site.identity.language.value == lang
    text = file.read_text(encoding="utf-8")
    assert ("what is connected here" in text) is (lang == "en")
    assert ("这里接了什么" in text) is (lang == "zh")
    examples = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if line.startswith(("# [", "[")) or " = " in line
    ).replace("ed25519 ...", "ed25519 " + "A" * 59 + "=")
    tomllib.loads(examples)
    file.write_text(examples, encoding="utf-8")
    site = load_site(file, builtin_roots())
    assert len(site.buses) == len(site.devices) == len(site.uplinks) == 1


def test_whoever_verifies_before_that_is_told_to_make_the_keys(tidegate: Command, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('schema = 1\n[site]\nname = "a"\n[state]\ndir = "state"\n')
    said = tidegate("verify")
    assert said.code == 77
    assert "identity.pem is missing.   TG-5101" in said.err
    assert "On a new gateway tidegate init makes them." in said.err
    assert "新网关的密钥由 tidegate init 生成。" in tidegate("verify", lang="zh").err


def test_an_identity_that_is_there_is_kept(tidegate: Command) -> None:
    first = made(tidegate, "--name", "a")
    second = made(tidegate, "--name", "b", "--yes")
    assert second["gateway"] == first["gateway"]
    assert second["identity_created"] is False


def test_a_site_file_that_is_there_is_kept(tidegate: Command) -> None:
    made(tidegate, "--name", "a")
    file = tidegate.folder / "site.toml"
    file.write_text(file.read_text() + "# mine\n")
    assert made(tidegate, "--name", "b")["site_written"] is False
    assert "# mine" in file.read_text()
    assert not (tidegate.folder / "site.toml.old").exists()


def test_with_yes_the_old_site_file_stays_beside_the_new_one(tidegate: Command) -> None:
    made(tidegate, "--name", "a")
    file = tidegate.folder / "site.toml"
    file.write_text('[site]\nname = "mine"\n')
    assert made(tidegate, "--yes")["site_written"] is True
    assert (tidegate.folder / "site.toml.old").read_text() == '[site]\nname = "mine"\n'
    assert load_site(file, builtin_roots()).identity.name == "mine"  # unless --name says otherwise


def test_without_a_state_folder_it_is_the_one_of_the_site_file(tidegate: Command) -> None:
    first = made(tidegate, "--name", "a")
    said = tidegate("--site", "site.toml", "init", "--json")
    assert said.envelope["result"]["gateway"] == first["gateway"]
    other = tidegate("--site", "other/site.toml", "init", "--name", "b", "--json")
    assert other.envelope["result"]["state_dir"] == str(tidegate.folder / "other" / "state")


def test_people_are_told_what_was_made_and_what_comes_next(tidegate: Command) -> None:
    said = tidegate("--site", "site.toml", "init", "--name", "a", "--state-dir", "state")
    assert "[ok]  identity  new key made" in said.out
    assert [line for line in said.out.splitlines() if line.startswith("ed25519 ")] == [
        made(tidegate)["trust_line"],
    ]
    assert "run" in said.out
    said = tidegate("--site", "site.toml", "init", lang="zh")
    assert "保留原有密钥" in said.out
    assert "保持原样" in said.out


@pytest.mark.parametrize("name", ["a b", "-x", "a/b", "x" * 65, "名"])
def test_a_name_that_cannot_stand_in_a_topic_is_refused(tidegate: Command, name: str) -> None:
    said = tidegate("--site", "site.toml", "init", "--name", name)
    assert said.code == 2
    assert "TG-7807" in said.err
    assert not (tidegate.folder / "site.toml").exists()
    assert not (tidegate.folder / "state").exists()


def test_a_folder_that_refuses_is_named(tidegate: Command) -> None:
    (tidegate.folder / "state").write_text("a file")
    said = tidegate("--site", "site.toml", "init", "--name", "a", "--state-dir", "state")
    assert said.code == 74
    assert str(tidegate.folder / "state") in said.err
    assert not (tidegate.folder / "site.toml").exists()


def test_a_key_that_others_can_read_is_refused(tidegate: Command) -> None:
    made(tidegate, "--name", "a")
    (tidegate.folder / "state" / "keys" / "identity.pem").chmod(0o644)
    said = tidegate("--site", "site.toml", "init")
    assert said.code == 77
    assert "chmod 600" in said.err


def answer(process: Process, *words: str, typed: bytes) -> str:
    """Run the command on a terminal of its own and type ``typed`` at its first question."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        process.argv(*words), stdin=theirs, stdout=theirs, stderr=theirs, cwd=process.folder, env=process.environ
    )
    os.close(theirs)
    shown = b""
    asked = False
    while select.select([ours], [], [], 30)[0]:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # EIO: the other side is closed
            break
        if not asked and shown.rstrip().endswith(b":"):
            asked = True
            os.write(ours, typed)
    assert child.wait(timeout=30) == 0, shown
    os.close(ours)
    return shown.decode()


def test_on_a_terminal_it_asks_for_the_name(process: Process) -> None:
    shown = answer(process, "--site", "site.toml", "init", "--state-dir", "state", typed=b"haimen-08\n")
    assert "Site name [" in shown
    assert 'name     = "haimen-08"' in (process.folder / "site.toml").read_text()


def test_on_a_terminal_it_asks_before_it_writes_over_a_site_file(process: Process) -> None:
    (process.folder / "site.toml").write_text('[site]\nname = "mine"\n')
    words = ("--site", "site.toml", "init", "--state-dir", "state")
    assert "already" in answer(process, *words, typed=b"\n")
    assert (process.folder / "site.toml").read_text() == '[site]\nname = "mine"\n'
    answer(process, *words, typed=b"y\n")
    assert (process.folder / "site.toml.old").read_text() == '[site]\nname = "mine"\n'


def test_nobody_is_asked_where_nobody_can_answer(process: Process, tmp_path: Path) -> None:
    said = process("--site", "site.toml", "init", "--state-dir", "state")
    assert said.code == 0
    assert (tmp_path / "site.toml").exists()
