"""One captured exchange -> quantities: what ``tidegate decode`` prints, for every protocol of the registry."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.decoded import Decoded, DecodeError, DecodeFault
from drivers.registry import DECODERS, REQUEST_DECODERS


def decode_exchange(
    protocol: str, request: bytes | None, response: bytes | None, context: Mapping[str, object] | None = None
) -> Decoded:
    """Read one exchange by its bytes alone.

    Args:
        protocol: key of ``drivers.registry.DECODERS``, such as ``modbus-rtu``.
        request: what was asked, if known.
        response: what came back; None or empty gives NO_REPLY, unless the request alone says something: a write.
        context: parsed JSON object; ``points`` describes the layout. Names of devices or profiles in it are not used.

    Never raises on any bytes; a fault and no quantities is the answer to whatever cannot be read.
    """
    reader = DECODERS.get(protocol)
    if reader is None:
        known = ", ".join(sorted(DECODERS))
        return Decoded(fault=DecodeFault.UNKNOWN_PROTOCOL, detail=f"{protocol!r} is none of {known}")
    try:
        if response:
            return Decoded(quantities=reader(request, response, context or {}))
        if request and protocol in REQUEST_DECODERS:
            return Decoded(quantities=REQUEST_DECODERS[protocol](request, context or {}))
        return Decoded(fault=DecodeFault.NO_REPLY, detail="there is no reply to read")
    except DecodeError as error:
        return Decoded(fault=error.fault, detail=error.detail)
