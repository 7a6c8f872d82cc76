"""Meters that send SML by themselves, as those with an optical eye do every 1 to 4 s (SML 1.04; BSI TR-03109-1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from drivers.batch import Value
from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import read_list
from drivers.codec.sml_value import SmlError
from drivers.decoded import DecodeError, DecodeFault
from drivers.named_values import NOTHING, sealed
from drivers.profile import Example, Profile
from drivers.protocols.listening import ListeningDevice
from drivers.protocols.sml_place import ANY, check_places, place_of, read_address
from drivers.protocols.sml_scan import UNASKED
from drivers.protocols.sml_told import frames_of, read_sml, told, understand
from drivers.protocols.telegram import Group, Telegram, groups
from drivers.wire_protocol import Placed, WireProtocol

USUAL_BYTES: Final = 512


def plan(profile: Profile, request_bytes: int = 0) -> tuple[Group, ...]:
    """Put the points of each period together; ProfileError for a place that is none."""
    places = [place_of(point, profile.id) for point in profile.points]
    return groups(profile.points, places, request_bytes=request_bytes, reply_bytes=USUAL_BYTES)


def build(placed: Placed) -> ListeningDevice[SmlFrame]:
    """Make the meter at its place; with a server id for an address it hears that meter alone."""
    wanted = b"" if placed.address in ("", ANY) else bytes.fromhex(placed.address)

    def heard(frame: SmlFrame, mono_ns: int, where: str) -> Telegram | None:
        telegram = understand(frame, mono_ns, where)
        return telegram if not wanted or read_list(frame.payload).server_id == wanted else None

    return ListeningDevice(placed, plan(placed.profile), stream_decoder, heard)


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's files hold, by its index.

    Raises:
        DecodeError: they cannot be read, or hold none of the points.
    """
    found: dict[int, Value] = {}
    for frame in frames_of(example.reply):
        try:
            said = told(read_list(frame.payload), 0).said
        except SmlError as error:
            raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
        both = [(point, place_of(point, profile.id).find(said)) for point in profile.points]
        found |= {index: sealed(point, one)[0] for index, (point, one) in enumerate(both) if one is not NOTHING}
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "none of the points is in this list")
    return found


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "sml": WireProtocol(
        build=build,
        check=check_places,
        covered=covered,
        decoders={"sml": read_sml},
        address=read_address,
        unasked=UNASKED,
        listening="drivers.protocols.sml_listen",
    ),
})  # fmt: skip
