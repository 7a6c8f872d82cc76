"""SunSpec as ``drivers.registry`` takes it: Modbus registers that say themselves what they hold."""

from __future__ import annotations

from typing import Final

from drivers.link_ascii import AsciiLink
from drivers.link_tcp import TcpLink
from drivers.profile import Framing
from drivers.protocols.modbus_sunspec import SunspecDevice
from drivers.protocols.modbus_sunspec_decode import covered_points, read_sunspec
from drivers.protocols.modbus_sunspec_place import check
from drivers.wire_protocol import Placed, WireProtocol


def _build(placed: Placed) -> SunspecDevice:
    framing = placed.framing
    if framing is None and isinstance(placed.link, TcpLink):
        framing = Framing.TCP
    if framing is None:
        framing = Framing.ASCII if isinstance(placed.link, AsciiLink) else Framing.RTU
    return SunspecDevice(placed, framing)


PROTOCOLS: Final = {
    "sunspec": WireProtocol(build=_build, check=check, covered=covered_points, decoders={"sunspec": read_sunspec}),
}
