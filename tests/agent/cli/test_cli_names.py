"""Names of devices that are typed nearly right."""

from __future__ import annotations

import pytest

from tests.agent.cli.commands import Command

SITE = """schema = 1
[site]
name = "green"
[state]
dir = "state"
[[bus]]
name = "rs485-a"
port = "/dev/no-such-port"
[[device]]
name = "workshop-meter"
bus = "rs485-a"
unit = 2
profile = "eastron/sdm120"
"""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("workshop-metre", "workshop-meter"),
        ("rs485-b", "rs485-a"),
        ("rs485-a/workshopmeter", "rs485-a/workshop-meter"),
        ("rs485-a/workshop-meter/volage", "rs485-a/workshop-meter/voltage"),
    ],
)
def test_read_names_what_was_probably_meant(tidegate: Command, typed: str, meant: str) -> None:
    (tidegate.folder / "site.toml").write_text(SITE)
    said = tidegate("read", typed)
    assert said.code == 2
    assert f"Nothing is called {typed}." in said.err
    assert f'did you mean "{meant}"?' in said.err
    assert f"是不是“{meant}”？" in tidegate("read", typed, lang="zh").err


def test_what_is_near_to_nothing_is_only_refused(tidegate: Command) -> None:
    (tidegate.folder / "site.toml").write_text(SITE)
    for words in (("read", "pump"), ("device", "set", "pump", "clock")):
        said = tidegate(*words)
        assert (said.code, "did you mean" in said.err) == (2, False)


def test_device_set_names_what_was_probably_meant(tidegate: Command) -> None:
    (tidegate.folder / "site.toml").write_text(SITE)
    said = tidegate("device", "set", "workshop-metre", "clock")
    assert said.code == 2
    assert 'The site has no device workshop-metre.   TG-3160\n  did you mean "workshop-meter"?' in said.err
