"""``listen = true`` of a bus: read, and refused where nothing could be heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.configuration.load import SiteCheck, check_site
from drivers.profile_load import builtin_roots

SITE = """schema = 1
[site]
name = "green"
[[bus]]
name = "shared"
port = "/dev/ttyUSB0"
{bus}
[[device]]
name = "one"
bus = "shared"
{device}
"""
AIR = 'unit = 4\nprofile = "generic/xy-md02"'


def check(tmp_path: Path, bus: str, device: str = AIR) -> SiteCheck:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(bus=bus, device=device), encoding="utf-8")
    return check_site(path, builtin_roots())


def test_a_bus_is_polled_unless_it_says_otherwise(tmp_path: Path) -> None:
    for text, listens in (("", False), ("listen = false", False), ("listen = true", True)):
        site = check(tmp_path, text).site
        assert site is not None
        assert site.buses[0].listen is listens


@pytest.mark.parametrize(
    "device",
    [
        AIR,
        'address = "161"\nprofile = "generic/dlt645-2007-single-phase"',
        'address = "78331505104145"\nprofile = "generic/cjt188-water"',
        'address = "5"\nprofile = "generic/mbus-heat"',
        'address = "any"\nprofile = "generic/iec62056-readout"',
    ],
)
def test_devices_of_these_protocols_can_be_overheard(tmp_path: Path, device: str) -> None:
    assert check(tmp_path, "listen = true", device).site is not None


@pytest.mark.parametrize(
    ("bus", "device", "code"),
    [
        ('listen = true\n[[bus]]\nname = "net"\nport = "tcp://127.0.0.1:502"\nlisten = true', AIR, "listen-no-line"),
        ("listen = true", f"{AIR}\nline = {{ baud = 2400 }}", "listen-one-setting"),
        ("listens = true", AIR, "unknown-key"),
        ('listen = "yes"', AIR, "wrong-type"),
    ],
)
def test_what_cannot_be_heard_is_refused_where_it_stands(tmp_path: Path, bus: str, device: str, code: str) -> None:
    found = check(tmp_path, bus, device)
    assert found.site is None
    (finding,) = found.findings
    assert finding.code == code
    assert finding.sentence()
    assert finding.nearest == ("listen" if code == "unknown-key" else "")


def test_a_protocol_that_offers_nothing_to_overhear_is_refused(tmp_path: Path) -> None:
    found = check(tmp_path, "listen = true", 'unit = 1\nprofile = "sunspec/meter"')
    assert [one.code for one in found.findings] == ["listen-no-protocol"]
