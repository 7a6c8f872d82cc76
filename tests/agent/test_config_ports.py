"""Ports of a bus: which URLs a site file may name, and in which frames a serial line speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import Site
from agent.configuration.load import load_site
from agent.errors import ConfigError


def _site(tmp_path: Path, bus: str) -> Site:
    path = tmp_path / "site.toml"
    path.write_text(f'schema = 1\n[site]\nname = "x"\n[[bus]]\nname = "b"\n{bus}\n', encoding="utf-8")
    return load_site(path, ())


@pytest.mark.parametrize(
    "port", ["tcp://10.0.0.5:502", "rtu+tcp://10.0.0.5:4001", "rfc2217://server.local:7000", "rfc2217://[::1]:7000"]
)
def test_each_way_to_a_bus(tmp_path: Path, port: str) -> None:
    (bus,) = _site(tmp_path, f'port = "{port}"').buses
    assert (bus.port, bus.ascii_frames) == (port, False)


def test_a_line_may_speak_modbus_ascii(tmp_path: Path) -> None:
    (bus,) = _site(tmp_path, 'port = "/dev/ttyS0"\nframing = "ascii"\ndata_bits = 7\nparity = "even"').buses
    assert bus.ascii_frames


@pytest.mark.parametrize(
    ("bus", "code"),
    [
        ('port = "rtu+tcp://h"', "bad-url"),
        ('port = "rfc2217://h:70000"', "bad-url"),
        ('port = "udp://h:1"', "bad-url"),
        ('port = "tcp:h"', "bad-url"),
        ('port = "/dev/ttyS0"\nframing = "asci"', "unknown-value"),
    ],
)
def test_what_is_wrong_is_told_by_its_code(tmp_path: Path, bus: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _site(tmp_path, bus)
    assert code in {finding.code for finding in caught.value.findings} | {caught.value.code}
