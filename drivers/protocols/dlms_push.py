"""Meters that push lists through a customer port (HAN): DLMS data notifications in HDLC frames, not encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Final

from drivers.batch import Value
from drivers.captured import replies
from drivers.codec.hdlc_message import HdlcMessage, MessageDecoder
from drivers.decoded import DecodeError, DecodeFault
from drivers.errors import DriverError
from drivers.named_values import NOTHING, sealed
from drivers.profile import Example, Profile
from drivers.protocols.dlms_decode import read_hdlc
from drivers.protocols.dlms_push_place import check_places, place_of, read_address
from drivers.protocols.dlms_push_told import understand
from drivers.protocols.dlms_scan import UNASKED
from drivers.protocols.listening import ListeningDevice
from drivers.protocols.telegram import Telegram, groups
from drivers.wire_protocol import Placed, WireProtocol

_USUAL_BYTES: Final = 300


def build(placed: Placed) -> ListeningDevice[HdlcMessage]:
    """Make the meter at its place."""
    profile, zone = placed.profile, placed.zone
    places = [place_of(point, profile.id) for point in profile.points]

    def heard(message: HdlcMessage, mono_ns: int, where: str) -> Telegram | None:
        return understand(message, mono_ns, where, zone)

    planned = groups(profile.points, places, request_bytes=0, reply_bytes=_USUAL_BYTES)
    return ListeningDevice(placed, planned, MessageDecoder, heard, lists=True)


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's lists hold, by its index.

    Raises:
        DecodeError: they cannot be read, or hold none of the points.
    """
    found: dict[int, Value] = {}
    places = [place_of(point, profile.id) for point in profile.points]
    for message in replies(MessageDecoder(), None, example.reply, lambda _message: True):
        try:
            telegram = understand(message, 0, profile.id, UTC)
        except DriverError as error:
            raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
        if telegram is None:
            continue
        both = [place.find(telegram.said) for place in places]
        found |= {i: sealed(profile.points[i], one)[0] for i, one in enumerate(both) if one is not NOTHING}
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "none of the points is in these lists")
    return found


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "dlms-push": WireProtocol(
        build=build,
        check=check_places,
        covered=covered,
        decoders={"dlms-push": read_hdlc},
        address=read_address,
        unasked=UNASKED,
    ),
})  # fmt: skip
