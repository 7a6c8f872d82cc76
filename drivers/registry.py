"""Names -> protocols and transports: the one file that knows them all."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from drivers.decoded import FrameReader
from drivers.protocols.modbus_decode import read_rtu, read_tcp

DECODERS: Final[MappingProxyType[str, FrameReader]] = MappingProxyType(
    {
        "modbus-rtu": read_rtu,
        "modbus-tcp": read_tcp,
    }
)
"""Protocol names that ``decode_exchange`` takes."""
