"""What ``profile check`` finds in examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.profile_check import Finding, check_profile

_PROFILE = """schema = 1
vendor = "Eastron"
model = "SDM120"
name = { en = "Meter", zh = "电表" }
protocol = "modbus"
source = "a map"

[[point]]
name = "voltage"
label = { en = "Voltage", zh = "电压" }
at = { table = "input", address = 0, type = "f32" }
unit = "V"
decimals = 1

[[example]]
source = "a frame"
request = "01 04 00 00 00 02 71 CB"
reply = "01 04 04 43 66 33 34 1B 38"
expect = { voltage = "230.2" }
"""


def _check(tmp_path: Path, *change: str) -> list[Finding]:
    path = tmp_path / "x.toml"
    if change:
        assert change[0] in _PROFILE
    path.write_text(_PROFILE.replace(change[0], change[1]) if change else _PROFILE, encoding="utf-8")
    return check_profile(path)


def test_a_right_example_passes(tmp_path: Path) -> None:
    assert _check(tmp_path) == []


def test_trailing_zeros_make_no_difference(tmp_path: Path) -> None:
    assert _check(tmp_path, '"230.2"', '"230.200"') == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("230.2", "230.3"), "230.2"),
        (("decimals = 1", 'decimals = 1\nscale = "0.1"'), "23.0"),
        (("decimals = 1", "decimals = 1\nrange = [0, 100]"), "null"),
        (("address = 0, type", "address = 1, type"), None),
        (('type = "f32"', 'type = "f32", words = "little"'), "0.0"),
        (('"230.2"', '"null"'), "230.2"),
    ],
)
def test_a_profile_that_reads_the_bytes_otherwise_is_found(
    tmp_path: Path, change: tuple[str, str], found: str | None
) -> None:
    (finding,) = _check(tmp_path, *change)
    if found is None:
        assert finding.code == "example-unreadable"
        return
    assert (finding.code, finding.params["found"]) == ("example-differs", found)
    assert finding.where.endswith("example[1].expect.voltage")
    assert not finding.warning


def test_a_typed_checksum_is_computed_anew(tmp_path: Path) -> None:
    (finding,) = _check(tmp_path, "71 CB", "71 CC")
    assert finding.code == "example-unreadable"
    assert "71 CB" in str(finding.params["detail"])


@pytest.mark.parametrize(
    "change",
    [
        ("1B 38", "1B 39"),
        ("01 04 04 43", "02 04 04 43"),
        ("33 34 1B 38", "33"),
        ("01 04 04 43 66 33 34 1B 38", "01 84 02 C2 C1"),
        ("01 04 00 00 00 02 71 CB", "01 06 00 00 00 02 08 0B"),
    ],
)
def test_frames_that_do_not_belong_together_are_found(tmp_path: Path, change: tuple[str, str]) -> None:
    (finding,) = _check(tmp_path, *change)
    assert finding.code == "example-unreadable"


def test_a_profile_without_example_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(_PROFILE.partition("[[example]]")[0], encoding="utf-8")
    (finding,) = check_profile(path)
    assert (finding.code, finding.warning) == ("no-example", True)


def test_faults_of_the_file_come_as_findings(tmp_path: Path) -> None:
    (finding,) = _check(tmp_path, 'unit = "V"', 'unit = "volt"')
    assert finding.code == "bad-profile"
    assert finding.where.endswith("point[voltage].unit")
