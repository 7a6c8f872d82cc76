"""A silent device that is asked at another speed than its profile names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.cli.commands import Command

SITE = """schema = 1
[site]
name = "green"
[state]
dir = "state"
[[bus]]
name = "rs485-a"
port = "{port}"
"""
DEVICE = """[[device]]
name = "meter"
bus = "rs485-a"
unit = 2
profile = "{profile}"
"""
HINT = "meter is asked at 9600 8N1; the profile eastron/sdm120 says that it comes with 2400 8N1."


@pytest.fixture
def port() -> Iterator[Path]:
    """A line on which nobody answers."""
    ours, theirs = os.openpty()
    yield Path(os.ttyname(theirs))
    os.close(ours)
    os.close(theirs)


def test_read_says_with_what_the_model_comes(tidegate: Command, port: Path) -> None:
    site = tidegate.folder / "site.toml"
    site.write_text(SITE.format(port=port) + DEVICE.format(profile="eastron/sdm120"))
    said = tidegate("read")
    assert said.code == 69
    assert HINT in said.err
    assert 'Try line = { baud = 2400, parity = "none", data_bits = 8 } in its [[device]].' in said.err
    assert "出厂设置为 2400 8N1" in tidegate("read", lang="zh").err
    site.write_text(site.read_text() + "line = { baud = 2400 }\n")
    assert "TG-3129" not in tidegate("read").err


def test_a_profile_that_names_no_line_gives_no_hint(tidegate: Command, port: Path) -> None:
    text = SITE.format(port=port) + "baud = 4800\n" + DEVICE.format(profile="generic/xy-md02")
    (tidegate.folder / "site.toml").write_text(text)
    said = tidegate("read")
    assert (said.code, "TG-3129" in said.err) == (69, False)


def test_add_says_it_too(tidegate: Command, port: Path) -> None:
    (tidegate.folder / "site.toml").write_text(SITE.format(port=port))
    said = tidegate("add", "rs485-a", "--unit", "2", "--profile", "eastron/sdm120", "--name", "meter", "--yes")
    assert said.code == 69
    assert HINT in said.err
