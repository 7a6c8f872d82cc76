"""``tidegate add`` and ``tidegate solve`` as a person runs them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.messages import MESSAGES
from hil.ptys import PtyLine
from hil.wire import Line
from tests.agent.cli.commands import Command
from tests.agent.cli.test_cli_scan import line_of

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]

SITE = """# site of the greenhouse; do not touch without asking Chen
schema = 1
[site]
name = "green"  # part of every table
[state]
dir = "state"

[[bus]]
name = "rs485-a"
port = "{port}"   # the left socket
baud = 9600

# everything that is polled
[[device]]
name = "air"
bus = "rs485-a"
unit = 4
profile = "generic/xy-md02"  # above the door
"""


def explained(said: str) -> str:
    """Give the code of the one finding that was printed."""
    (tag,) = set(re.findall(r"TG-\d{4}", said))
    return next(code for code, message in MESSAGES.items() if message.tag == tag)


@pytest.fixture
def site(tmp_path: Path, on_pty: OnPty) -> Path:
    port = on_pty(line_of(("generic/xy-md02", 4), ("eastron/sdm120", 7))).path
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(port=port))
    return path


def test_a_device_is_tested_shown_and_written_with_every_comment_kept(tidegate: Command, site: Path) -> None:
    before = site.read_text()
    said = tidegate("add", "rs485-a", "--unit", "7", "--profile", "eastron/sdm120", "--name", "meter", "--yes")
    assert said.code == 0, said.err
    assert "voltage" in said.out
    assert '+ name = "meter"' in said.out
    after = site.read_text()
    assert after.startswith(before.rstrip())
    assert after.endswith(
        '# above the door\n\n[[device]]\nname = "meter"\nbus = "rs485-a"\nunit = 7\nprofile = "eastron/sdm120"\n'
    )
    devices = tomllib.loads(after)["device"]
    assert devices[1] == {"name": "meter", "bus": "rs485-a", "unit": 7, "profile": "eastron/sdm120"}
    (kept,) = (site.parent / "site-history").iterdir()
    assert kept.read_text() == before
    assert f"site-history/{kept.name}" in said.out
    assert tidegate("read", "rs485-a/meter").code == 0


def test_a_dry_run_and_a_no_change_nothing(tidegate: Command, site: Path) -> None:
    before = site.read_bytes()
    words = ("add", "rs485-a", "--unit", "7", "--profile", "eastron/sdm120")
    assert tidegate(*words, "--dry-run").code == 0
    assert tidegate(*words, stdin=b"n\n").code == 1
    said = tidegate(*words, "--json")
    assert (said.code, said.envelope["findings"][0]["code"]) == (1, "needs-yes")
    assert said.envelope["result"]["tested"] is True
    assert site.read_bytes() == before
    assert [path.name for path in site.parent.iterdir() if path.name.startswith(".site")] == []


def test_a_port_without_bus_gets_one(tidegate: Command, site: Path, on_pty: OnPty) -> None:
    port = on_pty(line_of(("eastron/sdm120", 1), baud=2400)).path
    words = ("--bus", "rs485-b", "--unit", "1", "--baud", "2400", "--profile", "eastron/sdm120", "--yes")
    assert tidegate("add", port, *words).code == 0
    found = tomllib.loads(site.read_text())
    assert found["bus"][1] == {"name": "rs485-b", "port": str(port), "baud": 2400}
    assert found["device"][1] == {"name": "sdm120-1", "bus": "rs485-b", "unit": 1, "profile": "eastron/sdm120"}


def test_a_ratio_that_the_profile_needs_is_asked_for(tidegate: Command, site: Path) -> None:
    words = ("add", "rs485-a", "--unit", "7", "--profile", "acrel/adl400", "--untested")
    refused = tidegate(*words, "--yes")
    assert refused.code == 78
    assert "ct" in refused.err
    asked = tidegate(*words, stdin=b"200/5\n1\ny\n")
    assert asked.code == 0, asked.err + asked.out
    assert tomllib.loads(site.read_text())["device"][1]["ratios"]["ct"] == "200/5"


def test_without_a_profile_models_are_proposed_and_a_person_chooses(tidegate: Command, site: Path) -> None:
    undecided = tidegate("add", "rs485-a", "--unit", "7", "--yes")
    assert undecided.code == 1
    assert "at address 7 is not certain; what fits: eastron/sdm120" in undecided.err
    chosen = tidegate("add", "rs485-a", "--unit", "7", stdin=b"1\ny\n")
    assert chosen.code == 0, chosen.err
    assert "3 of 3 plausible" in chosen.out
    assert tomllib.loads(site.read_text())["device"][1]["profile"] == "eastron/sdm120"
    assert tidegate("add", "rs485-a", "--unit", "9", "--yes").code == 69


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("rs485-a", "--unit", "4", "--profile", "generic/xy-md02"), 1, "Address 4 on bus rs485-a is taken by air."),
        (("rs485-a", "--unit", "7", "--profile", "eastron/sdm12"), 2, 'There is no profile "eastron/sdm12".'),
        (("rs485-a", "--unit", "7", "--profile", "sdm12.toml"), 2, 'There is no profile "sdm12.toml".'),
        (
            ("rs485-a", "--address", "14359743"),
            2,
            "Nothing was asked at address 14359743 on bus rs485-a: no scan has",
        ),
        (("rs485-a", "--unit", "400", "--profile", "eastron/sdm120"), 78, "unit = 400 is out of range."),
        (("rs485-a", "--unit", "300"), 2, "Address 300 is out of range."),
        (("rs485-a", "--unit", "0"), 2, "Address 0 is out of range."),
        (("tcp://127.0.0.1", "--bus", "ip", "--unit", "256"), 2, "Address 256 is out of range."),
        (("rs485-a", "--profile", "eastron/sdm120"), 78, 'The key "unit" is missing'),
        (("rs485-c", "--unit", "1", "--profile", "eastron/sdm120"), 2, "neither a bus of the site nor a port"),
        (("rs485-a", "--unit", "9", "--profile", "eastron/sdm120"), 69, "sdm120-9 did not pass the test"),
    ],
)
def test_what_a_person_can_get_wrong_is_one_sentence_and_writes_nothing(
    tidegate: Command, site: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    before = site.read_bytes()
    said = tidegate("add", *words, "--yes")
    assert said.code == code
    assert sentence in said.err
    assert site.read_bytes() == before


@pytest.mark.parametrize(("typed", "meant"), [("eastron/sdm12", "eastron/sdm120"), ("sdm120", "eastron/sdm120")])
def test_a_wrong_profile_is_told_of_the_argument_with_the_nearest_name(
    tidegate: Command, site: Path, typed: str, meant: str
) -> None:
    said = tidegate("add", "rs485-a", "--unit", "7", "--profile", typed, "--yes")
    assert said.err.startswith(f'--profile: error: There is no profile "{typed}".   TG-6502\n')
    assert f'did you mean "{meant}"?' in said.err
    assert str(site) not in said.err


def test_an_address_that_no_scan_has_met_is_told_with_both_ways_to_go_on(tidegate: Command, site: Path) -> None:
    before = site.read_bytes()
    said = tidegate("add", "rs485-a", "--address", "14359743", "--yes")
    assert explained(said.err) == "address-unscanned"
    assert "--profile" in said.err
    assert "tidegate scan rs485-a" in said.err
    chinese = tidegate("add", "rs485-a", "--address", "14359743", "--yes", lang="zh")
    assert "没有询问过总线 rs485-a 上的地址 14359743" in chinese.err
    assert site.read_bytes() == before


@pytest.mark.parametrize(("profile", "code"), [("eastron/sdm120", "needs-yes"), ("", "choose-profile")])
def test_where_nobody_is_there_to_answer_the_sentence_says_so_and_nothing_is_written(
    tidegate: Command, site: Path, profile: str, code: str
) -> None:
    before = site.read_bytes()
    said = tidegate("add", "rs485-a", "--unit", "7", *(("--profile", profile) if profile else ()), stdin=b"")
    assert said.code == 1
    assert explained(said.err) == code
    assert "Stopped" not in said.err
    assert site.read_bytes() == before


def test_registers_are_solved_from_the_display(tidegate: Command) -> None:
    said = tidegate("solve", "43663333", "--value", "230.2", "--json")
    assert said.code == 0
    first = said.envelope["result"]["readings"][0]
    assert (first["type"], first["words"], first["scale"]) == ("f32", "big", "1")
    table = tidegate("solve", "43663333", "--value", "230,2")
    assert "f32" in table.out


@pytest.mark.parametrize(
    ("words", "code", "finding"),
    [
        (("0000", "--value", "0"), 1, "several-fit"),
        (("0001", "--value", "777"), 1, "no-fit"),
        (("00", "--value", "1"), 2, "bad-hex"),
        (("zz", "--value", "1"), 2, "bad-hex"),
        (("0001", "--value", "much"), 2, "not-a-number"),
        (("0001", "0002", "--value", "1"), 2, "usage"),
    ],
)
def test_what_cannot_be_solved_is_said(tidegate: Command, words: tuple[str, ...], code: int, finding: str) -> None:
    said = tidegate("solve", *words, "--json")
    assert (said.code, said.envelope["findings"][0]["code"]) == (code, finding)
