"""Finding the CJ/T 188 meter on a line by the wildcard address; the standard knows no partial one.

So it finds one meter: with several, their answers spoil each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.codec.cjt188 import (
    ANY,
    ANY_TYPE,
    WAKE_UP,
    Cjt188Frame,
    address_request,
    read_request,
    reply_decoder,
)
from drivers.codec.cjt188_layout import METERING
from drivers.errors import FrameError, NoReplyError
from drivers.profile import LineSettings
from drivers.wire_protocol import FrameLine

_REPLY_BYTES: Final = 38
_SERIAL: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMeter:
    """The meter on the line.

    Attributes:
        type: 0x10 to 0x1F water, 0x20 to 0x2F heat, 0x30 to 0x3F gas.
        address: fourteen digits.
    """

    type: int
    address: str


async def find_meter(
    line: FrameLine, *, settings: LineSettings | None = None, timeout_s: float = 1.0
) -> FoundMeter | None:
    """Ask for the address, then for the metering data, identifiers in either order; None if nothing can be read.

    Raises:
        LinkDownError: the port is gone.
    """
    requests = [address_request(_SERIAL, low_first=low_first) for low_first in (True, False)]
    requests += [
        read_request(type_, ANY, METERING, _SERIAL, low_first=low_first)
        for type_ in (ANY_TYPE, 0x10, 0x20, 0x30)
        for low_first in (False, True)
    ]
    for request in requests:
        try:
            reply: Cjt188Frame = await line.exchange(
                WAKE_UP + request,
                reply_decoder(request, any_serial=True),
                reply_bytes=_REPLY_BYTES,
                timeout_s=timeout_s,
                settings=settings,
            )
        except (NoReplyError, FrameError):
            continue
        if not reply.is_refusal:
            return FoundMeter(type=reply.type, address=reply.address)
    return None
