"""DLMS/COSEM meters that are asked; so far only decoded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from drivers.protocols.decode_only import decode_only
from drivers.protocols.dlms_decode import read_bare, read_hdlc
from drivers.wire_protocol import WireProtocol

PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "dlms": decode_only("dlms", {"dlms-hdlc": read_hdlc, "dlms-apdu": read_bare}, "drivers.protocols.dlms_listen"),
})  # fmt: skip
