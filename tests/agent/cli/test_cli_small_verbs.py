"""version, explain, profile check: small verbs, whole contract."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from agent.messages import MESSAGES
from drivers.profile_load import builtin_roots, list_profiles
from tests.agent.cli.commands import ROOT, Command


def test_version_is_that_of_the_distribution(tidegate: Command) -> None:
    found = tidegate("version", "--json").envelope
    assert (found["schema"], found["result"]["version"]) == ("tidegate.version/1", "0.1.0")
    assert tidegate("version").out.startswith("tidegate 0.1.0   Python 3.")


def test_explain_says_it_in_both_languages_the_readers_first(tidegate: Command) -> None:
    said = tidegate("explain", "TG-3104")
    assert said.out.startswith("TG-3104  no-reply\n  en  No answer: {detail}.\n")
    assert "\n  zh  没有应答：{detail}。\n" in said.out
    assert tidegate("explain", "TG-3104", lang="zh").out.startswith("TG-3104  no-reply\n  zh  没有应答")


@pytest.mark.parametrize("key", list(MESSAGES))
def test_explain_knows_every_row(tidegate: Command, key: str) -> None:
    found = tidegate("explain", key, "--json").envelope["result"]
    assert found["key"] == key
    assert tidegate("explain", found["tag"], "--json").envelope["result"] == found


def test_explain_does_not_know_what_is_not_there(tidegate: Command) -> None:
    assert tidegate("explain", "TG-1").code == 2
    assert "TG-7901" in tidegate("explain", "TG-1").err


def test_every_profile_that_ships_is_good(tidegate: Command) -> None:
    said = tidegate("profile", "check", "--json")
    assert said.code == 0
    found = said.envelope
    assert found["schema"] == "tidegate.profile-check/1"
    names = [one["profile"] for one in found["result"]["profiles"]]
    assert names == list(list_profiles(builtin_roots()))
    assert tidegate("profile", "check", "eastron/sdm120").out == "eastron/sdm120  good\n"
    assert tidegate("profile", "check", "eastron/sdm120", lang="zh").out == "eastron/sdm120  正确\n"


def altered(folder: Path, old: str, new: str) -> Path:
    """A copy of a profile with one thing changed."""
    source = builtin_roots()[-1] / "eastron" / "sdm120.toml"
    text = source.read_text(encoding="utf-8")
    assert old in text
    file = folder / "eastron" / "sdm120.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


def test_a_profile_whose_example_lies_is_wrong(tidegate: Command) -> None:
    file = altered(tidegate.folder, 'unit = "V"', 'unit = "V"\nscale = "0.1"')
    said = tidegate("profile", "check", file, "--json")
    assert said.code == 65
    assert "example-differs" in [finding["code"] for finding in said.envelope["findings"]]
    said = tidegate("profile", "check", file)
    assert "wrong" in said.out
    assert "TG-6503" in said.err


def test_a_profile_with_an_unknown_key_is_wrong(tidegate: Command) -> None:
    said = tidegate("profile", "check", altered(tidegate.folder, "vendor", "vendr"))
    assert said.code == 65
    assert "vendr" in said.err
    assert "TG-6501" in said.err


def test_a_mistyped_profile_is_answered_with_the_nearest_one(tidegate: Command) -> None:
    said = tidegate("profile", "check", "eastron/sdm12")
    assert said.code == 65
    assert 'did you mean "eastron/sdm120"?' in said.err


def test_a_wheel_carries_the_catalogues(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    assert "agent/locale/zh/LC_MESSAGES/tidegate.mo" in names
    assert "profiles/eastron/sdm120.toml" in names
    assert not [name for name in names if name.startswith("tests")]
