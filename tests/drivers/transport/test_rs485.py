"""Adapter settings on ports that know nothing of them, and on a pretended /sys."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.adapter import Adapter, Direction
from drivers.errors import PortBusyError
from drivers.profile import LineSettings
from drivers.transport.rs485 import prepare
from drivers.transport.serial import open_serial


@pytest.fixture
def port() -> Iterator[str]:
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("adapter", "codes"),
    [
        (Adapter(), []),
        (Adapter(direction=Direction.KERNEL), ["rs485-refused"]),
        (Adapter(direction=Direction.RTS), ["rts-refused"]),
        (Adapter(direction=Direction.KERNEL, latency_ms=1), ["rs485-refused", "latency-refused"]),
    ],
)
async def test_what_a_pty_cannot_do_is_a_finding_and_the_port_works(
    port: str, adapter: Adapter, codes: list[str]
) -> None:
    stream = await open_serial(port, LineSettings(), adapter)
    try:
        assert [finding.code for finding in stream.findings] == codes
        assert all(port in finding.detail for finding in stream.findings)
        stream.write(b"\x01\x03")
    finally:
        await stream.aclose()


async def test_the_lock_can_be_given_up(port: str) -> None:
    first = await open_serial(port, LineSettings(), Adapter(exclusive=False))
    second = await open_serial(port, LineSettings(), Adapter(exclusive=False))
    await second.aclose()
    await first.aclose()
    first = await open_serial(port, LineSettings())
    with pytest.raises(PortBusyError):
        await open_serial(port, LineSettings())
    await first.aclose()


def test_the_latency_timer_of_a_usb_adapter_is_set(port: str, tmp_path: Path) -> None:
    timer = tmp_path / "sys/bus/usb-serial/devices" / Path(port).name / "latency_timer"
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n")
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        assert prepare(fd, port, Adapter(latency_ms=1), tmp_path) == ()
    finally:
        os.close(fd)
    assert timer.read_text() == "1\n"
