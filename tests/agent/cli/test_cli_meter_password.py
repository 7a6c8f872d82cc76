"""A meter that lets nobody read without a password: it stands in a file, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.ptys import PtyLine
from hil.sim import dlms
from hil.wire import Line
from tests.agent.cli.commands import Command

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]
SITE = """schema = 1
[site]
name = "hall"
[state]
dir = "state"
[[bus]]
name = "head"
port = "{port}"
baud = 9600
[[device]]
name = "main-meter"
bus = "head"
address = "1.17@32"
profile = "generic/dlms"
password_file = "meter.pw"
"""
POINT = "head/main-meter/energy.import"


@pytest.fixture
def folder(tmp_path: Path, on_pty: OnPty) -> Path:
    meter = dlms.DlmsMeter(dlms.electricity("a"), password=b"s3cret", client=b"\x41")
    (tmp_path / "site.toml").write_text(SITE.format(port=on_pty(Line([meter], settings=dlms.LINE)).path))
    (tmp_path / "meter.pw").write_text("s3cret\n")
    (tmp_path / "meter.pw").chmod(0o600)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_meter_is_read_and_the_password_is_shown_nowhere(tidegate: Command) -> None:
    for words in (("read", POINT), ("read", POINT, "--json"), ("status",), ("status", "--json")):
        ended = tidegate(*words)
        assert "s3cret" not in ended.out + ended.err
    assert "kW.h  good" in tidegate("read", POINT).out


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_password_that_others_may_read_is_not_taken(folder: Path, tidegate: Command, lang: str) -> None:
    (folder / "meter.pw").chmod(0o644)
    ended = tidegate("read", POINT, lang=lang)
    assert ended.code == 77
    assert "TG-3153" in ended.err
    assert "chmod 600" in ended.err
    assert "s3cret" not in ended.err


def test_a_file_that_is_not_there_is_named(folder: Path, tidegate: Command) -> None:
    (folder / "meter.pw").unlink()
    (finding,) = tidegate("read", POINT, "--json").envelope["findings"]
    assert finding["code"] == "no-secret"
    assert str(folder / "meter.pw") in json.dumps(finding)
