"""Addresses of meters in site.toml: checked by their protocol, beside the units of Modbus devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.configuration.load import SiteCheck, check_site
from agent.language import Language, translate
from drivers.profile_load import builtin_roots
from drivers.registry import find_protocol, protocol_names

_BUS = '[site]\nname = "a"\n[[bus]]\nname = "b"\nport = "/dev/x"\n'


def _device(name: str, profile: str, where: str) -> str:
    return f'[[device]]\nname = "{name}"\nbus = "b"\nprofile = "{profile}"\n{where}\n'


def _check(tmp_path: Path, *devices: str) -> SiteCheck:
    path = tmp_path / "site.toml"
    path.write_text(_BUS + "".join(devices), encoding="utf-8")
    return check_site(path, builtin_roots())


def test_a_meter_has_an_address_and_a_modbus_device_a_unit(tmp_path: Path) -> None:
    found = _check(
        tmp_path,
        _device("meter", "generic/dlt645-2007-single-phase", 'address = "161"'),
        _device("water", "generic/cjt188-water", 'address = "7833 1505 1041 45"'),
        _device("air", "generic/xy-md02", "unit = 3"),
    )
    assert found.findings == ()
    assert found.site is not None
    assert [(one.unit, one.address) for one in found.site.devices] == [
        (0, "000000000161"),
        (0, "78331505104145"),
        (3, ""),
    ]


@pytest.mark.parametrize(
    ("profile", "where", "codes"),
    [
        ("generic/dlt645-2007-single-phase", 'address = "12x"', ["bad-address"]),
        ("generic/dlt645-2007-single-phase", "unit = 3", ["missing-key", "unknown-key"]),
        ("generic/dlt645-2007-single-phase", "address = 161", ["wrong-type"]),
        ("generic/cjt188-water", 'address = "161"', ["bad-address"]),
        ("generic/xy-md02", 'address = "161"', ["missing-key", "unknown-key"]),
        ("generic/no-such-meter", 'address = "161"', ["no-profile"]),
        ("generic/no-such-meter", "unit = 0", ["no-profile", "out-of-range"]),
    ],
)
def test_a_wrong_address_is_named(tmp_path: Path, profile: str, where: str, codes: list[str]) -> None:
    found = _check(tmp_path, _device("d", profile, where))
    assert sorted(finding.code for finding in found.findings) == codes


def test_the_sentence_says_what_is_wrong_in_both_languages(tmp_path: Path) -> None:
    found = _check(tmp_path, _device("d", "generic/cjt188-water", 'address = "161"'))
    (finding,) = found.findings
    assert 'address "161" is none of this protocol: fourteen digits' in finding.sentence(Language.EN)
    assert "161" in finding.sentence(Language.ZH)
    assert finding.sentence(Language.ZH) != finding.sentence(Language.EN)


def test_two_meters_with_one_address_are_a_warning_however_it_is_written(tmp_path: Path) -> None:
    found = _check(
        tmp_path,
        _device("one", "generic/dlt645-2007-single-phase", 'address = "161"'),
        _device("two", "generic/dlt645-2007-three-phase", 'address = "000000000161"'),
    )
    (finding,) = found.findings
    assert (finding.code, finding.warning) == ("unit-twice", True)
    assert "000000000161" in finding.sentence(Language.EN)


def test_a_password_stands_in_a_file_and_only_where_one_is_asked_for(tmp_path: Path) -> None:
    file = 'password_file = "meter.pw"'
    found = _check(tmp_path, _device("meter", "generic/dlms", f'address = "1.17@32"\n{file}'))
    assert found.findings == ()
    assert found.site is not None
    assert found.site.devices[0].password_file == tmp_path / "meter.pw"
    found = _check(tmp_path, _device("air", "generic/xy-md02", f"unit = 3\n{file}"))
    assert [finding.code for finding in found.findings] == ["password-unused"]


_WRONG = ("?", "12x", "1" * 40, "A1", "9" * 12, "A" * 11 + "1", "AAA161000000", "1A33150510414", "1A" * 7, "251")


def _refusals() -> Iterator[str]:
    for name in protocol_names():
        read = find_protocol(name, "").address
        if read is None:
            continue
        for text in _WRONG:
            try:
                read(text)
            except ValueError as error:
                yield str(error)


def test_what_protocols_say_of_a_wrong_address_is_said_in_both_languages() -> None:
    said = set(_refusals())
    assert len(said) > 8
    assert [sentence for sentence in said if translate(sentence, Language.ZH) == sentence] == []


def test_nothing_of_it_stays_english(tmp_path: Path) -> None:
    (finding,) = _check(tmp_path, _device("d", "generic/cjt188-water", 'address = "161"')).findings
    assert "十四位数字" in finding.sentence(Language.ZH)
    assert "fourteen" not in finding.sentence(Language.ZH)
