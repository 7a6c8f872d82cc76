"""A device that does not answer, on a line whose speed or parity is not what its model leaves the factory with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli.scan_text import setting
from agent.finding import Finding
from drivers.port_url import Way, read_port
from drivers.profile import LineSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.config import Site, SiteDevice
    from agent.control.protocol import DeviceValues

_NO_SPEED = (Way.TCP, Way.RTU_TCP, Way.TCP_LISTEN)
"""Ports at which nothing of the line can be set."""


def other_lines(site: Site, devices: Iterable[DeviceValues]) -> tuple[Finding, ...]:
    """Give a warning for each silent device of ``site`` that is asked at other settings than its profile names."""
    silent = {one.device for one in devices if one.error_code == "no-reply"}
    found = (_other_line(site, one) for one in site.devices if one.name in silent)
    return tuple(finding for finding in found if finding is not None)


def _other_line(site: Site, device: SiteDevice) -> Finding | None:
    bus = next(one for one in site.buses if one.name == device.bus)
    asked, usual = device.line or bus.line, device.profile.line
    # a profile that names none has 9600 8N1, which says nothing of the model
    if read_port(bus.port).way in _NO_SPEED or usual in (asked, LineSettings()):
        return None
    parity = usual.parity.name.lower()
    params: dict[str, str | int] = {
        "device": device.name,
        "asked": setting(asked),
        "profile": device.profile.id,
        "usual": setting(usual),
        "example": f'line = {{ baud = {usual.baud}, parity = "{parity}", data_bits = {usual.data_bits} }}',
    }
    return Finding(code="other-line", params=params, warning=True)
