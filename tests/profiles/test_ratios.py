"""Commissioning ratios: demanded, read as people write them, applied exactly."""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path

import pytest

from agent.configuration.load import check_site
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.profile_ratios import read_ratio, with_ratios
from drivers.protocols.modbus_values import compile_block

ROOTS = builtin_roots()
SITE = """schema = 1
[site]
name = "s"
[[bus]]
name = "b"
port = "/dev/x"
[[device]]
name = "main-meter"
bus = "b"
unit = 1
profile = "acrel/adl400"
"""


def adl400() -> Profile:
    return load_profile(find_profile("acrel/adl400", ROOTS))


def read_u16(profile: Profile, name: str, raw: int) -> Decimal:
    point = profile.points[profile.index_of(name)]
    (value,), (status,) = compile_block([point], point.location.address, 1).columns(struct.pack(">H", raw))
    assert isinstance(value, int)
    assert status == 0
    return Decimal(value).scaleb(point.exponent)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (40, "40"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        ("200/5", "40"),
        ("10000/100", "100"),
        ("37.5", "37.5"),
        ("50 / 1.25", "40"),
    ],
)
def test_an_answer_is_the_decimal_that_was_written(written: object, meant: str) -> None:
    assert read_ratio(written) == Decimal(meant)


@pytest.mark.parametrize("wrong", [0, -4, True, "35000/110", "40:1", "", "1/0", "inf", float("nan"), [40], "1/2/3"])
def test_what_is_no_exact_positive_number_is_no_answer(wrong: object) -> None:
    assert read_ratio(wrong) is None


def test_current_and_power_are_multiplied_and_the_voltage_only_by_its_own() -> None:
    there = with_ratios(adl400(), {"ct": Decimal(40), "pt": Decimal(1)})
    assert read_u16(there, "current.l1", 312) == Decimal("124.80")
    assert read_u16(there, "voltage.l1", 2302) == Decimal("230.2")
    high = with_ratios(adl400(), {"ct": Decimal(40), "pt": Decimal(100)})
    assert read_u16(high, "voltage.l1", 1003) == Decimal(10030)
    power = high.points[high.index_of("power.active")]
    assert (power.scale, power.high) == (Decimal(4), Decimal(90 * 4000))


def test_a_ratio_with_decimals_gives_the_value_decimals_instead_of_rounding_it() -> None:
    there = with_ratios(adl400(), {"ct": Decimal("1.5"), "pt": Decimal(1)})
    assert read_u16(there, "current.l1", 333) == Decimal("4.995")
    assert there.points[there.index_of("current.l1")].exponent == -3


def test_the_plausible_range_moves_along() -> None:
    there = with_ratios(adl400(), {"ct": Decimal(40), "pt": Decimal(1)})
    point = there.points[there.index_of("current.l1")]
    (value,), (status,) = compile_block([point], point.location.address, 1).columns(struct.pack(">H", 10001))
    assert (value, status != 0) == (None, True)


def test_ones_change_nothing() -> None:
    profile = adl400()
    assert with_ratios(profile, {"ct": Decimal(1), "pt": Decimal(1)}) is profile


def check(tmp_path: Path, more: str) -> list[tuple[str, str]]:
    file = tmp_path / "site.toml"
    file.write_text(SITE + more, encoding="utf-8")
    return [(finding.code, finding.sentence()) for finding in check_site(file, ROOTS).findings]


def test_a_missing_answer_is_an_error_of_the_site_file_in_one_sentence(tmp_path: Path) -> None:
    (found,) = check(tmp_path, "ratios = { ct = 40 }\n")
    assert found[0] == "missing-ratio"
    assert found[1].startswith(
        'main-meter measures behind transformers and needs the answer "pt": Voltage transformer'
    )
    assert [code for code, _ in check(tmp_path, "")] == ["missing-ratio"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("ratios = { ct = 40, pt = 0 }\n", "bad-ratio"),
        ("ratios = { ct = 40, pt = 5001 }\n", "out-of-range"),
        ("ratios = { ct = 40, pt = 1, cd = 2 }\n", "unknown-key"),
        ("ratios = { ct = [40], pt = 1 }\n", "wrong-type"),
        ("ratios = 40\n", "wrong-type"),
    ],
)
def test_a_wrong_answer_is_named(tmp_path: Path, more: str, code: str) -> None:
    assert code in [one for one, _ in check(tmp_path, more)]


def test_a_meter_without_transformers_takes_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE.replace("acrel/adl400", "eastron/sdm120") + "ratios = { ct = 40 }\n", encoding="utf-8")
    assert [finding.code for finding in check_site(file, ROOTS).findings] == ["unknown-key"]


def test_the_site_holds_the_answers_and_reads_by_them(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE + 'ratios = { ct = "200/5", pt = 1 }\n', encoding="utf-8")
    site = check_site(file, ROOTS).site
    assert site is not None
    (device,) = site.devices
    assert device.ratios == (("ct", Decimal(40)), ("pt", Decimal(1)))
    assert read_u16(device.profile, "current.l1", 312) == Decimal("124.80")
    assert device.profile.digest == adl400().digest
