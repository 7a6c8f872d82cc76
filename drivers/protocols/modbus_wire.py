"""Modbus as ``drivers.registry`` takes it."""

from __future__ import annotations

from typing import Final

from drivers.link_ascii import AsciiLink
from drivers.link_tcp import TcpLink
from drivers.profile import Framing, Profile
from drivers.protocols.modbus import ModbusDevice
from drivers.protocols.modbus_decode import (
    read_ascii,
    read_ascii_request,
    read_rtu,
    read_rtu_request,
    read_tcp,
    read_tcp_request,
)
from drivers.protocols.modbus_example import covered_points
from drivers.scan.modbus import ModbusProbes
from drivers.wire_protocol import AnyLink, Placed, WireProtocol


def _build(placed: Placed) -> ModbusDevice:
    framing = placed.framing
    if framing is None:
        framing = _framing_over(placed.link)
    return ModbusDevice(
        index=placed.index,
        unit=placed.unit,
        profile=placed.profile,
        line=placed.link,
        clock=placed.clock,
        framing=framing,
        settings=placed.settings,
    )


def _framing_over(link: AnyLink) -> Framing:
    if isinstance(link, TcpLink):
        return Framing.TCP
    return Framing.ASCII if isinstance(link, AsciiLink) else Framing.RTU


def _check(profile: Profile) -> None:
    """Nothing is left to check: a Modbus place is read whole when the file is."""


PROTOCOLS: Final = {
    "modbus": WireProtocol(
        build=_build,
        check=_check,
        covered=covered_points,
        decoders={"modbus-rtu": read_rtu, "modbus-ascii": read_ascii, "modbus-tcp": read_tcp},
        request_decoders={
            "modbus-rtu": read_rtu_request,
            "modbus-ascii": read_ascii_request,
            "modbus-tcp": read_tcp_request,
        },
        prober=ModbusProbes(),
        listening="drivers.protocols.modbus_listen",
    )
}
