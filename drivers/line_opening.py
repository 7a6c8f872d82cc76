"""Opens what the name of a port means (``drivers.port_url``): the one file that knows all transports."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from drivers.adapter import Adapter, SendingEnd
from drivers.clock import Clock, Pause
from drivers.errors import LinkDownError
from drivers.link import Link
from drivers.link_ascii import AsciiLink
from drivers.link_rtu import RtuLink
from drivers.link_tcp import open_tcp_link
from drivers.port_url import Way, read_port
from drivers.profile import LineSettings
from drivers.sources import ByteStream
from drivers.transport.tap import Sink, Tap
from drivers.transport.tcp import open_tcp
from drivers.transport.tcp_listen import open_listener
from drivers.turnaround import MARGIN_NS
from drivers.wire_protocol import AnyLink

_log = logging.getLogger(__name__)
_NETWORK_MARGIN_S: Final = 0.05  # what a converter and a switch vary by without anything being wrong
_NETWORK_S: Final = 1.0  # a lost segment is sent again after 0.2 s at the earliest (RFC 6298), usually later


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
    ascii_frames: bool = False,
) -> AnyLink:
    """Open what ``port`` names.

    Args:
        port: as ``drivers.port_url`` says: a path, ``tcp://``, ``rtu+tcp://``, ``rfc2217://``, ``tcp-listen://``.
        line: speed and parity of a serial line; behind ``rtu+tcp://`` what the converter is set to.
        echo: whether the adapter hears what it sends.
        clock: where time comes from.
        pause: the exact wait that keeps the silence on a serial line.
        tap: is told all bytes of a serial line.
        pipeline: requests that may be open at once over TCP.
        adapter: what the site file says of the adapter of a serial port.
        ascii_frames: whether a serial line speaks Modbus ASCII rather than RTU.

    Raises:
        LinkDownError: it cannot be opened; PortDeniedError or PortBusyError if that is why.
    """
    url = read_port(port)
    if url.way is Way.TCP:
        return await open_tcp_link(url.host, url.number, pipeline=pipeline)
    plain = await open_stream(port, line, adapter)
    stream = plain if tap is None else Tap(plain, tap)
    switch_s = 0.0 if adapter is None else adapter.switch_ms / 1000
    margin_s = _NETWORK_MARGIN_S if url.way.is_network else MARGIN_NS / 1e9
    waits = adapter is not None and adapter.sending_end is SendingEnd.WAIT
    link = Link(
        stream, name=port, clock=clock, pause=pause, line=line, echo=echo, switch_s=switch_s, margin_s=margin_s,
        drain=_drain_of(plain) if waits else None,
    )  # fmt: skip
    slack_s = _NETWORK_S if url.way.is_network else 0.0
    return AsciiLink(link, slack_s=slack_s) if ascii_frames else RtuLink(link, slack_s=slack_s)


async def open_stream(port: str, line: LineSettings, adapter: Adapter | None = None) -> ByteStream:
    """Open a line as bytes, for those who speak or listen without a protocol: scan, monitor.

    Raises:
        LinkDownError: it cannot be opened, or is no serial line.
    """
    url = read_port(port)
    if url.way is Way.TCP:
        raise LinkDownError(f"{port}: this is no serial line")
    if url.way is Way.RTU_TCP:
        return await open_tcp(url.host, url.number)
    if url.way is Way.TCP_LISTEN:
        return await open_listener(url.host, url.number)
    if url.way is Way.RFC2217:
        from drivers.transport.rfc2217 import open_rfc2217  # noqa: PLC0415 - Telnet and threads, seldom wanted

        return await open_rfc2217(url.host, url.number, line)
    from drivers.transport.serial import open_serial  # noqa: PLC0415 - 0.3 MiB that no network line needs

    stream = await open_serial(port, line, adapter)
    for finding in stream.findings:
        _log.warning("%s %s", finding.code, finding.detail)
    return stream


def _drain_of(stream: ByteStream) -> Callable[[], Awaitable[None]] | None:
    from drivers.transport.serial import SerialStream  # noqa: PLC0415 - as above

    return stream.drain if isinstance(stream, SerialStream) else None


def tcp_address(port: str) -> tuple[str, int]:
    """Take ``tcp://host[:port]`` apart.

    Raises:
        LinkDownError: it is not of that form.
    """
    url = read_port(port)
    if url.way is not Way.TCP:
        raise LinkDownError(f"{port}: not of the form tcp://host:port")
    return url.host, url.number
