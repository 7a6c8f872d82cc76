"""What a site file may say of a serial adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import Bus
from agent.configuration.load import load_site
from agent.errors import ConfigError
from drivers.adapter import Adapter, Direction, SendingEnd


def bus_of(tmp_path: Path, *lines: str) -> Bus:
    path = tmp_path / "site.toml"
    keys = "\n".join(lines)
    path.write_text(
        f'schema = 1\n[site]\nname = "x"\n[[bus]]\nname = "b"\nport = "/dev/ttyUSB0"\n{keys}\n', encoding="utf-8"
    )
    (bus,) = load_site(path, ()).buses
    return bus


def test_nothing_said_is_a_locked_port_that_turns_by_itself(tmp_path: Path) -> None:
    bus = bus_of(tmp_path)
    assert bus.adapter == Adapter(
        exclusive=True, direction=Direction.AUTO, latency_ms=None, switch_ms=0, sending_end=SendingEnd.RECKON
    )
    assert not bus.echo


def test_every_key_of_an_adapter(tmp_path: Path) -> None:
    bus = bus_of(
        tmp_path,
        "exclusive = false", 'rs485 = "kernel"', "latency_ms = 1", "switch_ms = 20", 'drain = "wait"', "echo = true",
    )  # fmt: skip
    assert bus.adapter == Adapter(
        exclusive=False, direction=Direction.KERNEL, latency_ms=1, switch_ms=20, sending_end=SendingEnd.WAIT
    )
    assert bus.echo


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('rs485 = "dtr"', "unknown-value"),
        ('drain = "tcdrain"', "unknown-value"),
        ("latency_ms = 0", "out-of-range"),
        ("latency_ms = 256", "out-of-range"),
        ('exclusive = "yes"', "wrong-type"),
        ("drains = 1", "unknown-key"),
    ],
)
def test_what_no_adapter_knows_is_told(tmp_path: Path, line: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bus_of(tmp_path, line)
    assert code in [finding.code for finding in caught.value.findings]
