"""The site file of benches, scenarios and demo: the product reads from it what it was told, and no more."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from agent.configuration.load import load_site
from drivers.profile import LineSettings, Parity
from drivers.profile_load import builtin_roots
from hil.characters import Characters
from hil.site_file import BusEntry, DeviceEntry, Sealing, SiteFile, UplinkEntry

HEAD = Characters(baud=300, parity="E", data_bits=7)
SITE = SiteFile(
    name="s1",
    label='演示 "demo" \\ site',
    buses=[
        BusEntry(name="b1", port="/dev/ttyX"),
        BusEntry(name="b2", port="/dev/ttyY", settings=HEAD),
        BusEntry(name="b3", port="tcp://127.0.0.1:502"),
    ],
    devices=[
        DeviceEntry(name="d1", bus="b1", unit=7, profile="chint/dtsu666", every="250 ms"),
        DeviceEntry(
            name="d2", bus="b1", address="000000000161", profile="generic/dlt645-2007-three-phase",
            settings=Characters(baud=2400, parity="E", stop_bits=2),
        ),
        DeviceEntry(name="d3", bus="b2", address="ANY", profile="generic/iec62056-readout", settings=HEAD),
    ],
)  # fmt: skip


def test_the_product_reads_from_the_site_file_what_it_was_told(tmp_path: Path) -> None:
    SITE.write(tmp_path / "site.toml")
    site = load_site(tmp_path / "site.toml", builtin_roots())
    assert (site.identity.name, site.identity.label) == ("s1", SITE.label)
    assert [bus.port for bus in site.buses] == ["/dev/ttyX", "/dev/ttyY", "tcp://127.0.0.1:502"]
    assert site.buses[0].line == LineSettings()
    assert site.buses[1].line == LineSettings(baud=300, parity=Parity.EVEN, data_bits=7)
    one, two, three = site.devices
    assert (one.unit, one.address, one.every_s, one.line) == (7, "", 0.25, None)
    assert (two.unit, two.address, two.every_s) == (0, "000000000161", None)
    assert two.line == LineSettings(baud=2400, parity=Parity.EVEN, stop_bits=2)
    assert three.line is None  # as its bus
    assert (site.state_dir, site.run_dir) == (tmp_path / "state", tmp_path / "run")
    assert site.uplinks == ()


def test_uplink_and_sealing_are_there_when_they_are_told(tmp_path: Path) -> None:
    key = "ed25519 x y"
    uplink = UplinkEntry(url="mqtts://127.0.0.1:1", receipt_key=key, credentials=[("ca_file", tmp_path / "ca.pem")])
    replace(SITE, uplink=uplink, sealing=Sealing(max_age="250 ms", max_readings=9)).write(tmp_path / "site.toml")
    told = tomllib.loads((tmp_path / "site.toml").read_text())
    assert told["block"] == {"max_age": "250 ms", "max_readings": 9}
    assert told["uplink"] == {
        "url": "mqtts://127.0.0.1:1", "receipt_key": key, "keepalive": "5 s", "ca_file": str(tmp_path / "ca.pem"),
    }  # fmt: skip
