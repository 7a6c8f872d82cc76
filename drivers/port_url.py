"""What the name of a port means: a device file, a Modbus TCP server, or a serial line behind a network.

| name | what |
|---|---|
| ``/dev/serial/by-id/...`` | a serial port of this machine |
| ``tcp://host[:502]`` | a Modbus TCP server |
| ``rtu+tcp://host:port`` | a converter that passes the bytes of a serial line through, at its own speed |
| ``rfc2217://host:port`` | a device server that sets speed and parity when it is asked to (RFC 2217) |
| ``tcp-listen://host:port`` | a station that connects to us, to this address of ours (``0.0.0.0`` for all) |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from drivers.errors import LinkDownError
from drivers.profile import Framing

MODBUS_PORT: Final = 502
_SEPARATOR: Final = "://"


class Way(Enum):
    """How a port is reached; the value is the scheme of its URL."""

    SERIAL = ""
    TCP = "tcp"
    RTU_TCP = "rtu+tcp"
    RFC2217 = "rfc2217"
    TCP_LISTEN = "tcp-listen"

    @property
    def is_network(self) -> bool:
        """Whether a network lies between."""
        return self is not Way.SERIAL

    @property
    def is_line(self) -> bool:
        """Whether a serial line lies at its end: one exchange at a time, silence between them."""
        return self is not Way.TCP


_FORMS: Final = {
    Way.TCP: "tcp://host:port",
    Way.RTU_TCP: "rtu+tcp://host:port",
    Way.RFC2217: "rfc2217://host:port",
    Way.TCP_LISTEN: "tcp-listen://host:port",
}
_WAYS: Final = {way.value: way for way in _FORMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortUrl:
    """A port taken apart.

    Attributes:
        path: of a serial port, empty otherwise.
        host: name or address, empty for a serial port.
        number: TCP port, 0 for a serial port.
    """

    way: Way
    path: str = ""
    host: str = ""
    number: int = 0


def way_of(port: str) -> Way | None:
    """Tell how ``port`` is reached by its beginning alone; None if nothing knows this scheme."""
    scheme, separator, _ = port.partition(_SEPARATOR)
    return _WAYS.get(scheme.lower()) if separator else Way.SERIAL


def read_port(port: str) -> PortUrl:
    """Take the name of a port apart.

    Raises:
        LinkDownError: a URL of another form than the table says.
    """
    way = way_of(port)
    if way is Way.SERIAL:
        return PortUrl(way=way, path=port)
    if way is None:
        raise LinkDownError(f"{port}: not of the form {', '.join(_FORMS.values())}, nor the path of a serial port")
    try:
        url = urlsplit(port)
        number = url.port or (MODBUS_PORT if way is Way.TCP else 0)
    except ValueError:
        url, number = urlsplit(""), 0
    if not url.hostname or not number or url.path.strip("/") or url.query or url.fragment or url.username:
        raise LinkDownError(f"{port}: not of the form {_FORMS[way]}")
    return PortUrl(way=way, host=url.hostname, number=number)


def framing_of(port: str, *, ascii_frames: bool = False) -> Framing:
    """Tell how PDUs travel through ``port``; ``ascii_frames`` is what the site says of a serial line."""
    way = way_of(port)
    if way is Way.TCP:
        return Framing.TCP
    return Framing.ASCII if ascii_frames else Framing.RTU
