"""Names -> protocols and transports: the one file that knows them all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import urlsplit

from drivers.adapter import Adapter
from drivers.clock import Clock, Pause
from drivers.decoded import FrameReader, RequestReader
from drivers.errors import LinkDownError, ProfileError
from drivers.link import Link
from drivers.link_counters import LinkCounters
from drivers.link_rtu import RtuLink
from drivers.link_tcp import MODBUS_PORT, TcpLink, open_tcp_link
from drivers.profile import Framing, LineSettings, Profile
from drivers.protocols.modbus import ModbusDevice
from drivers.protocols.modbus_decode import read_rtu, read_rtu_request, read_tcp, read_tcp_request
from drivers.sources import ByteStream, Line
from drivers.transport.serial import open_serial
from drivers.transport.tap import Sink, Tap

_log = logging.getLogger(__name__)
DECODERS: Final[Mapping[str, FrameReader]] = MappingProxyType({"modbus-rtu": read_rtu, "modbus-tcp": read_tcp})
"""Protocol names that ``decode_exchange`` takes."""

REQUEST_DECODERS: Final[Mapping[str, RequestReader]] = MappingProxyType(
    {"modbus-rtu": read_rtu_request, "modbus-tcp": read_tcp_request}
)
"""Protocols whose requests say something without a reply."""


class AnyLink(Line, Protocol):
    """An open line with its counters, whatever carries it."""

    @property
    def counters(self) -> LinkCounters:
        """What has happened since it was opened."""
        ...


async def open_link(
    port: str,
    line: LineSettings,
    *,
    echo: bool,
    clock: Clock,
    pause: Pause,
    tap: Sink | None = None,
    pipeline: int = 1,
    adapter: Adapter | None = None,
) -> AnyLink:
    """Open what ``port`` names.

    Args:
        port: path of a serial port, or ``tcp://host[:port]`` of a Modbus TCP server.
        line: speed and parity, for a serial port.
        echo: whether the adapter hears what it sends.
        clock: where time comes from.
        pause: the exact wait that keeps the silence on a serial line.
        tap: is told all bytes of a serial line.
        pipeline: requests that may be open at once over TCP.
        adapter: what the site file says of the adapter of a serial port.

    Raises:
        LinkDownError: it cannot be opened; PortDeniedError or PortBusyError if that is why.
    """
    if "://" in port:
        host, number = tcp_address(port)
        return await open_tcp_link(host, number, pipeline=pipeline)
    serial = await open_stream(port, line, adapter)
    stream = serial if tap is None else Tap(serial, tap)
    switch_s = 0.0 if adapter is None else adapter.switch_ms / 1000
    return RtuLink(Link(stream, name=port, clock=clock, pause=pause, line=line, echo=echo, switch_s=switch_s))


async def open_stream(port: str, line: LineSettings, adapter: Adapter | None = None) -> ByteStream:
    """Open a line as bytes, for those who speak or listen without a protocol: scan, monitor.

    Raises:
        LinkDownError: it cannot be opened, or is no serial line.
    """
    if "://" in port:
        raise LinkDownError(f"{port}: this is no serial line")
    stream = await open_serial(port, line, adapter)
    for finding in stream.findings:
        _log.warning("%s %s", finding.code, finding.detail)
    return stream


def tcp_address(port: str) -> tuple[str, int]:
    """Take ``tcp://host[:port]`` apart.

    Raises:
        LinkDownError: it is not of that form.
    """
    try:
        url = urlsplit(port)
        number = url.port
    except ValueError:
        url, number = urlsplit(""), None
    if url.scheme != "tcp" or not url.hostname or url.path.strip("/") or url.query or url.username:
        raise LinkDownError(f"{port}: not of the form tcp://host:port")
    return url.hostname, number or MODBUS_PORT


def build_device(
    protocol: str,
    *,
    index: int,
    unit: int,
    profile: Profile,
    link: AnyLink,
    clock: Clock,
    framing: Framing | None = None,
    settings: LineSettings | None = None,
) -> ModbusDevice:
    """Make the device that speaks ``protocol`` over ``link``.

    Args:
        protocol: as the profile names it.
        index: its place in the site's device list.
        unit: its address.
        profile: what model it is.
        link: how it is asked; ``device.use`` gives it a new one after the line was opened again.
        clock: stamps the batches.
        framing: how its PDUs travel; None to see it from the link.
        settings: speed and parity of this device if the line carries several.

    Raises:
        ProfileError: no such protocol.
    """
    if protocol != "modbus":
        raise ProfileError(profile.id, f"protocol {protocol!r} is not known")
    if framing is None:
        framing = Framing.TCP if isinstance(link, TcpLink) else Framing.RTU
    return ModbusDevice(
        index=index, unit=unit, profile=profile, line=link, clock=clock, framing=framing, settings=settings
    )
