"""``[[output]]`` of the site file: what is read, and what each mistake is told as."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.configuration.load import SiteCheck, check_site, load_site
from agent.outputs.hj212_settings import BureauSettings, FactorRule, Hj212Output, Report
from drivers.codec.hj212 import Edition
from drivers.profile_load import builtin_roots

SITE = """schema = 1
[site]
name = "works"
[[bus]]
name = "a"
port = "tcp://192.168.1.20:502"
[[device]]
name = "do-probe"
bus = "a"
unit = 1
profile = "hach/ldo-aq"
[[output]]
kind = "hj212"
name = "city"
host = "bureau.example.org"
port = 8212
mn = "010000A8900016F000169DC0"
password_file = "city.pw"
st = "21"
"""
FACTOR = """[[output.factor]]
code = "w01009"
device = "do-probe"
point = "oxygen"
"""


def checked(folder: Path, text: str) -> SiteCheck:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return check_site(path, builtin_roots())


def codes(folder: Path, text: str) -> list[str]:
    return [finding.code for finding in checked(folder, text).findings]


def test_an_output_is_read_with_what_the_standard_says_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE + FACTOR, encoding="utf-8")
    (output,) = load_site(path, builtin_roots()).outputs
    assert output == Hj212Output(
        name="city",
        host="bureau.example.org",
        port=8212,
        mn="010000A8900016F000169DC0",
        password_file=tmp_path / "city.pw",
        system="21",
        factors=(FactorRule(code="w01009", device="do-probe", point="oxygen", unit="mg/L", decimals=1),),
        edition=Edition.V2017,
        timezone="+08:00",
        reports=tuple(Report),
        usual=BureauSettings(),
    )


def test_everything_may_be_said(tmp_path: Path) -> None:
    more = """version = "2025"
key_file = "city.key"
realtime = "60 s"
minute = "5 min"
reports = ["minute", "hour"]
overtime = "10 s"
recount = 5
keep = "90 d"
heartbeat = "30 s"
"""
    text = (SITE + more + FACTOR + 'unit = "ug/L"\ndecimals = 0\n').replace(
        'name = "works"', 'name = "works"\ntimezone = "+09:00"'
    )
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    (output,) = load_site(path, builtin_roots()).outputs
    assert (output.edition, output.key_file, output.timezone) == (Edition.V2025, tmp_path / "city.key", "+09:00")
    assert output.usual == BureauSettings(overtime_s=10, recount=5, realtime_s=60, minute_s=300)
    assert (output.reports, output.keep_days, output.heartbeat_s) == ((Report.MINUTE, Report.HOUR), 90, 30.0)
    assert (output.factors[0].unit, output.factors[0].decimals) == ("ug/L", 0)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('kind = "hj212"', 'kind = "hj213"', "unknown-value"),
        ('host = "bureau.example.org"\n', "", "missing-key"),
        ("port = 8212", "port = 0", "out-of-range"),
        ('password_file = "city.pw"', 'password = "123456"', "unknown-key"),
        ('st = "21"', 'st = "2;1"', "output-bad-identity"),
        ("010000A8900016F000169DC0", "MN;CP=&&", "output-bad-identity"),
        ('code = "w01009"', 'code = "w01009-Rtd"', "output-bad-identity"),
        ('device = "do-probe"', 'device = "no-probe"', "unknown-device"),
        ('point = "oxygen"', 'point = "oxigen"', "unknown-point"),
        ('code = "w01009"', 'code = "w01010"', "output-unit"),
        ('st = "21"', 'st = "21"\nminute = "7 min"', "output-odd-period"),
        ('st = "21"', 'st = "21"\nreports = ["weekly"]', "unknown-value"),
        ('st = "21"', 'st = "21"\nreports = [1]', "wrong-type"),
        ('st = "21"', 'st = "21"\nkey_file = "k"', "output-not-enciphered"),
        ('code = "w01009"', 'code = "w01009"\ntotal = true', "output-total-needs-flow"),
    ],
)
def test_each_mistake_has_a_sentence(tmp_path: Path, old: str, new: str, code: str) -> None:
    text = SITE + FACTOR
    assert old in text
    found = checked(tmp_path, text.replace(old, new))
    assert code in [finding.code for finding in found.findings]
    assert found.site is None
    for finding in found.findings:
        assert finding.sentence()
        assert "{" not in finding.sentence()


def test_what_is_only_odd_is_warned_of(tmp_path: Path) -> None:
    odd = (SITE + FACTOR).replace("010000A8900016F000169DC0", "Y80110010000010")
    odd = odd.replace('st = "21"', 'st = "21"\nminute = "10 s"\nrealtime = "5 s"')
    found = checked(tmp_path, odd)
    assert found.site is not None
    assert [finding.code for finding in found.findings] == ["output-odd-identity", *["output-odd-period"] * 2]


def test_the_edition_of_2025_is_said_to_be_uncertain(tmp_path: Path) -> None:
    found = checked(tmp_path, SITE + 'version = "2025"\n' + FACTOR)
    assert found.site is not None
    (finding,) = found.findings
    assert (finding.code, finding.warning) == ("output-edition-2025", True)
    assert "1014" in finding.act()


def test_two_of_one_name_and_none_to_tell_are_mistakes(tmp_path: Path) -> None:
    again = SITE[SITE.index("[[output]]") :]
    assert "name-twice" in codes(tmp_path, SITE + FACTOR + again + FACTOR)
    assert "name-twice" in codes(tmp_path, SITE + FACTOR + FACTOR)
    assert "missing-key" in codes(tmp_path, SITE)
