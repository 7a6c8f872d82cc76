"""Names -> protocols and transports: the one file that knows them all."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

from drivers.adapter import Adapter
from drivers.clock import Clock, Pause
from drivers.decoded import FrameReader, RequestReader
from drivers.errors import LinkDownError, ProfileError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.link_tcp import MODBUS_PORT, open_tcp_link
from drivers.profile import Framing, LineSettings, Profile
from drivers.profile_fields import hint
from drivers.sources import ByteStream
from drivers.transport.serial import open_serial
from drivers.transport.tap import Sink, Tap
from drivers.wire_protocol import AnyLink as AnyLink  # noqa: PLC0414 - callers find it here
from drivers.wire_protocol import LinkedDevice, Placed, WireProtocol

_log = logging.getLogger(__name__)

_PROTOCOLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    # name in a profile: module that has it in its PROTOCOLS, loaded when wanted; names for `decode` if others
    "modbus": ("drivers.protocols.modbus_wire", "modbus-rtu", "modbus-tcp"),
})  # fmt: skip

T = TypeVar("T")


def protocol_names() -> tuple[str, ...]:
    """Give the protocols that a profile may name, sorted."""
    return tuple(sorted(_PROTOCOLS))


def find_protocol(name: str, where: str) -> WireProtocol:
    """Load the protocol that a profile calls ``name``.

    Raises:
        ProfileError: there is none; it starts with ``where``.
    """
    if name not in _PROTOCOLS:
        raise ProfileError(where, f"protocol {name!r} is not known; {hint(name, _PROTOCOLS)}")
    protocol = import_module(_PROTOCOLS[name][0]).PROTOCOLS[name]
    assert isinstance(protocol, WireProtocol)  # what such a module holds
    return protocol


class _Readers(Mapping[str, T]):
    """Decoders by name; a protocol is loaded when one of its own is taken."""

    def __init__(self, kind: Literal["decoders", "request_decoders"]) -> None:
        self._kind = kind

    def __getitem__(self, name: str) -> T:
        protocol = find_protocol(_DECODED_BY[name], name)
        reader: T = getattr(protocol, self._kind)[name]
        return reader

    def __iter__(self) -> Iterator[str]:
        return iter(_DECODED_BY)

    def __len__(self) -> int:
        return len(_DECODED_BY)


_DECODED_BY: Final = {name: protocol for protocol, (_, *names) in _PROTOCOLS.items() for name in names or (protocol,)}

DECODERS: Final[Mapping[str, FrameReader]] = _Readers[FrameReader]("decoders")
"""Protocol names that ``decode_exchange`` takes."""

REQUEST_DECODERS: Final[Mapping[str, RequestReader]] = _Readers[RequestReader]("request_decoders")
"""What reads a request without a reply; a KeyError for a protocol whose requests say nothing."""


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
    address: str = "",
) -> LinkedDevice:
    """Make the device that speaks ``protocol`` over ``link``.

    Args:
        protocol: as the profile names it.
        index: its place in the site's device list.
        unit: its Modbus address.
        profile: what model it is.
        link: how it is asked; ``device.use`` gives it a new one after the line was opened again.
        clock: stamps the batches.
        framing: how its PDUs travel; None to see it from the link.
        settings: speed and parity of this device if the line carries several.
        address: its address, where the protocol's are texts.

    Raises:
        ProfileError: no such protocol, or it cannot use the profile.
    """
    return find_protocol(protocol, profile.id).build(
        Placed(
            index=index,
            unit=unit,
            address=address,
            profile=profile,
            link=link,
            clock=clock,
            framing=framing,
            settings=settings,
        )
    )
