"""Modbus as ``drivers.registry`` takes it."""

from __future__ import annotations

from typing import Final

from drivers.link_tcp import TcpLink
from drivers.profile import Framing, Profile
from drivers.protocols.modbus import ModbusDevice
from drivers.protocols.modbus_decode import read_rtu, read_rtu_request, read_tcp, read_tcp_request
from drivers.protocols.modbus_example import covered_points
from drivers.wire_protocol import Placed, WireProtocol


def _build(placed: Placed) -> ModbusDevice:
    framing = placed.framing
    if framing is None:
        framing = Framing.TCP if isinstance(placed.link, TcpLink) else Framing.RTU
    return ModbusDevice(
        index=placed.index,
        unit=placed.unit,
        profile=placed.profile,
        line=placed.link,
        clock=placed.clock,
        framing=framing,
        settings=placed.settings,
    )


def _check(profile: Profile) -> None:
    """Nothing is left to check: a Modbus place is read whole when the file is."""


PROTOCOLS: Final = {
    "modbus": WireProtocol(
        build=_build,
        check=_check,
        covered=covered_points,
        decoders={"modbus-rtu": read_rtu, "modbus-tcp": read_tcp},
        request_decoders={"modbus-rtu": read_rtu_request, "modbus-tcp": read_tcp_request},
    )
}
